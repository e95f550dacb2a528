#include "tokenizer/word_cut.h"

namespace kinglet {
namespace {

unsigned char byte_of(char c) { return static_cast<unsigned char>(c); }

}  // namespace

WordCut::WordCut(const Vocabulary& vocabulary, std::string_view mark)
    : mark_(mark), joined_(256 * 256 / 64) {
  for (unsigned left = 0; left < 256; ++left)  // no cut inside a character
    for (unsigned right = 0x80; right < 0xC0; ++right)
      join(static_cast<unsigned char>(left), static_cast<unsigned char>(right));
  is_bridge_[byte_of(mark.back())] = true;  // a run of marks stays whole
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const std::string_view text = vocabulary.text(static_cast<TokenId>(i));
    for (std::size_t at = 1; at < text.size(); ++at) {
      if (is_mark(text, at))
        is_bridge_[byte_of(text[at - 1])] = true;
      else
        join(byte_of(text[at - 1]), byte_of(text[at]));
    }
  }
}

std::size_t WordCut::part_end(std::string_view text, std::size_t begin) const {
  if (joined_.empty()) return text.size();
  for (std::size_t at = begin + 1; at < text.size(); ++at) {
    const unsigned char left = byte_of(text[at - 1]);
    const bool stays = is_mark(text, at) ? is_bridge_[left] : is_joined(index_of(left, byte_of(text[at])));
    if (!stays) return at;
  }
  return text.size();
}

}  // namespace kinglet
