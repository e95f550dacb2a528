#include "io/safetensors_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "base/checked.h"
#include "base/text.h"
#include "dtype/format.h"
#include "io/safetensors.h"
#include "kinglet/error.h"

namespace kinglet::io {
namespace {

using nlohmann::json;

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

// As JSON text.
std::string quote(std::string_view text) { return json(text).dump(); }

}  // namespace

SafetensorsStart start_of_safetensors(std::span<const TensorPlan> tensors,
                                     const std::map<std::string, std::string>& metadata) {
  SafetensorsStart result;
  std::vector<std::string> entries;
  if (!metadata.empty()) entries.push_back("\"__metadata__\":" + json(metadata).dump());
  std::unordered_set<std::string_view> names;
  for (const TensorPlan& tensor : tensors) {
    const auto refuse = [&tensor](const char* problem) {
      return usage_error(fmt::format("a safetensors file cannot hold tensor {}: {}",
                                     kinglet::quoted(tensor.name), problem));
    };
    if (!names.insert(tensor.name).second || tensor.name == "__metadata__") {
      throw refuse("its name is taken");
    }
    if (!is_utf8(tensor.name)) throw refuse("its name is no UTF-8");
    const auto type = safetensors_of_dtype(tensor.dtype);
    if (!type) throw refuse("it is quantised").found(dtype::name_of(tensor.dtype));
    const auto nbytes = dtype::checked_nbytes(tensor.shape, tensor.dtype);
    const auto end = nbytes ? checked_add(result.data_bytes, *nbytes) : std::nullopt;
    if (!end) throw refuse("it is too large");
    entries.push_back(fmt::format(R"({}:{{"data_offsets":[{},{}],"dtype":"{}","shape":[{}]}})",
                                  quote(tensor.name), result.data_bytes, *end, *type,
                                  fmt::join(tensor.shape, ",")));
    result.data_bytes = *end;
  }
  std::string text = fmt::format("{{{}}}", fmt::join(entries, ","));
  text.resize(round_up(text.size(), 8), ' ');
  const std::uint64_t length = text.size();
  result.bytes.assign(reinterpret_cast<const char*>(&length), sizeof(length));
  result.bytes += text;
  return result;
}

SafetensorsWriter::SafetensorsWriter(std::filesystem::path path,
                                     std::span<const TensorPlan> tensors,
                                     const std::map<std::string, std::string>& metadata)
    : file_(std::move(path)) {
  const SafetensorsStart header = start_of_safetensors(tensors, metadata);
  left_ = header.data_bytes;
  file_.write(header.bytes);
}

void SafetensorsWriter::write(std::span<const std::byte> bytes) {
  if (bytes.size() > left_) {
    throw runtime_error(fmt::format("{} bytes more than the tensors have", bytes.size() - left_));
  }
  file_.write(bytes);
  left_ -= bytes.size();
}

void SafetensorsWriter::finish() {
  if (left_ > 0) throw runtime_error(fmt::format("{} bytes of tensors were not written", left_));
  file_.commit();
}

}  // namespace kinglet::io
