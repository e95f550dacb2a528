#include "io/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/checked.h"
#include "base/text.h"
#include "dtype/format.h"
#include "io/looks_like.h"
#include "io/strict_json.h"
#include "kinglet/error.h"

namespace kinglet::io {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
constexpr std::uint64_t kLengthBytes = 8;
constexpr std::size_t kMaxDims = 8;
constexpr std::size_t kLongestName = 4096;
constexpr std::size_t kValuesPerTensor = 12;  // in the header: the parts, and a few dimensions

struct TypeRow {
  std::string_view name;
  DType dtype;
};
constexpr TypeRow kTypes[] = {{"F32", DType::kF32}, {"F16", DType::kF16}, {"BF16", DType::kBF16},
                              {"F64", DType::kF64}, {"I8", DType::kI8},   {"I16", DType::kI16},
                              {"I32", DType::kI32}, {"I64", DType::kI64}, {"U8", DType::kU8},
                              {"U16", DType::kU16}, {"U32", DType::kU32}, {"U64", DType::kU64},
                              {"BOOL", DType::kBool}};

// Reads one entry of the header; knows where messages point.
class EntryReader {
 public:
  EntryReader(const File& file, std::string_view name, const json& entry)
      : file_(file), name_(name), entry_(entry) {}

  Error error(std::string problem, std::string_view field) const {
    return refused(std::move(problem))
        .in(file_.name())
        .at(fmt::format("{} of tensor {}", field, kinglet::quoted(name_)), kLengthBytes);
  }

  const json& field(const char* key) const {
    if (!entry_.is_object()) throw error("an entry that is no object", "header");
    const auto found = entry_.find(key);
    if (found == entry_.end()) throw error("a field is missing", key);
    return *found;
  }

  DType dtype() const {
    const json& value = field("dtype");
    const auto known =
        value.is_string() ? dtype_of_safetensors(value.get_ref<const std::string&>()) : std::nullopt;
    if (known) return *known;
    throw error("unsupported dtype", "dtype")
        .found(printable(value.dump(-1, ' ', false, json::error_handler_t::replace)))
        .allowed("F64, F32, F16, BF16, I8 to I64, U8 to U64, BOOL");
  }

  std::vector<std::uint64_t> numbers(const char* key, std::size_t min, std::size_t max) const {
    const json& list = field(key);
    if (!list.is_array() || list.size() < min || list.size() > max) {
      throw error("not a list of the right length", key)
          .allowed(min == max ? fmt::format("{} numbers", max)
                              : fmt::format("{} to {} numbers", min, max));
    }
    std::vector<std::uint64_t> numbers;
    for (const json& item : list) {
      if (!item.is_number_unsigned()) {
        throw error("not a whole number below 2^64", key)
            .found(printable(item.dump(-1, ' ', false, json::error_handler_t::replace)));
      }
      numbers.push_back(item.get<std::uint64_t>());
    }
    return numbers;
  }

