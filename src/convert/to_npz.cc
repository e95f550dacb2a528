// NumPy's .npz (io/npz.h has the format): what describes the model, then an array for each tensor.

#include <fmt/format.h>

#include <string>
#include <vector>

#include "convert/rope.h"
#include "convert/targets.h"
#include "io/hf_writer.h"
#include "io/npy.h"
#include "io/zip.h"
#include "kinglet/error.h"

namespace kinglet {
namespace {

class Archive {
 public:
  void add_text(const std::string& name, std::string text) {
    start(name, text.size());
    const std::string crc = io::crc_bytes(io::crc32_of(std::as_bytes(std::span(text))));
    add(std::move(text));
    end(crc, {});
  }

  // The CRC is known when the tensor was written.
  void add_array(const std::string& name, const std::string& head, std::size_t tensor, std::uint64_t bytes) {
    start(name, head.size() + bytes);
    add(head);
    file_.pieces.push_back({.tensor = tensor, .crc_before = io::crc32_of(std::as_bytes(std::span(head)))});
    position_ += bytes;
    end({}, tensor);
  }

  PlannedFile finish() {
    const std::uint64_t directory = position_;
    for (const Member& member : members_) {
      add(io::entry_start());
      add_crc(member.crc, member.tensor);
      add(io::entry_end({member.name, member.size, member.local_header}));
    }
    add(io::end_of_archive(members_.size(), directory, position_ - directory));
    return std::move(file_);
  }

 private:
  struct Member {
    std::string name;
    std::uint64_t size = 0, local_header = 0;
    std::string crc;  // or that of the tensor's array
    std::optional<std::size_t> tensor;
  };

  void start(const std::string& name, std::uint64_t size) {
    members_.push_back({name, size, position_, {}, {}});
    add(io::local_header(name, size));
  }
  void end(const std::string& crc, std::optional<std::size_t> tensor) {
    members_.back().crc = crc;
    members_.back().tensor = tensor;
    add(std::string(io::kDescriptorStart));
    add_crc(crc, tensor);
    add(io::descriptor_end(members_.back().size));
  }
  void add_crc(const std::string& crc, std::optional<std::size_t> tensor) {
    if (!tensor) return add(crc);
    file_.pieces.push_back({.crc_of_tensor = tensor});
    position_ += sizeof(std::uint32_t);
  }
  void add(std::string text) {
    position_ += text.size();
    file_.pieces.push_back({.text = std::move(text)});
  }

  PlannedFile file_;
  std::vector<Member> members_;
  std::uint64_t position_ = 0;
};

}  // namespace

void lay_out_npz(const io::ModelFile& model, const ConvertOptions&, Plan& plan) {
  Archive archive;
  for (io::NamedText& file : io::hf_files(model, hf_config_of(model))) archive.add_text(file.name, std::move(file.text));
  if (model.tokenizer.kind == io::TokenizerText::Kind::kNone) {
    plan.warnings.emplace_back("the source has no tokenizer.json; none is written");
  }
  for (std::size_t i = 0; i < plan.tensors.size(); ++i) {
    const PlannedTensor& tensor = plan.tensors[i];
    archive.add_array(tensor.name + ".npy", io::npy_head(tensor.source->shape, tensor.to), i, tensor.bytes);
  }
  plan.files.push_back(archive.finish());
}

}  // namespace kinglet
