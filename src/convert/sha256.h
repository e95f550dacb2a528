#pragma once

// SHA-256 of bytes that come in pieces, as 64 hexadecimal digits.

#include <fmt/format.h>
#include <nettle/sha2.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace kinglet {

class Sha256 {
 public:
  Sha256() { sha256_init(&state_); }
  void add(std::span<const std::byte> bytes) {
    sha256_update(&state_, bytes.size(), reinterpret_cast<const std::uint8_t*>(bytes.data()));
  }
  // A text and its end, so that two texts are not one.
  void add_text(std::string_view text) {
    const std::uint64_t length = text.size();
    add(std::as_bytes(std::span(&length, 1)));
    add(std::as_bytes(std::span(text)));
  }
  std::string finish() {
    std::uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(&state_, sizeof(digest), digest);
    std::string text;
    for (const std::uint8_t byte : digest) text += fmt::format("{:02x}", byte);
    return text;
  }

 private:
  sha256_ctx state_;
};

}  // namespace kinglet