 private:
  const File& file_;
  std::string_view name_;
  const json& entry_;
};

TensorInfo tensor_of(const File& file, const std::string& name, const json& entry,
                     std::uint64_t data_offset) {
  const EntryReader reader(file, name, entry);
  if (name.size() > kLongestName) {
    throw reader.error("a name is too long", "name").allowed(fmt::format("{} bytes", kLongestName));
  }
  TensorInfo info;
  info.name = info.name_in_file = name;
  info.file = file.name();
  info.dtype = reader.dtype();
  info.shape = reader.numbers("shape", 0, kMaxDims);
  const auto ends = reader.numbers("data_offsets", 2, 2);
  const std::uint64_t data_bytes = file.size() - data_offset;
  if (ends[0] > ends[1] || ends[1] > data_bytes) {
    throw reader.error("a tensor lies outside the data (truncated?)", "data_offsets")
        .found(fmt::format("[{}, {}]", ends[0], ends[1]))
        .allowed(fmt::format("begin <= end <= {}", data_bytes));
  }
  const auto nbytes = dtype::checked_nbytes(info.shape, info.dtype);
  if (!nbytes || *nbytes != ends[1] - ends[0]) {
    throw reader.error("the shape does not fit the bytes", "shape")
        .found(fmt::format("[{}] of {}", fmt::join(info.shape, ", "), dtype::name_of(info.dtype)))
        .allowed(fmt::format("{} bytes", ends[1] - ends[0]));
  }
  info.nbytes = *nbytes;
  info.offset = data_offset + ends[0];
  return info;
}

std::map<std::string, std::string> metadata_of(const File& file, const json& object) {
  std::map<std::string, std::string> metadata;
  const auto refuse = [&](const char* problem) {
    return refused(problem).in(file.name()).at("__metadata__", kLengthBytes);
  };
  if (!object.is_object()) throw refuse("not an object");
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) throw refuse("metadata that is not text").found(kinglet::quoted(key));
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

// The text of the header. The length is checked before anything is allocated.
std::string header_text(const File& file) {
  if (file.size() < kLengthBytes) {
    throw refused(fmt::format("too short: {} bytes, not a safetensors file{}", file.size(),
                              looks_like(file)))
        .in(file.name())
        .at("header length", 0);
  }
  std::uint64_t length = 0;
  file.read(0, std::as_writable_bytes(std::span(&length, 1)));
  const std::uint64_t room = std::min(file.size() - kLengthBytes, kMaxHeaderBytes);
  if (length < 2 || length > room) {
    throw refused("the length of the header is out of range" + looks_like(file))
        .in(file.name())
        .at("header length", 0)
        .found(fmt::format("{}", length))
        .allowed(fmt::format("2 to {}", room));
  }
  std::string text(static_cast<std::size_t>(length), '\0');
  file.read(kLengthBytes, std::as_writable_bytes(std::span(text)));
  if (text[0] != '{') {
    throw refused("the header does not start with '{'" + looks_like(file))
        .in(file.name())
        .at("header", kLengthBytes);
  }
  return text;
}

// Every byte of the data belongs to one tensor.
void check_no_holes(const File& file, const SafetensorsHeader& header) {
  std::uint64_t end = header.data_offset;
  const auto refuse_hole = [&](std::uint64_t next) {
    return refused(fmt::format("{} bytes belong to no tensor", next - end))
        .in(file.name())
        .at("data", end);
  };
  for (const TensorInfo* tensor : in_order_of_offset(header.tensors)) {
    if (tensor->offset > end) throw refuse_hole(tensor->offset);
    end = tensor->offset + tensor->nbytes;
  }
  if (end != file.size()) throw refuse_hole(file.size());
}

}  // namespace

std::optional<DType> dtype_of_safetensors(std::string_view name) {
  for (const TypeRow& row : kTypes) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

std::optional<std::string_view> safetensors_of_dtype(DType dtype) {
  for (const TypeRow& row : kTypes) {
    if (row.dtype == dtype) return row.name;
  }
  return std::nullopt;
}

SafetensorsHeader read_safetensors_header(const File& file) {
  const std::string text = header_text(file);
  const JsonLimits limits{.values = kMaxTensors * kValuesPerTensor};
  const json entries = parse_json_object({text, file.name(), kLengthBytes}, limits);

  SafetensorsHeader header;
  header.data_offset = kLengthBytes + text.size();
  for (const auto& [name, entry] : entries.items()) {
    if (name == "__metadata__") {
      header.metadata = metadata_of(file, entry);
    } else {
      header.tensors.push_back(tensor_of(file, name, entry, header.data_offset));
    }
  }
  check_no_holes(file, header);
  std::stable_sort(header.tensors.begin(), header.tensors.end(),
                   [](const TensorInfo& a, const TensorInfo& b) { return a.offset < b.offset; });
  return header;
}

void SafetensorsSource::add(File file) {
  for (TensorInfo& tensor : read_safetensors_header(file).tensors) {
    table_.add(std::move(tensor));
    file_of_.push_back(files_.size());
  }
  files_.push_back(std::move(file));
}

void SafetensorsSource::read_rows(const TensorInfo& tensor, std::uint64_t begin,
                                  std::span<std::byte> out) const {
  read_plain_rows(files_[file_of_[table_.index_of(tensor)]], tensor, begin, out);
}

}  // namespace kinglet::io
