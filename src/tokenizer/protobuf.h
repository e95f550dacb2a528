#pragma once

// A reader of protocol buffers' wire format (protobuf.dev/programming-guides/encoding): the fields of
// one message, one after the other. Every length is checked against the bytes that are left.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "kinglet/error.h"

namespace kinglet {

struct ProtobufField {
  std::uint64_t number = 0;
  std::uint64_t integer = 0;  // of a varint or fixed field
  std::string_view bytes;     // of a length-delimited one
  enum class Wire { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 } wire = Wire::kVarint;

  float real() const { return std::bit_cast<float>(static_cast<std::uint32_t>(integer)); }
};

class ProtobufReader {
 public:
  // `begin`: the place of `message` in the file, for errors.
  explicit ProtobufReader(std::string_view message, std::size_t begin = 0)
      : message_(message), begin_(begin) {}

  // Nothing at the end. Errors (kRefused): cut, a wire type that is none.
  std::optional<ProtobufField> next();

  std::size_t offset() const { return begin_ + at_; }

 private:
  std::uint64_t varint();
  std::uint64_t fixed(std::size_t size);
  [[noreturn]] void fail(const char* problem) const;

  std::string_view message_;
  std::size_t begin_, at_ = 0;
};

}  // namespace kinglet
