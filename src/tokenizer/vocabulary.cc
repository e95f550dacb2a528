#include "tokenizer/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>

#include "base/text.h"
#include "kinglet/error.h"
#include "tokenizer/flat_hash.h"

namespace kinglet {

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
  std::size_t duplicates = 0;
  slots_.assign(std::bit_ceil(entries_.size() * 2 + 2), Slot{});
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].kind == TokenKind::kMissing) continue;
    const auto id = static_cast<TokenId>(i);
    const auto hash = static_cast<std::uint32_t>(hash_bytes(text(id)));
    std::size_t at = hash & mask;
    while (slots_[at].id >= 0 && (slots_[at].hash != hash || text(slots_[at].id) != text(id)))
      at = (at + 1) & mask;
    if (slots_[at].id < 0)
      slots_[at] = {hash, id};
    else
      ++duplicates;
  }
  return duplicates;
}

std::size_t Vocabulary::missing() const {
  return static_cast<std::size_t>(std::count_if(
      entries_.begin(), entries_.end(), [](const Entry& e) { return e.kind == TokenKind::kMissing; }));
}

TokenId Vocabulary::find(std::string_view wanted) const {
  if (slots_.empty()) return -1;
  const std::size_t mask = slots_.size() - 1;
  const auto hash = static_cast<std::uint32_t>(hash_bytes(wanted));
  for (std::size_t at = hash & mask; slots_[at].id >= 0; at = (at + 1) & mask) {
    if (slots_[at].hash == hash && text(slots_[at].id) == wanted) return slots_[at].id;
  }
  return -1;
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
