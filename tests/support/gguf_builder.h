#pragma once

// GGUF files for tests, made from the format's description and nothing of src/io. Every part can be
// made wrong: counts, the version, raw keys and tensors.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/bytes.h"

namespace kinglet::test {

class GgufBuilder {
 public:
  // Types of values, as numbered in the file.
  enum : std::uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64 };

  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::optional<std::uint64_t> says_keys, says_tensors;  // other counts than there are
  std::uint64_t alignment = 32;                          // of the layout; the key is put by hand

  static std::string string(std::string_view text) {
    return Bytes().u64(text.size()).text(text).str();
  }

  GgufBuilder& raw_key(std::string_view name, std::uint32_t type, std::string_view value) {
    keys_.text(string(name)).u32(type).text(value);
    ++n_keys_;
    return *this;
  }
  GgufBuilder& u32(std::string_view name, std::uint32_t value) {
    return raw_key(name, kU32, Bytes().u32(value).str());
  }
  GgufBuilder& f32(std::string_view name, float value) {
    return raw_key(name, kF32, Bytes().f32(value).str());
  }
  GgufBuilder& text(std::string_view name, std::string_view value) {
    return raw_key(name, kString, string(value));
  }
  GgufBuilder& array(std::string_view name, std::uint32_t type, std::uint64_t count,
                     std::string_view elements) {
    return raw_key(name, kArray, Bytes().u32(type).u64(count).text(elements).str());
  }
  GgufBuilder& texts(std::string_view name, const std::vector<std::string>& values) {
    std::string elements;
    for (const std::string& value : values) elements += string(value);
    return array(name, kString, values.size(), elements);
  }

  // `dims` innermost first. `data` is put where `offset` says: behind the last tensor, unless given.
  GgufBuilder& tensor(std::string_view name, const std::vector<std::uint64_t>& dims,
                      std::uint32_t type, std::string_view data,
                      std::optional<std::uint64_t> offset = {}) {
    data_.pad_to_multiple(alignment);
    tensors_.text(string(name)).u32(static_cast<std::uint32_t>(dims.size()));
    for (const std::uint64_t n : dims) tensors_.u64(n);
    tensors_.u32(type).u64(offset.value_or(data_.size()));
    if (!offset) data_.text(data);
    ++n_tensors_;
    return *this;
  }
  GgufBuilder& floats(std::string_view name, const std::vector<std::uint64_t>& dims,
                      const std::vector<float>& values) {
    return tensor(name, dims, 0, as_text(values));
  }
  GgufBuilder& raw_tensor(std::string_view bytes) {
    tensors_.text(bytes);
    ++n_tensors_;
    return *this;
  }

  // Everything up to the padding before the data.
  std::string header() const {
    return Bytes()
        .text(magic)
        .u32(version)
        .u64(says_tensors.value_or(n_tensors_))
        .u64(says_keys.value_or(n_keys_))
        .text(keys_.str())
        .text(tensors_.str())
        .str();
  }
  std::string build() const {
    return Bytes().text(header()).pad_to_multiple(alignment).text(data_.str()).str();
  }

 private:
  Bytes keys_, tensors_, data_;
  std::uint64_t n_keys_ = 0, n_tensors_ = 0;
};

}  // namespace kinglet::test
