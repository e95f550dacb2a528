#include "io/npy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include "base/checked.h"
#include "base/output_file.h"
#include "base/text.h"
#include "dtype/format.h"
#include "io/looks_like.h"
#include "kinglet/error.h"

namespace kinglet::io {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are read as they lie in memory");

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr std::uint64_t kLongestHeader = 65'536;
constexpr std::size_t kMaxDims = 32;

struct Described {
  const char* descr;
  DType dtype;
};
constexpr Described kTypes[] = {{"<f2", DType::kF16}, {"<f4", DType::kF32}, {"<f8", DType::kF64},
                                {"|b1", DType::kBool}, {"|i1", DType::kI8}, {"<i2", DType::kI16},
                                {"<i4", DType::kI32}, {"<i8", DType::kI64}, {"|u1", DType::kU8},
                                {"<u2", DType::kU16}, {"<u4", DType::kU32}, {"<u8", DType::kU64}};

// The header's text: a Python dictionary of three entries, in any order.
class HeaderText {
 public:
  HeaderText(std::string_view text, const File& file, std::uint64_t offset)
      : text_(text), file_(file), offset_(offset) {}

  Error error(std::string problem) const {
    return refused(std::move(problem)).in(file_.name()).at("header", offset_ + position_);
  }

  bool takes(std::string_view word) {
    skip_spaces();
    if (!text_.substr(position_).starts_with(word)) return false;
    position_ += word.size();
    return true;
  }
  void take(std::string_view word) {
    if (!takes(word)) throw error(fmt::format("not the header of an array: {} is missing", word));
  }
  bool at_end() {
    skip_spaces();
    return position_ == text_.size();
  }

  std::string_view quoted_word() {
    skip_spaces();
    const char mark = position_ < text_.size() ? text_[position_] : ' ';
    const std::size_t end = text_.find(mark, position_ + 1);
    if ((mark != '\'' && mark != '"') || end == text_.npos) throw error("not a word in quotes");
    const std::string_view word = text_.substr(position_ + 1, end - position_ - 1);
    position_ = end + 1;
    return word;
  }

  std::vector<std::uint64_t> shape() {
    std::vector<std::uint64_t> dimensions;
    take("(");
    while (!takes(")")) {
      skip_spaces();
      std::uint64_t dimension = 0;
      const auto [end, fault] =
          std::from_chars(text_.data() + position_, text_.data() + text_.size(), dimension);
      if (fault != std::errc()) throw error("a dimension is no whole number below 2^64");
      position_ = static_cast<std::size_t>(end - text_.data());
      dimensions.push_back(dimension);
      if (!takes(",")) {
        take(")");
        break;
      }
    }
    if (dimensions.size() > kMaxDims) throw error(fmt::format("more than {} dimensions", kMaxDims));
    return dimensions;
  }

 private:
  void skip_spaces() {
    position_ = std::min(text_.find_first_not_of(" \n", position_), text_.size());
  }

