#include "tokenizer/score_bpe.h"

#include <bit>
#include <map>
#include <utility>

#include "tokenizer/utf8.h"

namespace kinglet {
namespace {

// Orders as the scores do, the highest first; never Merge::kNone, which only a NaN could give.
std::uint32_t rank_of_score(float score) {
  const auto bits = std::bit_cast<std::uint32_t>(score + 0.0f);  // -0 becomes 0
  const std::uint32_t ascending = (bits >> 31) != 0 ? ~bits : bits | 0x80000000U;
  return ~ascending;
}

std::size_t llama2c_group(std::string_view text) {
  std::size_t length = 1;
  while (length < 4 && length < text.size() && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80)
    ++length;
  return length;
}

}  // namespace

std::array<TokenId, 256> byte_tokens_of(const Vocabulary& vocabulary) {
  std::array<TokenId, 256> tokens;
  tokens.fill(-1);
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    if (vocabulary.kind(id) != TokenKind::kByte) continue;
    if (const auto byte = byte_token_value(vocabulary.text(id))) tokens[*byte] = id;
  }
  return tokens;
}

Trie user_defined_trie(const Vocabulary& vocabulary) {
  std::vector<Trie::Entry> entries;
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    // What is no UTF-8 would take a part of a character and leave the rest.
    if (vocabulary.kind(id) == TokenKind::kUserDefined && is_utf8(vocabulary.text(id)))
      entries.emplace_back(vocabulary.text(id), id);
  }
  return Trie(std::move(entries));
}

ScoreBpe::ScoreBpe(const Vocabulary& vocabulary, std::vector<float> scores, Options options)
    : vocabulary_(&vocabulary),
      options_(std::move(options)),
      user_defined_(user_defined_trie(vocabulary)) {
  ranks_.reserve(scores.size());
  for (const float score : scores) ranks_.push_back(rank_of_score(score));
  for (std::size_t i = 0; i < vocabulary.size(); ++i)
    has_unused_ |= vocabulary.kind(static_cast<TokenId>(i)) == TokenKind::kUnused;
  // How an unused entry falls apart depends on what else the text made of it.
  if (!has_unused_) cut_ = WordCut(vocabulary, options_.mark);
}

TokenId ScoreBpe::find_textual(std::string_view text) const {
  const TokenId id = vocabulary_->find(text);
  return id >= 0 && is_textual(vocabulary_->kind(id)) ? id : -1;
}

void ScoreBpe::add_symbols(std::string_view part, Merger& merger) const {
  for (std::size_t i = 0; i < part.size();) {
    const std::string_view rest = part.substr(i);
    const Trie::Match whole = user_defined_.longest_prefix(rest);
    const std::size_t length = whole.length > 0                               ? whole.length
                               : options_.grouping == Grouping::kLlama2c ? llama2c_group(rest)
                                                                           : first_code_point(rest).length;
    Symbol symbol{whole.value, static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i + length),
                  whole.length > 0};
    if (!symbol.frozen) {
      symbol.id = find_textual(rest.substr(0, length));
      // run.c has already made byte tokens of these when it starts to merge.
      symbol.frozen = symbol.id < 0 && options_.grouping == Grouping::kLlama2c;
    }
    merger.add(symbol);
    i += length;
  }
}

Merge ScoreBpe::merge_of(std::string_view part, const Symbol& left, const Symbol& right) const {
  if (left.frozen || right.frozen) return {};
  const TokenId id = find_textual(part.substr(left.begin, right.end - left.begin));
  if (id < 0) return {};
  return {ranks_[static_cast<std::size_t>(id)], id};
}

void ScoreBpe::encode(std::string_view part, std::size_t at, Merger& merger, TokenSink& sink) const {
  merger.clear();
  add_symbols(part, merger);
  if (!has_unused_) {
    merger.run([&](const Symbol& left, const Symbol& right) { return merge_of(part, left, right); });
    for (const Symbol& symbol : merger.symbols()) emit(part, at, symbol, sink);
    return;
  }

  // Unused entries take part in merging and fall apart at the end, into what last made them.
  std::map<TokenId, std::pair<std::string_view, std::string_view>> made_of;
  merger.run([&](const Symbol& left, const Symbol& right) {
    const Merge merge = merge_of(part, left, right);
    if (merge.rank != Merge::kNone && vocabulary_->kind(merge.id) == TokenKind::kUnused)
      made_of[merge.id] = {part.substr(left.begin, left.end - left.begin),
                           part.substr(right.begin, right.end - right.begin)};
    return merge;
  });
  std::vector<Symbol> open;
  for (const Symbol& merged : merger.symbols()) {
    open.push_back(merged);
    while (!open.empty()) {
      const Symbol symbol = open.back();
      open.pop_back();
      const bool is_unused = symbol.id >= 0 && vocabulary_->kind(symbol.id) == TokenKind::kUnused;
      const auto parts = is_unused ? made_of.find(symbol.id) : made_of.end();
      if (parts == made_of.end()) {
        emit(part, at, symbol, sink);
        continue;
      }
      const auto [left, right] = parts->second;
      const std::uint32_t middle = symbol.begin + static_cast<std::uint32_t>(left.size());
      open.push_back({find_textual(right), middle, symbol.end});
      open.push_back({find_textual(left), symbol.begin, middle});
    }
  }
}

void ScoreBpe::emit(std::string_view part, std::size_t at, const Symbol& symbol,
                    TokenSink& sink) const {
  if (symbol.id >= 0) {
    sink.add(symbol.id, at + symbol.begin, at + symbol.end);
    return;
  }
  const bool to_bytes = options_.fallback == Fallback::kBytes;
  bool has_all = to_bytes;
  for (std::size_t i = symbol.begin; has_all && i < symbol.end; ++i)
    has_all = options_.byte_tokens[static_cast<unsigned char>(part[i])] >= 0;
  if (!has_all) {
    if (options_.unknown >= 0) sink.add_unknown(options_.unknown, at + symbol.begin, at + symbol.end);
    return;
  }
  for (std::size_t i = symbol.begin; i < symbol.end; ++i)
    sink.add(options_.byte_tokens[static_cast<unsigned char>(part[i])], at + i, at + i + 1);
}

}  // namespace kinglet
