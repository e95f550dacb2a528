#include "io/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/checked.h"
#include "base/text.h"
#include "dtype/format.h"
#include "io/looks_like.h"
#include "io/tensor_table.h"
#include "kinglet/error.h"

namespace kinglet::io {
namespace {

static_assert(std::endian::native == std::endian::little, "files are read as they lie");

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
constexpr std::uint64_t kMaxKeys = 65'536;
constexpr std::uint64_t kLongestKey = 65'535;
constexpr std::uint64_t kLongestString = 16u << 20;
constexpr std::uint64_t kLongestTensorName = 64;
constexpr std::uint64_t kLargestAlignment = 65'536;
constexpr std::uint64_t kFixedHeaderBytes = 24;
constexpr std::uint64_t kSmallestKey = 8 + 1 + 4 + 1;             // one letter, a bool
constexpr std::uint64_t kSmallestTensor = 8 + 0 + 4 + 8 + 4 + 8;  // no name, one dimension

struct TypeRow {
  const char* name;
  std::size_t bytes;  // 0: varies
};
constexpr TypeRow kTypes[] = {{"u8", 1},   {"i8", 1},     {"u16", 2},   {"i16", 2}, {"u32", 4},
                              {"i32", 4},  {"f32", 4},    {"bool", 1},  {"string", 0},
                              {"array", 0}, {"u64", 8},   {"i64", 8},   {"f64", 8}};

const TypeRow& row_of(GgufType type) { return kTypes[static_cast<std::size_t>(type)]; }

struct GgmlRow {
  std::uint32_t number;
  DType dtype;
};
constexpr GgmlRow kGgmlTypes[] = {
    {0, DType::kF32},   {1, DType::kF16},   {2, DType::kQ4_0},  {3, DType::kQ4_1},
    {6, DType::kQ5_0},  {7, DType::kQ5_1},  {8, DType::kQ8_0},  {10, DType::kQ2_K},
    {11, DType::kQ3_K}, {12, DType::kQ4_K}, {13, DType::kQ5_K}, {14, DType::kQ6_K},
    {20, DType::kIQ4_NL}, {24, DType::kI8}, {25, DType::kI16},  {26, DType::kI32},
    {27, DType::kI64},  {28, DType::kF64},  {30, DType::kBF16}, {39, DType::kMXFP4}};

// Types that ggml has and kinglet does not read, so that a message can name them.
struct UnreadRow {
  std::uint32_t number;
  const char* name;
};
constexpr UnreadRow kUnread[] = {
    {9, "q8_1"},    {15, "q8_K"},   {16, "iq2_xxs"}, {17, "iq2_xs"}, {18, "iq3_xxs"},
    {19, "iq1_s"},  {21, "iq3_s"},  {22, "iq2_s"},   {23, "iq4_xs"}, {29, "iq1_m"},
    {34, "tq1_0"},  {35, "tq2_0"}};

std::string ggml_name(std::uint32_t number) {
  for (const UnreadRow& row : kUnread) {
    if (row.number == number) return fmt::format("{} ({})", number, row.name);
  }
  return fmt::format("{}", number);
}

template <class T>
T value_at(std::span<const std::byte> bytes, std::uint64_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

bool is_integer(GgufType type) {
  return type != GgufType::kF32 && type != GgufType::kF64 && type != GgufType::kBool &&
         type != GgufType::kString && type != GgufType::kArray;
}
bool is_number(GgufType type) {
  return is_integer(type) || type == GgufType::kF32 || type == GgufType::kF64;
}
bool is_bool(GgufType type) { return type == GgufType::kBool; }
bool is_string(GgufType type) { return type == GgufType::kString; }

// An element of an integer type; nothing where a u64 does not fit.
std::optional<std::int64_t> integer_at(const GgufKey& key, std::uint64_t index) {
  switch (key.type) {
    case GgufType::kU8: return value_at<std::uint8_t>(key.bytes, index);
    case GgufType::kI8: return value_at<std::int8_t>(key.bytes, index);
    case GgufType::kU16: return value_at<std::uint16_t>(key.bytes, index);
    case GgufType::kI16: return value_at<std::int16_t>(key.bytes, index);
    case GgufType::kU32: return value_at<std::uint32_t>(key.bytes, index);
    case GgufType::kI32: return value_at<std::int32_t>(key.bytes, index);
    case GgufType::kI64: return value_at<std::int64_t>(key.bytes, index);
    default: break;
  }
  const auto value = value_at<std::uint64_t>(key.bytes, index);
  if (value > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

double number_at(const GgufKey& key, std::uint64_t index) {
  if (key.type == GgufType::kF32) return static_cast<double>(value_at<float>(key.bytes, index));
  if (key.type == GgufType::kF64) return value_at<double>(key.bytes, index);
  if (key.type == GgufType::kU64) {
    return static_cast<double>(value_at<std::uint64_t>(key.bytes, index));
  }
  return static_cast<double>(*integer_at(key, index));
}

// The strings of a key, whose lengths were checked when the header was read.
std::vector<std::string_view> strings_of(const GgufKey& key, std::uint64_t most) {
  std::vector<std::string_view> list;
  list.reserve(static_cast<std::size_t>(std::min(key.count, most)));
  const char* at = reinterpret_cast<const char*>(key.bytes.data());
  for (std::uint64_t i = 0; i < std::min(key.count, most); ++i) {
    std::uint64_t length = 0;
    std::memcpy(&length, at, sizeof(length));
    list.emplace_back(at + sizeof(length), static_cast<std::size_t>(length));
    at += sizeof(length) + length;
  }
  return list;
}

}  // namespace

const char* name_of(GgufType type) { return row_of(type).name; }

std::optional<DType> dtype_of_ggml(std::uint32_t type) {
  for (const GgmlRow& row : kGgmlTypes) {
    if (row.number == type) return row.dtype;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> ggml_of_dtype(DType dtype) {
  for (const GgmlRow& row : kGgmlTypes) {
    if (row.dtype == dtype) return row.number;
  }
  return std::nullopt;
}

// Walks the header; the file is read a piece ahead into memory that never moves.
class GgufHeader::Reader {
 public:
  Reader(const File& file, AlignedBytes& bytes) : file_(file), bytes_(bytes) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t bytes_left() const { return file_.size() - position_; }

  // The entry that the next fields belong to, for messages.
  void enter(std::string_view kind, std::uint64_t index) {
    kind_ = kind;
    index_ = index;
    name_ = {};
  }
  void enter_named(std::string_view name) { name_ = name; }

  Error error(std::string problem, std::string_view field, std::uint64_t offset) const {
    std::string place(field);
    if (!kind_.empty()) place += fmt::format(" of {} {}", kind_, index_);
    if (!name_.empty()) place += " " + kinglet::quoted(name_);
    return refused(std::move(problem)).in(file_.name()).at(std::move(place), offset);
  }

  std::span<const std::byte> take(std::uint64_t count, std::string_view field) {
    if (!fits(position_, count, bytes_.size())) throw cut_at(count, field);
    fill_to(position_ + count);
    const std::byte* begin = bytes_.data() + position_;
    position_ += count;
    return {begin, static_cast<std::size_t>(count)};
  }

  template <class T>
  T number(std::string_view field) {
    return value_at<T>(take(sizeof(T), field), 0);
  }

  std::string_view string(std::string_view field, std::uint64_t longest) {
    const std::uint64_t offset = position_;
    const auto length = number<std::uint64_t>(field);
    if (length > longest) {
      throw error("a length is out of range", field, offset)
          .found(fmt::format("{}", length))
          .allowed(fmt::format("at most {}", longest));
    }
    const auto bytes = take(length, field);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  // A count of things of which each takes at least `smallest` bytes.
  std::uint64_t count(std::string_view field, std::uint64_t smallest, std::uint64_t most) {
    const std::uint64_t offset = position_;
    const auto value = number<std::uint64_t>(field);
    const std::uint64_t room = std::min(bytes_left() / smallest, most);
    if (value > room) {
      throw error("a count is out of range", field, offset)
          .found(fmt::format("{}", value))
          .allowed(fmt::format("at most {} in the {} bytes left", room, bytes_left()));
    }
    return value;
  }

 private:
  Error cut_at(std::uint64_t count, std::string_view field) const {
    if (file_.size() > bytes_.size()) {
      return error("the header is too long", field, position_)
          .allowed(fmt::format("at most {} bytes", kMaxHeaderBytes));
    }
    return error(fmt::format("the header is cut: {} bytes are missing", count - bytes_left()), field,
                 position_)
        .found(fmt::format("{} bytes left", bytes_left()))
        .allowed(fmt::format("at least {}", count));
  }

  void fill_to(std::uint64_t end) {
    if (end <= filled_) return;
    constexpr std::uint64_t kPiece = 1u << 20;
    const std::uint64_t piece =
        std::min(std::max(end - filled_, kPiece), std::uint64_t{bytes_.size()} - filled_);
    file_.read(filled_, {bytes_.data() + filled_, static_cast<std::size_t>(piece)});
    filled_ += piece;
  }

  const File& file_;
  AlignedBytes& bytes_;
  std::uint64_t filled_ = 0, position_ = 0;
  std::string_view kind_, name_;
  std::uint64_t index_ = 0;
};

namespace {

void check_version(std::uint32_t version, const std::string& file) {
  if (version == 2 || version == 3) return;
  const bool swapped = version != 0 && (version & 0xFFFF) == 0;
  throw refused(swapped ? "a big-endian file, not supported" : "unsupported GGUF version")
      .in(file)
      .at("version", 4)
      .found(fmt::format("{}", version))
      .allowed("2, 3");
}

}  // namespace

GgufHeader::GgufHeader(const File& file)
    : file_(file.name()),
      bytes_(static_cast<std::size_t>(std::min(file.size(), kMaxHeaderBytes))) {
  std::byte magic[4] = {};
  file.read(0, std::span(magic).first(std::min<std::size_t>(file.size(), sizeof(magic))));
  if (std::memcmp(magic, "GGUF", std::min<std::size_t>(file.size(), 4)) != 0) {
    throw refused("not a GGUF file" + looks_like(file)).in(file_).at("magic", 0);
  }
  if (file.size() < kFixedHeaderBytes) {
    throw refused(fmt::format("too short: {} bytes, header is {}", file.size(), kFixedHeaderBytes))
        .in(file_)
        .at("header", 0);
  }

  Reader reader(file, bytes_);
  reader.take(4, "magic");
  version_ = reader.number<std::uint32_t>("version");
  check_version(version_, file_);
  const std::uint64_t tensors = reader.count("number of tensors", kSmallestTensor, kMaxTensors);
  const std::uint64_t keys = reader.count("number of keys", kSmallestKey, kMaxKeys);
  read_keys(reader, keys);
  read_alignment();
  read_tensors(reader, tensors);
  place_tensors(reader.position(), file.size());
}

void GgufHeader::read_keys(Reader& reader, std::uint64_t count) {
  keys_.reserve(count);
  by_name_.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    reader.enter("key", i);
    GgufKey key;
    const std::uint64_t name_offset = reader.position();
    key.name = reader.string("name", kLongestKey);
    if (key.name.empty()) throw reader.error("a key without a name", "name", name_offset);
    reader.enter_named(key.name);
    if (!by_name_.emplace(key.name, keys_.size()).second) {
      throw reader.error("duplicate key", "name", name_offset);
    }

    const auto read_type = [&reader](std::string_view field) {
      const std::uint64_t offset = reader.position();
      const auto type = reader.number<std::uint32_t>(field);
      if (type < std::size(kTypes)) return static_cast<GgufType>(type);
      throw reader.error("unknown value type", field, offset)
          .found(fmt::format("{}", type))
          .allowed(fmt::format("0 to {}", std::size(kTypes) - 1));
    };
    key.type = read_type("type");
    key.is_array = key.type == GgufType::kArray;
    if (key.is_array) {
      key.type = read_type("element type");
      if (key.type == GgufType::kArray) {
        throw reader.error("arrays of arrays are not supported", "element type",
                           reader.position() - 4);
      }
      const std::size_t smallest = key.type == GgufType::kString ? 8 : row_of(key.type).bytes;
      key.count = reader.count("element count", smallest, UINT64_MAX);
    }

    key.offset = reader.position();
    if (key.type == GgufType::kString) {
      const std::byte* begin = bytes_.data() + key.offset;
      for (std::uint64_t e = 0; e < key.count; ++e) reader.string("string", kLongestString);
      key.bytes = {begin, static_cast<std::size_t>(reader.position() - key.offset)};
    } else {
      key.bytes = reader.take(key.count * row_of(key.type).bytes, "value");
    }
    if (key.type == GgufType::kBool) {
      const auto odd = std::find_if(key.bytes.begin(), key.bytes.end(),
                                    [](std::byte b) { return std::to_integer<int>(b) > 1; });
      if (odd != key.bytes.end()) {
        throw reader
            .error("a bool that is neither", "value",
                   key.offset + static_cast<std::uint64_t>(odd - key.bytes.begin()))
            .found(fmt::format("{}", std::to_integer<int>(*odd)))
            .allowed("0, 1");
      }
    }
    keys_.push_back(key);
  }
}

void GgufHeader::read_alignment() {
  const auto alignment = integer("general.alignment");
  if (!alignment) return;
  if (*alignment <= 0 || *alignment > static_cast<std::int64_t>(kLargestAlignment) ||
      !std::has_single_bit(static_cast<std::uint64_t>(*alignment))) {
    throw refused("the alignment is not usable")
        .in(file_)
        .at("general.alignment", find("general.alignment")->offset)
        .found(fmt::format("{}", *alignment))
        .allowed(fmt::format("a power of two up to {}", kLargestAlignment));
  }
  alignment_ = static_cast<std::uint64_t>(*alignment);
}

void GgufHeader::read_tensors(Reader& reader, std::uint64_t count) {
  tensors_.reserve(count);
  std::unordered_map<std::string_view, std::size_t> seen(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    reader.enter("tensor", i);
    GgufTensor tensor;
    const std::uint64_t name_offset = reader.position();
    tensor.name = reader.string("name", kLongestTensorName);
    reader.enter_named(tensor.name);
    if (!seen.emplace(tensor.name, i).second) {
      throw reader.error("duplicate tensor", "name", name_offset);
    }

    const std::uint64_t dims_offset = reader.position();
    const auto dims = reader.number<std::uint32_t>("n_dims");
    if (dims < 1 || dims > 4) {
      throw reader.error("number of dimensions out of range", "n_dims", dims_offset)
          .found(fmt::format("{}", dims))
          .allowed("1 to 4");
    }
    tensor.shape.resize(dims);
    for (std::uint32_t d = dims; d-- > 0;) {  // innermost first in the file
      const std::uint64_t offset = reader.position();
      tensor.shape[d] = reader.number<std::uint64_t>("dimension");
      if (tensor.shape[d] == 0 || tensor.shape[d] > static_cast<std::uint64_t>(INT64_MAX)) {
        throw reader.error("a dimension is out of range", "dimension", offset)
            .found(fmt::format("{}", tensor.shape[d]))
            .allowed("1 to 2^63 - 1");
      }
    }

    const std::uint64_t type_offset = reader.position();
    const auto type = reader.number<std::uint32_t>("type");
    const auto dtype = dtype_of_ggml(type);
    if (!dtype) {
      throw reader.error("unsupported tensor type", "type", type_offset)
          .found(ggml_name(type))
          .allowed("f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0, q4_K, q5_K, q6_K, i8 to i64, f64");
    }
    tensor.dtype = *dtype;
    const auto nbytes = dtype::checked_nbytes(tensor.shape, *dtype);
    if (!nbytes) {
      throw reader
          .error(fmt::format("the shape does not fit the type: the product wraps, or rows are no "
                             "multiple of {} values",
                             dtype::format_of(*dtype).block),
                 "dimensions", dims_offset + 4)
          .found(fmt::format("[{}] of {}", fmt::join(tensor.shape, ", "), dtype::name_of(*dtype)));
    }
    tensor.nbytes = *nbytes;

    const std::uint64_t offset_at = reader.position();
    tensor.offset = reader.number<std::uint64_t>("offset");
    if (tensor.offset % alignment_ != 0) {
      throw reader.error("a tensor is not aligned", "offset", offset_at)
          .found(fmt::format("{}", tensor.offset))
          .allowed(fmt::format("a multiple of {}", alignment_));
    }
    tensors_.push_back(std::move(tensor));
  }
}

// Offsets become absolute; every tensor lies in the file and shares no byte with another.
void GgufHeader::place_tensors(std::uint64_t header_end, std::uint64_t file_size) {
  data_offset_ = round_up(header_end, alignment_);
  const GgufTensor* last = nullptr;
  std::uint64_t last_end = file_size;
  for (GgufTensor& tensor : tensors_) {
    const auto begin = checked_add(data_offset_, tensor.offset);
    const auto end = begin ? checked_add(*begin, tensor.nbytes) : std::nullopt;
    if (!end) {
      throw refused("tensor " + kinglet::quoted(tensor.name) + " ends past 2^64")
          .in(file_)
          .at("data", data_offset_);
    }
    tensor.offset = *begin;
    if (*end > last_end) {
      last_end = *end;
      last = &tensor;
    }
  }
  if (last != nullptr) {
    throw refused(fmt::format("tensor {} ends at byte {} but the file has {}: {} bytes are missing "
                              "(truncated?)",
                              kinglet::quoted(last->name), last_end, file_size, last_end - file_size))
        .in(file_)
        .at("data", last->offset);
  }

  std::vector<GgufTensor*> order;
  for (GgufTensor& tensor : tensors_) order.push_back(&tensor);
  std::sort(order.begin(), order.end(),
            [](const GgufTensor* a, const GgufTensor* b) { return a->offset < b->offset; });
  std::uint64_t end = data_offset_, gaps = 0;
  for (const GgufTensor* tensor : order) {
    if (tensor->offset < end) {
      throw refused("tensor " + kinglet::quoted(tensor->name) + " overlaps another")
          .in(file_)
          .at("data", tensor->offset);
    }
    gaps += tensor->offset - end >= alignment_ ? 1 : 0;
    end = tensor->offset + tensor->nbytes;
  }
  if (gaps > 0) warnings_.push_back(fmt::format("{}: {} gaps between tensors", file_, gaps));
  if (file_size > end && file_size - end >= alignment_) {
    warnings_.push_back(fmt::format("{}: {} bytes after the last tensor", file_, file_size - end));
  }
}

const GgufKey* GgufHeader::find(std::string_view name) const {
  const auto entry = by_name_.find(name);
  return entry == by_name_.end() ? nullptr : &keys_[entry->second];
}

struct GgufHeader::Kind {
  const char* wanted;
  bool (*matches)(GgufType type);
  bool is_array;
};

const GgufKey* GgufHeader::find(std::string_view name, const Kind& kind) const {
  const GgufKey* key = find(name);
  if (key == nullptr || (key->is_array == kind.is_array && kind.matches(key->type))) return key;
  throw refused("a key has another type")
      .in(file_)
      .at(printable(name), key->offset)
      .found(fmt::format("{}{}", key->is_array ? "array of " : "", name_of(key->type)))
      .allowed(kind.wanted);
}

std::optional<std::int64_t> GgufHeader::integer(std::string_view name) const {
  const GgufKey* key = find(name, {"an integer", is_integer, false});
  if (key == nullptr) return std::nullopt;
  if (const auto value = integer_at(*key, 0)) return value;
  throw refused("a number is out of range")
      .in(file_)
      .at(printable(name), key->offset)
      .found(shown(*key))
      .allowed("at most 2^63 - 1");
}

std::optional<double> GgufHeader::number(std::string_view name) const {
  const GgufKey* key = find(name, {"a number", is_number, false});
  if (key == nullptr) return std::nullopt;
  return number_at(*key, 0);
}

std::optional<bool> GgufHeader::boolean(std::string_view name) const {
  const GgufKey* key = find(name, {"a bool", is_bool, false});
  if (key == nullptr) return std::nullopt;
  return key->bytes[0] != std::byte{0};
}

std::optional<std::string_view> GgufHeader::string(std::string_view name) const {
  const GgufKey* key = find(name, {"a string", is_string, false});
  if (key == nullptr) return std::nullopt;
  return strings_of(*key, 1).front();
}

std::optional<std::vector<std::int64_t>> GgufHeader::integers(std::string_view name) const {
  const GgufKey* key = find(name, {"an array of integers", is_integer, true});
  if (key == nullptr) return std::nullopt;
  std::vector<std::int64_t> list(key->count);
  for (std::uint64_t i = 0; i < key->count; ++i) {
    const auto value = integer_at(*key, i);
    if (!value) throw refused("a number is out of range").in(file_).at(printable(name), key->offset);
    list[i] = *value;
  }
  return list;
}

std::optional<std::vector<float>> GgufHeader::numbers(std::string_view name) const {
  const GgufKey* key = find(name, {"an array of numbers", is_number, true});
  if (key == nullptr) return std::nullopt;
  std::vector<float> list(key->count);
  for (std::uint64_t i = 0; i < key->count; ++i) list[i] = static_cast<float>(number_at(*key, i));
  return list;
}

std::optional<std::vector<bool>> GgufHeader::booleans(std::string_view name) const {
  const GgufKey* key = find(name, {"an array of bools", is_bool, true});
  if (key == nullptr) return std::nullopt;
  std::vector<bool> list(key->count);
  for (std::uint64_t i = 0; i < key->count; ++i) list[i] = key->bytes[i] != std::byte{0};
  return list;
}

std::optional<std::vector<std::string_view>> GgufHeader::strings(std::string_view name) const {
  const GgufKey* key = find(name, {"an array of strings", is_string, true});
  if (key == nullptr) return std::nullopt;
  return strings_of(*key, key->count);
}

std::string GgufHeader::shown(const GgufKey& key) const {
  constexpr std::uint64_t kShown = 4;
  std::vector<std::string> parts;
  const std::uint64_t count = std::min(key.count, kShown);
  if (key.type == GgufType::kString) {
    for (const std::string_view text : strings_of(key, kShown)) parts.push_back(kinglet::quoted(text));
  } else {
    for (std::uint64_t i = 0; i < count; ++i) {
      if (key.type == GgufType::kBool) {
        parts.push_back(key.bytes[i] != std::byte{0} ? "true" : "false");
      } else if (key.type == GgufType::kU64) {
        parts.push_back(fmt::format("{}", value_at<std::uint64_t>(key.bytes, i)));
      } else if (key.type == GgufType::kF32) {
        parts.push_back(fmt::format("{}", value_at<float>(key.bytes, i)));
      } else if (key.type == GgufType::kF64) {
        parts.push_back(fmt::format("{}", value_at<double>(key.bytes, i)));
      } else {
        parts.push_back(fmt::format("{}", *integer_at(key, i)));
      }
    }
  }
  if (!key.is_array) return parts.front();
  return fmt::format("[{}{}] ({} x {})", fmt::join(parts, ", "), key.count > count ? ", ..." : "",
                     key.count, name_of(key.type));
}

}  // namespace kinglet::io
