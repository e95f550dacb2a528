#pragma once

// The header of a GGUF file, versions 2 and 3, little-endian (docs/gguf.md of ggml-org/ggml).
//
//   byte 0   "GGUF"
//   4        u32  version
//   8        u64  number of tensors
//   16       u64  number of keys
//   24       keys:     string name, u32 type, value
//            tensors:  string name, u32 n_dims, u64 dims[n_dims] innermost first, u32 type, u64 offset
//            zeros up to a multiple of the alignment (key general.alignment; 32 without it)
//            data: a tensor's offset counts from here and is a multiple of the alignment
//
//   string   u64 length, bytes
//   array    u32 type of the elements, u64 count, elements
//
// Everything that the header says is checked against the size of the file when it is read.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "base/memory.h"
#include "tensor/dtype.h"

namespace kinglet::io {

// As numbered in the file.
enum class GgufType : std::uint32_t {
  kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64,
};

const char* name_of(GgufType type);  // "u32"

// ggml's numbers of the tensor types that kinglet knows; nothing for the others.
std::optional<DType> dtype_of_ggml(std::uint32_t type);
std::optional<std::uint32_t> ggml_of_dtype(DType dtype);

struct GgufKey {
  std::string_view name;
  GgufType type = GgufType::kU8;     // of the value; of the elements where it is an array
  bool is_array = false;
  std::uint64_t count = 1;           // elements; 1 where it is no array
  std::uint64_t offset = 0;          // absolute, of the first element
  std::span<const std::byte> bytes;  // the elements, as in the file
};

struct GgufTensor {
  std::string_view name;
  DType dtype = DType::kF32;
  std::vector<std::uint64_t> shape;  // outermost first: (out, in)
  std::uint64_t nbytes = 0;
  std::uint64_t offset = 0;          // absolute
};

// Owns the header's bytes: the string_views that it hands out live as long as it does.
class GgufHeader {
 public:
  // Errors (kRefused): anything malformed, a tensor outside the file.
  explicit GgufHeader(const File& file);

  const std::string& file() const { return file_; }
  std::uint32_t version() const { return version_; }
  std::uint64_t alignment() const { return alignment_; }
  std::uint64_t data_offset() const { return data_offset_; }
  std::span<const GgufKey> keys() const { return keys_; }           // in the file's order
  std::span<const GgufTensor> tensors() const { return tensors_; }  // in the file's order
  std::span<const std::string> warnings() const { return warnings_; }

  const GgufKey* find(std::string_view name) const;  // nullptr where there is none
  bool has(std::string_view name) const { return find(name) != nullptr; }

  // Nothing where the key is absent. Errors (kRefused): a value of another type.
  // integer: of any width; number: integers too; *s: arrays, of any length.
  std::optional<std::int64_t> integer(std::string_view name) const;
  std::optional<double> number(std::string_view name) const;
  std::optional<bool> boolean(std::string_view name) const;
  std::optional<std::string_view> string(std::string_view name) const;
  std::optional<std::vector<std::int64_t>> integers(std::string_view name) const;
  std::optional<std::vector<float>> numbers(std::string_view name) const;
  std::optional<std::vector<bool>> booleans(std::string_view name) const;
  std::optional<std::vector<std::string_view>> strings(std::string_view name) const;

  // The value as text for people: arrays are cut after a few elements.
  std::string shown(const GgufKey& key) const;

 private:
  class Reader;

  void read_keys(Reader& reader, std::uint64_t count);
  void read_tensors(Reader& reader, std::uint64_t count);
  void read_alignment();
  void place_tensors(std::uint64_t header_end, std::uint64_t file_size);
  // The key, checked to be one of a kind of values; nullptr where it is absent.
  struct Kind;
  const GgufKey* find(std::string_view name, const Kind& kind) const;

  std::string file_;
  AlignedBytes bytes_;
  std::uint32_t version_ = 0;
  std::uint64_t alignment_ = 32, data_offset_ = 0;
  std::vector<GgufKey> keys_;
  std::unordered_map<std::string_view, std::size_t> by_name_;
  std::vector<GgufTensor> tensors_;
  std::vector<std::string> warnings_;
};

}  // namespace kinglet::io
