#include "tokenizer/word_piece.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace kinglet {

WordPiece::WordPiece(const Vocabulary& vocabulary, const Options& options)
    : unknown_(options.unknown), max_characters_(options.max_characters) {
  std::vector<Trie::Entry> initial, inner;
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    const std::string_view text = vocabulary.text(id);
    initial.emplace_back(text, id);
    if (text.starts_with(options.prefix)) inner.emplace_back(text.substr(options.prefix.size()), id);
  }
  initial_ = Trie(std::move(initial));
  inner_ = Trie(std::move(inner));
}

void WordPiece::encode(std::string_view word, std::size_t at, std::vector<TokenId>& parts,
                       TokenSink& sink) const {
  if (word.empty()) return;
  const auto give_up = [&] {
    if (unknown_ >= 0) sink.add(unknown_, at, at + word.size());
  };
  const auto characters = std::count_if(
      word.begin(), word.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  if (static_cast<std::size_t>(characters) > max_characters_) return give_up();

  parts.clear();  // pairs: id, end
  for (std::size_t begin = 0; begin < word.size();) {
    const Trie::Match match = (begin == 0 ? initial_ : inner_).longest_prefix(word.substr(begin));
    if (match.length == 0) return give_up();
    begin += match.length;
    parts.push_back(match.value);
    parts.push_back(static_cast<TokenId>(begin));
  }
  std::size_t begin = 0;
  for (std::size_t i = 0; i < parts.size(); i += 2) {
    const auto end = static_cast<std::size_t>(parts[i + 1]);
    sink.add(parts[i], at + begin, at + end);
    begin = end;
  }
}

}  // namespace kinglet
