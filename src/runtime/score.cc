#include "kinglet/score.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>
#include <vector>

#include "kernels/dispatch.h"
#include "kinglet/error.h"
#include "runtime/cache_type.h"
#include "runtime/distribution.h"
#include "runtime/engine.h"
#include "runtime/model_parts.h"
#include "runtime/score_windows.h"

namespace kinglet {
namespace {

// Logits in memory at a time, where they need not stay: they are used while still in the cache.
constexpr std::size_t kSliceBytes = 12 << 20;
// Where those of a whole piece must stay.
constexpr std::size_t kKeptBytes = 64 << 20;

std::size_t rows_within(std::size_t bytes, std::size_t vocabulary) {
  return std::max<std::size_t>(16, bytes / (vocabulary * sizeof(float)));
}

TokenScore score_of(const Distribution& distribution, std::size_t index, TokenId id) {
  return {index, id, distribution.log_probability(id), distribution.rank(id), distribution.entropy()};
}

// One model walking over the text.
class Walker {
 public:
  Walker(const Model& model, std::size_t longest, std::size_t chunk, std::size_t kept,
         const ScoreOptions& options)
      : engine_(*model.parts().model, options.threads, std::min(chunk, longest), std::min(kept, longest)),
        cache_(model.parts().model->shape(), longest, cache_type(options.cache)) {}

  Rows forward(const ScorePiece& piece, nn::LogitsSink* sink, const nn::Tap* tap = nullptr) {
    if (piece.starts_window) cache_.truncate(0);
    const nn::SequenceRows sequence = {&cache_, piece.tokens.size()};
    return engine_.forward({.tokens = piece.tokens,
                            .vectors = {},
                            .sequences = {&sequence, 1},
                            .wanted = piece.wanted,
                            .sink = sink},
                           tap);
  }

 private:
  Engine engine_;
  nn::KvCache cache_;
};

// Takes each row's score as it comes.
class ScoreSink final : public nn::LogitsSink {
 public:
  explicit ScoreSink(std::span<const Token> text) : text_(text) {}

  void start(const ScorePiece& piece) {
    piece_ = &piece;
    scores_.resize(piece.wanted.size());
  }
  void take(std::size_t index, std::span<const float> logits) override {
    const std::size_t token = piece_->next + piece_->wanted[index];
    scores_[index] = score_of(Distribution(logits), token, text_[token].id);
  }
  std::span<const TokenScore> scores() const { return scores_; }

 private:
  std::span<const Token> text_;
  const ScorePiece* piece_ = nullptr;
  std::vector<TokenScore> scores_;
};

// Takes the second model's rows, and compares them with the first one's.
class DivergenceSink final : public nn::LogitsSink {
 public:
  struct Row {
    TokenScore model, reference;
    TokenDivergence divergence;
  };

  explicit DivergenceSink(std::span<const Token> text) : text_(text) {}

  void start(const ScorePiece& piece, ConstRows reference) {
    piece_ = &piece;
    reference_ = reference;
    rows_.resize(piece.wanted.size());
    scratch_.resize(reference.count * reference.width);
  }
  void take(std::size_t index, std::span<const float> logits) override {
    const std::size_t token = piece_->next + piece_->wanted[index];
    const TokenId id = text_[token].id;
    const Distribution p({reference_.row(index), reference_.width}), q(logits);
    const std::span<float> scratch(scratch_.data() + index * reference_.width, reference_.width);
    rows_[index] = {.model = score_of(q, token, id),
                    .reference = score_of(p, token, id),
                    .divergence = {token, id, kl_divergence(p, q, scratch), std::exp(p.log_probability(id)),
                                   std::exp(q.log_probability(id)), p.best(), q.best()}};
  }
  std::span<const Row> rows() const { return rows_; }

