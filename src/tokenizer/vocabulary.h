#pragma once

// The entries of a vocabulary: id -> text and kind, text -> id.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kinglet/tokenizer.h"

namespace kinglet {

// As SentencePiece numbers them (and GGUF after it); 0 is a hole in the ids.
enum class TokenKind : std::uint8_t {
  kMissing = 0,
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,      // special: <s>, [CLS], <|im_start|>
  kUserDefined = 4,  // matched whole in any text, but not special
  kUnused = 5,
  kByte = 6,  // <0x0A>
};

inline constexpr std::size_t kMaxTokens = std::size_t{1} << 20;
inline constexpr std::size_t kMaxTokenBytes = std::size_t{1} << 16;

// Whether text can become this token by itself: not so control, unknown and byte tokens.
inline bool is_textual(TokenKind kind) {
  return kind == TokenKind::kNormal || kind == TokenKind::kUserDefined || kind == TokenKind::kUnused;
}

class Vocabulary {
 public:
  void reserve(std::size_t tokens, std::size_t bytes);

  // Sets entry `id`, growing to it; an entry already set is replaced. Errors (kRefused): an id
  // outside [0, 2^20), a text over 64 KiB.
  void set(TokenId id, std::string_view text, TokenKind kind = TokenKind::kNormal);
  void set_kind(TokenId id, TokenKind kind) { entries_[index_of(id)].kind = kind; }

  // Makes find() work, over what is set until now. Returns how many texts stand under two ids; the
  // lowest of them is the one found.
  std::size_t build_index();

  std::size_t size() const { return entries_.size(); }
  bool contains(TokenId id) const { return id >= 0 && index_of(id) < entries_.size(); }
  std::string_view text(TokenId id) const {
    const Entry& entry = entries_[index_of(id)];
    return std::string_view(arena_).substr(entry.offset, entry.length);
  }
  TokenKind kind(TokenId id) const { return entries_[index_of(id)].kind; }
  std::size_t missing() const;

  // -1 where no entry has this text.
  TokenId find(std::string_view text) const;
  // The same for many texts, each into its place of `ids`: the waits for memory overlap.
  void find_all(std::span<const std::string_view> texts, std::span<TokenId> ids) const;
  // The same, quicker where `likely` is the answer.
  TokenId find_near(std::string_view wanted, TokenId likely) const {
    const bool is_sure = duplicates_ == 0 && contains(likely) && kind(likely) != TokenKind::kMissing;
    return is_sure && text(likely) == wanted ? likely : find(wanted);
  }

 private:
  struct Entry {
    std::uint32_t offset = 0, length = 0;
    TokenKind kind = TokenKind::kMissing;
  };
  struct Slot {
    std::uint32_t hash = 0;
    TokenId id = -1;
  };
  TokenId find_hashed(std::string_view text, std::uint32_t hash) const;
  static std::size_t index_of(TokenId id) { return static_cast<std::size_t>(id); }

  std::string arena_;
  std::vector<Entry> entries_;
  std::vector<Slot> slots_;
  std::size_t duplicates_ = 0;
};

// The byte of a byte token's text "<0x0A>": two hexadecimal digits, nothing else.
std::optional<unsigned char> byte_token_value(std::string_view text);
std::string byte_token_text(unsigned char byte);

}  // namespace kinglet
