#include "tokenizer/charsmap.h"

#include <fmt/format.h>

#include "kinglet/error.h"
#include "tokenizer/utf8.h"

namespace kinglet {
namespace {

std::uint32_t u32_at(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// A unit of darts-clone: a leaf's value, or a label and the offset to the children.
bool has_leaf(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
std::uint32_t leaf_value(std::uint32_t unit) { return unit & 0x7FFFFFFF; }
std::uint32_t label(std::uint32_t unit) { return unit & 0x800000FF; }
std::uint32_t offset(std::uint32_t unit) { return (unit >> 10) << ((unit & 0x200) >> 6); }

bool is_character_start(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

}  // namespace

Charsmap::Charsmap(std::string_view blob) {
  if (blob.empty()) return;
  const std::uint64_t trie_bytes = blob.size() < 4 ? 0 : u32_at(blob, 0);
  if (trie_bytes == 0 || trie_bytes % 4 != 0 || trie_bytes > blob.size() - 4)
    throw refused("the precompiled normalization rules are cut")
        .found(fmt::format("a trie of {} bytes in {} bytes", trie_bytes, blob.size()));
  for (std::size_t i = 0; i < trie_bytes; i += 4) units_.push_back(u32_at(blob, 4 + i));
  replacements_ = blob.substr(4 + trie_bytes);
  replacements_.push_back('\0');
  if (!is_utf8(replacements_)) throw refused("the precompiled normalization rules make what is no UTF-8");
  for (unsigned byte = 0; byte < 0x80; ++byte)
    is_plain_[byte] = !starts_ascii_rule(static_cast<unsigned char>(byte));
}

// Whether a rule is `first`, or starts with it and another ASCII character.
bool Charsmap::starts_ascii_rule(unsigned char first) const {
  const std::size_t node = offset(units_[0]) ^ first;
  if (first == 0 || node >= units_.size() || label(units_[node]) != first) return false;
  if (has_leaf(units_[node])) return true;
  for (unsigned second = 1; second < 0x80; ++second) {
    const std::size_t child = node ^ offset(units_[node]) ^ second;
    if (child < units_.size() && label(units_[child]) == second) return true;
  }
  return false;
}

template <class OnMatch>
void Charsmap::walk(std::string_view text, const OnMatch& on_match) const {
  if (units_.empty()) return;
  std::size_t node = offset(units_[0]);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (byte == 0 || node >= units_.size() || label(units_[node]) != byte) return;
    const std::uint32_t unit = units_[node];
    node ^= offset(unit);
    if (!has_leaf(unit)) continue;
    if (node >= units_.size()) return;
    const std::uint32_t value = leaf_value(units_[node]);
    if (value >= replacements_.size() || !is_character_start(replacements_[value])) return;
    const std::string_view replacement(replacements_.data() + value);  // ends at a NUL, if only the last
    if (!on_match(Match{i + 1, replacement})) return;
  }
}

Charsmap::Match Charsmap::longest_prefix(std::string_view text) const {
  Match best;
  walk(text, [&](Match match) {
    best = match;
    return true;
  });
  return best;
}

Charsmap::Match Charsmap::shortest_prefix(std::string_view text) const {
  Match best;
  walk(text, [&](Match match) {
    best = match;
    return false;
  });
  return best;
}

}  // namespace kinglet