 private:
  std::span<const Token> text_;
  const ScorePiece* piece_ = nullptr;
  ConstRows reference_;
  std::vector<Row> rows_;
  std::vector<float> scratch_;
};

void check_ids(const Model& model, std::span<const Token> text) {
  for (const Token& token : text) {
    if (token.id >= 0 && static_cast<std::size_t>(token.id) < model.vocabulary()) continue;
    throw usage_error("a token id is outside the vocabulary")
        .found(fmt::format("{}", token.id))
        .allowed(fmt::format("[0, {})", model.vocabulary()));
  }
}

// What the scored tokens of a window stand for: up to where the next token begins.
std::size_t bytes_of(const ScoreWindow& window, std::span<const Token> text, std::size_t text_bytes) {
  const std::size_t end = window.end == text.size() ? text_bytes : text[window.end].begin;
  return end - std::min(end, text[window.scored].begin);
}

void add(Score& score, const TokenScore& token) {
  ++score.tokens;
  score.log_probability += token.log_probability;
  score.squares += token.log_probability * token.log_probability;
}

using Clock = std::chrono::steady_clock;

// Calls evaluate(piece) for all pieces in order, and keeps the books.
template <class Evaluate>
Score walk(std::span<const ScoreWindow> windows, std::span<const Token> text, std::size_t text_bytes,
           std::size_t chunk, TokenId bos, const ScoreWatch& watch, const Evaluate& evaluate) {
  std::size_t positions = 0;
  for (const ScoreWindow& window : windows) positions += window.end - window.begin - 1;
  const Clock::time_point start = Clock::now();
  Score score;
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  for (const ScoreWindow& window : windows) {
    for (std::size_t at = window.begin; at + 1 < window.end; at += chunk) {
      if (watch.is_interrupted && watch.is_interrupted()) {
        score.is_interrupted = true;
        score.seconds = seconds();
        return score;
      }
      const ScorePiece piece = piece_of(window, text, at, chunk, bos);
      evaluate(piece, score);
      score.evaluated += piece.tokens.size();
      if (watch.on_progress) watch.on_progress(score.evaluated, positions);
    }
    ++score.windows;
    score.bytes += bytes_of(window, text, text_bytes);
  }
  score.seconds = seconds();
  return score;
}

std::size_t longest_of(std::span<const ScoreWindow> windows) {
  std::size_t longest = 0;
  for (const ScoreWindow& window : windows) longest = std::max(longest, window.end - window.begin - 1);
  return longest;
}

// What takes the place of each window's first token.
TokenId bos_for(const Model& model, std::span<const Token> text, const ScoreOptions& options) {
  const bool wants = options.protocol == ScoreProtocol::kLlamaCpp && model.bos() && text.front().id == *model.bos();
  return wants ? *model.bos() : -1;
}

void keep_worst(std::vector<TokenDivergence>& worst, const TokenDivergence& token) {
  constexpr std::size_t kMost = 10;
  const auto place = std::find_if(worst.begin(), worst.end(),
                                  [&](const TokenDivergence& other) { return token.kl > other.kl; });
  worst.insert(place, token);
  if (worst.size() > kMost) worst.pop_back();
}

void summarise(Divergence& result) {
  const auto count = static_cast<double>(result.kl.size());
  double total = 0, squares = 0;
  for (const double kl : result.kl) {
    total += kl;
    squares += kl * kl;
  }
  if (!result.kl.empty()) result.mean_kl = total / count;
  if (result.kl.size() > 1) {
    const double variance = std::max(0.0, squares / count - result.mean_kl * result.mean_kl);
    result.mean_kl_error = std::sqrt(variance / (count - 1));
  }
  std::sort(result.kl.begin(), result.kl.end());
  std::sort(result.difference.begin(), result.difference.end());
}

}  // namespace

double Score::mean() const { return tokens == 0 ? 0 : -log_probability / static_cast<double>(tokens); }
double Score::mean_error() const {
  if (tokens < 2) return 0;
  const auto count = static_cast<double>(tokens);
  return std::sqrt(std::max(0.0, squares / count - mean() * mean()) / (count - 1));
}
double Score::perplexity() const { return std::exp(mean()); }
double Score::perplexity_error() const { return perplexity() * mean_error(); }
double Score::bits_per_byte() const {
  return bytes == 0 ? 0 : -log_probability / std::numbers::ln2 / static_cast<double>(bytes);
}

Score score(const Model& model, std::span<const Token> text, std::size_t text_bytes,
            const ScoreOptions& options, const ScoreWatch& watch) {
  check_ids(model, text);
  const std::vector<ScoreWindow> windows = score_windows(text.size(), model.context(), options);
  Walker walker(model, longest_of(windows), options.chunk, rows_within(kSliceBytes, model.vocabulary()), options);
  ScoreSink sink(text);
  nn::Tap tap;
  if (watch.on_activation) {
    tap.see = [&](const nn::Activation& activation, Rows rows) {
      for (std::size_t i = 0; i < rows.count; ++i) watch.on_activation(activation.name, activation.layer, rows.span(i));
    };
  }
  const nn::Tap* see = watch.on_activation ? &tap : nullptr;
  return walk(windows, text, text_bytes, options.chunk, bos_for(model, text, options), watch,
              [&](const ScorePiece& piece, Score& total) {
                sink.start(piece);
                walker.forward(piece, &sink, see);
                for (const TokenScore& token : sink.scores()) {
                  add(total, token);
                  if (watch.on_token) watch.on_token(token);
                }
              });
}

Divergence score_against(const Model& model, const Model& reference, std::span<const Token> text,
                         std::size_t text_bytes, const ScoreOptions& options, const ScoreWatch& watch) {
  if (model.vocabulary() != reference.vocabulary()) {
    throw usage_error("the two models' vocabularies differ")
        .in(reference.file())
        .found(fmt::format("{} tokens", reference.vocabulary()))
        .allowed(fmt::format("{} as in {}", model.vocabulary(), model.file()));
  }
  check_ids(model, text);
  const std::vector<ScoreWindow> windows = score_windows(text.size(), model.context(), options);
  const std::size_t chunk = std::min(options.chunk, rows_within(kKeptBytes, model.vocabulary()));
  const std::size_t longest = longest_of(windows);
  Walker expects(reference, longest, chunk, chunk, options);
  Walker has(model, longest, chunk, rows_within(kSliceBytes, model.vocabulary()), options);
  DivergenceSink sink(text);
  Divergence result;
  result.model = walk(windows, text, text_bytes, chunk, bos_for(model, text, options), watch,
                      [&](const ScorePiece& piece, Score& total) {
                        sink.start(piece, expects.forward(piece, nullptr));
                        has.forward(piece, &sink);
                        for (const DivergenceSink::Row& row : sink.rows()) {
                          add(total, row.model);
                          add(result.reference, row.reference);
                          const TokenDivergence& token = row.divergence;
                          result.kl.push_back(token.kl);
                          result.difference.push_back(token.q - token.p);
                          result.same_best += token.best_p == token.best_q;
                          keep_worst(result.worst, token);
                          if (watch.on_token) watch.on_token(row.model);
                        }
                      });
  result.reference.evaluated = result.model.evaluated;
  result.reference.windows = result.model.windows;
  result.reference.bytes = result.model.bytes;
  summarise(result);
  return result;
}

}  // namespace kinglet