  std::string_view text_;
  const File& file_;
  std::uint64_t offset_;
  std::size_t position_ = 0;
};

struct Entries {
  std::string descr;
  bool is_fortran_order = false;
  std::vector<std::uint64_t> shape;
};

Entries parse(HeaderText text) {
  Entries header;
  bool has_descr = false, has_order = false, has_shape = false;
  text.take("{");
  while (!text.takes("}")) {
    const std::string key(text.quoted_word());
    text.take(":");
    if (key == "descr" && !std::exchange(has_descr, true)) {
      if (text.takes("[")) throw text.error("an array of records is not read");
      header.descr = text.quoted_word();
    } else if (key == "fortran_order" && !std::exchange(has_order, true)) {
      header.is_fortran_order = text.takes("True");
      if (!header.is_fortran_order) text.take("False");
    } else if (key == "shape" && !std::exchange(has_shape, true)) {
      header.shape = text.shape();
    } else {
      throw text.error("an unknown or repeated key " + kinglet::quoted(key));
    }
    if (!text.takes(",")) {
      text.take("}");
      break;
    }
  }
  if (!has_descr || !has_order || !has_shape) {
    throw text.error("an entry is missing").allowed("descr, fortran_order, shape");
  }
  if (!text.at_end()) throw text.error("more text after the header");
  return header;
}

DType dtype_of(const std::string& descr, const File& file) {
  for (const Described& type : kTypes) {
    if (descr == type.descr) return type.dtype;
  }
  std::string allowed;
  for (const Described& type : kTypes) allowed += fmt::format("{}{}", allowed.empty() ? "" : " ", type.descr);
  throw refused(descr.starts_with('>') ? "a big-endian array" : "an array of this type is not read")
      .in(file.name())
      .at("descr")
      .found(kinglet::quoted(descr))
      .allowed(allowed);
}

template <class Stored, class Number>
void widen(std::span<const std::byte> bytes, std::vector<Number>& out) {
  for (std::size_t i = 0; i < bytes.size(); i += sizeof(Stored)) {
    Stored value;
    std::memcpy(&value, bytes.data() + i, sizeof(Stored));
    out.push_back(static_cast<Number>(value));
  }
}

template <class Number>
void widen_f16(std::span<const std::byte> bytes, std::vector<Number>& out) {
  std::vector<float> values(bytes.size() / 2);
  dtype::format_of(DType::kF16).unpack(bytes.data(), values.size(), values.data());
  out.insert(out.end(), values.begin(), values.end());
}

template <class Number>
void widen_as(DType dtype, std::span<const std::byte> bytes, std::vector<Number>& out) {
  switch (dtype) {
    case DType::kF16: return widen_f16(bytes, out);
    case DType::kF32: return widen<float>(bytes, out);
    case DType::kF64: return widen<double>(bytes, out);
    case DType::kI8: return widen<std::int8_t>(bytes, out);
    case DType::kI16: return widen<std::int16_t>(bytes, out);
    case DType::kI32: return widen<std::int32_t>(bytes, out);
    case DType::kI64: return widen<std::int64_t>(bytes, out);
    case DType::kU16: return widen<std::uint16_t>(bytes, out);
    case DType::kU32: return widen<std::uint32_t>(bytes, out);
    case DType::kU64: return widen<std::uint64_t>(bytes, out);
    default: return widen<std::uint8_t>(bytes, out);  // u8, bool
  }
}

template <class Number>
constexpr DType kTypeOf = std::is_same_v<Number, float> ? DType::kF32 : DType::kF64;

// Magic, version, length and entries, padded with spaces to a multiple of 64 and ended by a newline.
std::string head_of(std::span<const std::uint64_t> shape, const char* descr) {
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", descr,
                                 fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  constexpr std::size_t kBefore = 10;
  text.append(round_up(kBefore + text.size() + 1, 64) - kBefore - text.size() - 1, ' ');
  text += '\n';
  std::string head(kMagic);
  head += {'\1', '\0', static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  return head + text;
}

template <class Number>
void write(const std::filesystem::path& path, std::span<const std::uint64_t> shape,
           std::span<const Number> values, const char* descr) {
  OutputFile file(path);
  file.write(head_of(shape, descr));
  file.write(std::as_bytes(values));
  file.commit();
}

}  // namespace

bool starts_as_npy(std::string_view start) { return start.starts_with(kMagic); }

NpyHeader read_npy_header(const File& file, std::uint64_t begin, std::uint64_t size) {
  const auto error = [&](std::string problem, std::string field, std::uint64_t at) {
    return refused(std::move(problem)).in(file.name()).at(std::move(field), begin + at);
  };
  char start[12] = {};
  const std::size_t readable = std::min<std::uint64_t>(size, sizeof(start));
  file.read(begin, std::as_writable_bytes(std::span(start, readable)));
  if (!starts_as_npy({start, readable})) {
    throw error("not a .npy file" + (begin == 0 ? looks_like(file) : ""), "start", 0);
  }
  const int major = start[6], minor = start[7];
  if (major < 1 || major > 3 || minor != 0) {
    throw error("unsupported version of .npy", "version", 6)
        .found(fmt::format("{}.{}", major, minor))
        .allowed("1.0, 2.0, 3.0");
  }
  const std::uint64_t prefix = major == 1 ? 10 : 12;
  std::uint64_t length = 0;
  std::memcpy(&length, start + 8, prefix - 8);
  if (size < prefix || !fits(prefix, length, size)) {
    throw error("too short for its header (truncated?)", "length of the header", 8)
        .found(fmt::format("{}", length));
  }
  if (length > kLongestHeader) {
    throw error("the header is too long", "length of the header", 8)
        .found(fmt::format("{}", length))
        .allowed(fmt::format("at most {}", kLongestHeader));
  }
  std::string text(static_cast<std::size_t>(length), '\0');
  file.read(begin + prefix, std::as_writable_bytes(std::span(text)));
  Entries entries = parse(HeaderText(text, file, begin + prefix));

  NpyHeader header = {dtype_of(entries.descr, file), std::move(entries.shape), begin + prefix + length, 0};
  const auto is_long = [](std::uint64_t dimension) { return dimension > 1; };
  if (entries.is_fortran_order && std::ranges::count_if(header.shape, is_long) > 1) {
    throw error("columns lie together (Fortran order); save numpy.ascontiguousarray(x)", "fortran_order", prefix);
  }
  const auto nbytes = dtype::checked_nbytes(header.shape, header.dtype);
  header.nbytes = size - prefix - length;
  if (!nbytes || *nbytes != header.nbytes) {
    throw error("the size is not what the shape says", "data", prefix + length)
        .found(fmt::format("{} bytes", header.nbytes))
        .allowed(nbytes ? fmt::format("{} bytes for ({})", *nbytes, fmt::join(header.shape, ", "))
                        : "a shape below 2^64 bytes");
  }
  return header;
}

NpyFile::NpyFile(File file) : file_(std::move(file)), header_(read_npy_header(file_, 0, file_.size())) {
  if (header_.shape.empty() || header_.shape.size() > 2) {
    throw refused("an array of this number of dimensions is not read")
        .in(file_.name())
        .at("shape")
        .found(fmt::format("{}", header_.shape.size()))
        .allowed("1, 2");
  }
  if (header_.nbytes == 0) throw refused("an array without values").in(file_.name()).at("shape");
}

template <class Number>
std::vector<Number> NpyFile::read() const {
  const std::uint64_t nbytes = header_.nbytes;
  const auto count = static_cast<std::size_t>(nbytes / dtype::row_bytes(header_.dtype, 1));
  if (header_.dtype == kTypeOf<Number>) {
    std::vector<Number> values(count);
    file_.read(header_.offset, std::as_writable_bytes(std::span(values)));
    return values;
  }
  std::vector<Number> values;
  values.reserve(count);
  std::vector<std::byte> block(1 << 16);  // a multiple of every item
  for (std::uint64_t done = 0; done < nbytes; done += block.size()) {
    block.resize(static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), nbytes - done)));
    file_.read(header_.offset + done, block);
    widen_as(header_.dtype, block, values);
  }
  return values;
}

std::vector<float> NpyFile::floats() const { return read<float>(); }
std::vector<double> NpyFile::doubles() const { return read<double>(); }

void write_npy(const std::filesystem::path& path, std::span<const std::uint64_t> shape,
               std::span<const float> values) {
  write(path, shape, values, "<f4");
}
void write_npy(const std::filesystem::path& path, std::span<const std::uint64_t> shape,
               std::span<const double> values) {
  write(path, shape, values, "<f8");
}

std::string npy_head(std::span<const std::uint64_t> shape, DType dtype) {
  for (const Described& type : kTypes) {
    if (type.dtype == dtype) return head_of(shape, type.descr);
  }
  throw runtime_error("no array has this type").found(dtype::name_of(dtype));
}

std::string npy_bytes(std::span<const std::uint64_t> shape, std::span<const float> values) {
  std::string bytes = head_of(shape, "<f4");
  const auto raw = std::as_bytes(values);
  bytes.append(reinterpret_cast<const char*>(raw.data()), raw.size());
  return bytes;
}

}  // namespace kinglet::io
