#include "tokenizer/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "base/text.h"
#include "kinglet/error.h"
#include "tokenizer/flat_hash.h"

namespace kinglet {

namespace {

// How many look-ups are under way at the same time in loops over all entries.
constexpr std::size_t kTogether = 32;

std::uint32_t hash_of(std::string_view text) { return static_cast<std::uint32_t>(hash_bytes(text)); }

}  // namespace

void Vocabulary::reserve(std::size_t tokens, std::size_t bytes) {
  entries_.reserve(std::min(tokens, kMaxTokens));
  arena_.reserve(bytes);
}

void Vocabulary::set(TokenId id, std::string_view text, TokenKind kind) {
  if (id < 0 || index_of(id) >= kMaxTokens)
    throw refused("token " + quoted(text) + " has an id out of range")
        .found(std::to_string(id))
        .allowed(fmt::format("0 to {}", kMaxTokens - 1));
  if (text.size() > kMaxTokenBytes)
    throw refused(fmt::format("token {} is too long", id))
        .found(fmt::format("{} bytes", text.size()))
        .allowed(fmt::format("at most {}", kMaxTokenBytes));
  if (arena_.size() + text.size() > std::numeric_limits<std::uint32_t>::max())
    throw refused("the vocabulary's texts are over 4 GiB");
  if (index_of(id) >= entries_.size()) entries_.resize(index_of(id) + 1);
  entries_[index_of(id)] = {static_cast<std::uint32_t>(arena_.size()),
                            static_cast<std::uint32_t>(text.size()), kind};
  arena_ += text;
}

std::size_t Vocabulary::build_index() {
  duplicates_ = 0;
  slots_.assign(std::bit_ceil(entries_.size() + entries_.size() / 2 + 2), Slot{});
  const std::size_t mask = slots_.size() - 1;
  std::array<std::uint32_t, kTogether> hashes;
  for (std::size_t first = 0; first < entries_.size(); first += kTogether) {
    const std::size_t count = std::min(kTogether, entries_.size() - first);
    for (std::size_t i = 0; i < count; ++i) {
      hashes[i] = hash_of(text(static_cast<TokenId>(first + i)));
      __builtin_prefetch(&slots_[hashes[i] & mask], 1);
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (entries_[first + i].kind == TokenKind::kMissing) continue;
      const auto id = static_cast<TokenId>(first + i);
      std::size_t at = hashes[i] & mask;
      while (slots_[at].id >= 0 && (slots_[at].hash != hashes[i] || text(slots_[at].id) != text(id)))
        at = (at + 1) & mask;
      if (slots_[at].id < 0)
        slots_[at] = {hashes[i], id};
      else
        ++duplicates_;
    }
  }
  return duplicates_;
}

std::size_t Vocabulary::missing() const {
  return static_cast<std::size_t>(std::count_if(
      entries_.begin(), entries_.end(), [](const Entry& e) { return e.kind == TokenKind::kMissing; }));
}

TokenId Vocabulary::find(std::string_view wanted) const {
  return slots_.empty() ? -1 : find_hashed(wanted, hash_of(wanted));
}

TokenId Vocabulary::find_hashed(std::string_view wanted, std::uint32_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask; slots_[at].id >= 0; at = (at + 1) & mask) {
    if (slots_[at].hash == hash && text(slots_[at].id) == wanted) return slots_[at].id;
  }
  return -1;
}

void Vocabulary::find_all(std::span<const std::string_view> texts, std::span<TokenId> ids) const {
  if (slots_.empty()) return std::fill(ids.begin(), ids.end(), -1);
  const std::size_t mask = slots_.size() - 1;
  std::array<std::uint32_t, kTogether> hashes;
  for (std::size_t first = 0; first < texts.size(); first += kTogether) {
    const std::size_t count = std::min(kTogether, texts.size() - first);
    for (std::size_t i = 0; i < count; ++i) {
      hashes[i] = hash_of(texts[first + i]);
      __builtin_prefetch(&slots_[hashes[i] & mask]);
    }
    for (std::size_t i = 0; i < count; ++i) {
      const TokenId likely = slots_[hashes[i] & mask].id;
      if (likely >= 0) __builtin_prefetch(&entries_[index_of(likely)]);
    }
    for (std::size_t i = 0; i < count; ++i) ids[first + i] = find_hashed(texts[first + i], hashes[i]);
  }
}

std::optional<unsigned char> byte_token_value(std::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>') return std::nullopt;
  unsigned value = 0;
  for (const char c : text.substr(3, 2)) {
    if (c >= '0' && c <= '9')
      value = value * 16 + static_cast<unsigned>(c - '0');
    else if (c >= 'A' && c <= 'F')
      value = value * 16 + static_cast<unsigned>(c - 'A') + 10;
    else if (c >= 'a' && c <= 'f')
      value = value * 16 + static_cast<unsigned>(c - 'a') + 10;
    else
      return std::nullopt;
  }
  return static_cast<unsigned char>(value);
}

std::string byte_token_text(unsigned char byte) { return fmt::format("<0x{:02X}>", byte); }

}  // namespace kinglet
