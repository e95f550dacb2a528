#include "runtime/digest.h"

#include <fmt/format.h>
#include <nettle/sha2.h>

#include <array>
#include <bit>
#include <cstdint>

#include "kinglet/version.h"

namespace kinglet {

static_assert(std::endian::native == std::endian::little);

struct LogitsDigest::State {
  sha256_ctx context;
};

LogitsDigest::LogitsDigest() : state_(std::make_unique<State>()) { sha256_init(&state_->context); }
LogitsDigest::LogitsDigest(LogitsDigest&&) noexcept = default;
LogitsDigest::~LogitsDigest() = default;

void LogitsDigest::add(std::span<const float> logits) {
  const std::span<const std::byte> bytes = std::as_bytes(logits);
  sha256_update(&state_->context, bytes.size(),
                reinterpret_cast<const std::uint8_t*>(bytes.data()));
}

std::string LogitsDigest::finish() {
  std::array<std::uint8_t, SHA256_DIGEST_SIZE> hash = {};
  sha256_digest(&state_->context, hash.size(), hash.data());
  std::string text = fmt::format("{}:", kNumericsVersion);
  for (const std::uint8_t byte : hash) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace kinglet
