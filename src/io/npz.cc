#include "io/npz.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/text.h"
#include "io/hf_directory.h"
#include "io/npy.h"
#include "io/tensor_table.h"
#include "io/zip.h"
#include "kinglet/error.h"

namespace kinglet::io {
namespace {

constexpr std::string_view kArray = ".npy";
constexpr std::uint64_t kMaxTextBytes = 200'000'000;

class NpzSource : public TensorSource {
 public:
  NpzSource(File file, TensorTable table) : file_(std::move(file)), table_(std::move(table)) {}

  std::span<const TensorInfo> tensors() const override { return table_.all(); }
  const TensorInfo* find(std::string_view name) const override { return table_.find(name); }
  void read_rows(const TensorInfo& tensor, std::uint64_t begin, std::span<std::byte> out) const override {
    read_plain_rows(file_, tensor, begin, out);
  }

 private:
  File file_;
  TensorTable table_;
};

TensorInfo tensor_of(const File& file, const ZipMember& member) {
  TensorInfo info;
  info.name = member.name.substr(0, member.name.size() - kArray.size());
  info.name_in_file = member.name;
  try {
    NpyHeader header = read_npy_header(file, member.offset, member.size);
    info.dtype = header.dtype;
    info.shape = std::move(header.shape);
    info.offset = header.offset;
    info.nbytes = header.nbytes;
  } catch (Error& error) {
    throw error.in(fmt::format("{}: {}", file.name(), printable(member.name)));
  }
  info.file = file.name();
  return info;
}

// The members that are texts, as the files of a directory.
class Texts {
 public:
  void add(const File& file, const ZipMember& member) {
    if (member.size > kMaxTextBytes) {
      throw refused("a member is too long").in(file.name()).at(printable(member.name), member.offset);
    }
    std::string text(static_cast<std::size_t>(member.size), '\0');
    file.read(member.offset, std::as_writable_bytes(std::span(text)));
    texts_.push_back(std::make_unique<std::string>(std::move(text)));
    files_.push_back({member.name, std::as_bytes(std::span(*texts_.back()))});
  }
  Folder folder(const std::string& name) const { return Folder::in_memory(name, files_); }

 private:
  std::vector<std::unique_ptr<std::string>> texts_;  // stay where they are: the files point to them
  std::vector<MemoryFile> files_;
};

}  // namespace

ModelFile open_npz(File file) {
  TensorTable table;
  Texts texts;
  for (const ZipMember& member : read_zip(file)) {
    if (member.name.ends_with(kArray)) {
      table.add(tensor_of(file, member));
    } else if (is_directory_file(member.name)) {
      texts.add(file, member);
    } else {
      throw refused("neither an array nor a file that describes a model (a PyTorch checkpoint? convert it to safetensors)")
          .in(file.name())
          .at(printable(member.name), member.offset);
    }
  }
  ModelFile model = open_surroundings(texts.folder(file.name()));
  model.file = file.name();
  model.format = "NumPy .npz";
  model.tensors = std::make_unique<NpzSource>(std::move(file), std::move(table));
  return model;
}

}  // namespace kinglet::io
