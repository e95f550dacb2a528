#include "tokenizer/word_cut.h"

namespace kinglet {

WordCut::WordCut(const Vocabulary& vocabulary, std::string_view mark) : mark_(mark) {
  const auto bridge = [&](char c) { is_bridge_[static_cast<unsigned char>(c)] = true; };
  bridge(mark.back());  // a run of marks stays whole
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const std::string_view text = vocabulary.text(static_cast<TokenId>(i));
    for (std::size_t at = text.find(mark, 1); at != text.npos; at = text.find(mark, at + 1))
      bridge(text[at - 1]);
  }
}

std::size_t WordCut::part_end(std::string_view text, std::size_t begin) const {
  if (mark_.empty()) return text.size();
  for (std::size_t at = begin + 1;; ++at) {
    at = text.find(mark_, at);
    if (at == text.npos) return text.size();
    if (!is_bridge_[static_cast<unsigned char>(text[at - 1])]) return at;
  }
}

}  // namespace kinglet
