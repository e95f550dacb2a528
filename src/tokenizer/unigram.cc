#include "tokenizer/unigram.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "tokenizer/utf8.h"

namespace kinglet {
namespace {

constexpr double kUnknownPenalty = 10;  // below the lowest score

}  // namespace

Unigram::Unigram(const Vocabulary& vocabulary, std::vector<double> scores, Options options)
    : vocabulary_(&vocabulary),
      scores_(std::move(scores)),
      is_user_defined_(vocabulary.size()),
      options_(std::move(options)) {
  std::vector<Trie::Entry> entries;
  lowest_ = std::numeric_limits<double>::max();
  // Above all scores of real models: the reference starts at FLT_MIN, the smallest positive float.
  highest_ = std::numeric_limits<float>::min();
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    const TokenKind kind = vocabulary.kind(id);
    is_user_defined_[i] = kind == TokenKind::kUserDefined;
    if (kind == TokenKind::kNormal || is_user_defined_[i]) entries.emplace_back(vocabulary.text(id), id);
    if (kind != TokenKind::kNormal) continue;
    lowest_ = std::min(lowest_, scores_[i]);
    highest_ = std::max(highest_, scores_[i]);
  }
  if (lowest_ > highest_) lowest_ = 0;
  trie_ = Trie(std::move(entries));
}

double Unigram::score(TokenId id, std::size_t length) const {
  const auto i = static_cast<std::size_t>(id);
  if (options_.sums == Sums::kDouble || !is_user_defined_[i]) return scores_[i];
  // Float times length, then a double's 0.1: as sentencepiece computes it.
  const float product = static_cast<float>(length) * static_cast<float>(highest_);
  return static_cast<double>(product) - 0.1;
}

// Where no entry reaches over the end of a token, every way leads through there: what lies before is
// settled, and the sum goes on. So the steps are those of a few words, whatever the text's length.
template <class Sum>
void Unigram::encode_best(std::string_view text, std::size_t at, Scratch& best, TokenSink& sink) const {
  const Sum unknown_score = static_cast<Sum>(lowest_) - static_cast<Sum>(kUnknownPenalty);
  std::size_t start = 0, furthest = 0;  // best[0] is the step to `start`, the last one to `furthest`
  best.assign(1, Step{});
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t first_length = first_code_point(text.substr(begin)).length;
    const Step& reached = best[begin - start];
    const Sum here = static_cast<Sum>(reached.score);
    if (begin == furthest && begin > start && !is_unknown(reached.id)) {
      emit_steps(text.substr(start, begin - start), at + start, best, sink);
      best.assign(1, Step{});
      start = begin;
    }
    // In sentencepiece a candidate is a double that is compared with what was kept as a float.
    const auto reach = [&](std::size_t length, double sum, TokenId id) {
      const std::size_t end = begin + length;
      if (end > furthest) {
        furthest = end;
        best.resize(end - start + 1);
      }
      Step& step = best[end - start];
      if (step.is_reached && !(sum > step.score)) return;
      const auto from = static_cast<std::uint32_t>(begin - start);
      step = {static_cast<double>(static_cast<Sum>(sum)), from, 0, id, true};
    };
    bool has_single = false;
    std::int32_t node = Trie::kRoot;
    for (std::size_t i = begin; i < text.size() && !trie_.empty(); ++i) {
      node = trie_.child(node, text[i]);
      if (node == Trie::kNone) break;
      const TokenId id = trie_.value(node);
      if (id < 0) continue;
      const std::size_t length = i + 1 - begin;
      reach(length, score(id, length) + static_cast<double>(here), id);
      has_single |= length == first_length;
    }
    if (!has_single) reach(first_length, static_cast<double>(unknown_score + here), -1);
    begin += first_length;
  }
  emit_steps(text.substr(start), at + start, best, sink);
}

void Unigram::encode(std::string_view text, std::size_t at, Scratch& best, TokenSink& sink) const {
  if (text.empty()) return;
  if (options_.sums == Sums::kFloat)
    encode_best<float>(text, at, best, sink);
  else
    encode_best<double>(text, at, best, sink);
}

void Unigram::emit_steps(std::string_view text, std::size_t at, Scratch& best, TokenSink& sink) const {
  // Back from the end, leaving at each place where its token ends; then forward.
  std::uint32_t next = static_cast<std::uint32_t>(text.size());
  for (std::size_t end = text.size(); end > 0;) {
    const std::size_t begin = best[end].from;
    best[begin].next = static_cast<std::uint32_t>(end);
    end = begin;
  }
  for (std::size_t begin = 0; begin < text.size(); begin = next) {
    next = best[begin].next;
    TokenId id = best[next].id;
    if (options_.sums == Sums::kDouble && is_unknown(id)) {
      while (next < text.size() && is_unknown(best[best[next].next].id)) next = best[next].next;
      id = vocabulary_->find(text.substr(begin, next - begin));
    }
    emit(text, at, id, {static_cast<std::uint32_t>(begin), next}, sink);
  }
}

bool Unigram::is_unknown(TokenId id) const { return id < 0 || id == options_.unknown; }

void Unigram::emit(std::string_view text, std::size_t at, TokenId id, Interval place,
                   TokenSink& sink) const {
  // An entry that is the unknown token itself, found as text, is part of the run around it.
  const bool spells_unknown = id == options_.unknown && options_.fallback == Fallback::kUnknown;
  if (id >= 0 && !spells_unknown) {
    sink.add(id, at + place.begin, at + place.end);
    return;
  }
  bool has_bytes = options_.fallback == Fallback::kBytes;
  const auto byte_token = [&](std::size_t i) {
    return options_.byte_tokens[static_cast<unsigned char>(text[i])];
  };
  for (std::size_t i = place.begin; has_bytes && i < place.end; ++i) has_bytes = byte_token(i) >= 0;
  if (has_bytes) {
    for (std::size_t i = place.begin; i < place.end; ++i) sink.add(byte_token(i), at + i, at + i + 1);
  } else if (options_.unknown >= 0) {
    sink.add_unknown(options_.unknown, at + place.begin, at + place.end);
  }
}

}  // namespace kinglet
