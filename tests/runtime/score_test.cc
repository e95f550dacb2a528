// How well a model predicts a text. The oracle is the float64 reference's logits (golden.safetensors of
// the tiny models), and the definitions in double.

#include "kinglet/score.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>
#include <vector>

#include "io/safetensors.h"
#include "kinglet/error.h"
#include "runtime/dump.h"
#include "runtime/score_windows.h"
#include "support/temp_dir.h"

namespace kinglet {
namespace {

const std::filesystem::path kModels = std::filesystem::path(KINGLET_SOURCE_DIR) / "tests/models";

template <class T>
std::vector<T> read(const std::filesystem::path& path, const char* name) {
  io::SafetensorsSource source;
  source.add(File::open(path));
  const TensorInfo* tensor = source.find(name);
  std::vector<T> values(static_cast<std::size_t>(tensor->nbytes) / sizeof(T));
  source.read_rows(*tensor, 0, std::as_writable_bytes(std::span(values)));
  return values;
}

template <class T>
std::vector<T> golden(const char* model, const char* name) {
  return read<T>(kModels / model / "golden.safetensors", name);
}

std::vector<Token> tokens_of(std::span<const std::int32_t> ids) {
  std::vector<Token> tokens;
  for (const std::int32_t id : ids) tokens.push_back({id, tokens.size(), tokens.size() + 1});  // a byte each
  return tokens;
}

std::vector<Token> random_tokens(std::size_t count) {
  std::mt19937 random(7);
  std::vector<std::int32_t> ids(count);
  for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random() % 67);
  return tokens_of(ids);
}

std::vector<TokenScore> scores_of(const Model& model, std::span<const Token> text, const ScoreOptions& options,
                                  Score* total = nullptr) {
  std::vector<TokenScore> scores;
  ScoreWatch watch;
  watch.on_token = [&](const TokenScore& score) { scores.push_back(score); };
  const Score score = kinglet::score(model, text, text.size(), options, watch);
  if (total != nullptr) *total = score;
  return scores;
}

TEST(Score, EveryTokenHasTheReferencesLogProbabilityRankAndEntropy) {
  for (const char* name : {"tiny-llama", "tiny-qwen2", "tiny-untied-bf16"}) {
    const Model model = Model::open(kModels / name);
    const auto ids = golden<std::int32_t>(name, "ids");
    const auto logits = golden<float>(name, "logits");
    const std::size_t width = logits.size() / ids.size();
    Score total;
    const auto scores = scores_of(model, tokens_of(ids), {.cache = CacheKind::kF32}, &total);
    ASSERT_EQ(scores.size(), ids.size() - 1);
    double sum = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const float* row = logits.data() + i * width;
      double whole = 0, entropy = 0;
      for (std::size_t v = 0; v < width; ++v) whole += std::exp(static_cast<double>(row[v]));
      for (std::size_t v = 0; v < width; ++v) {
        const double p = std::exp(static_cast<double>(row[v])) / whole;
        entropy -= p * std::log(p);
      }
      const auto target = static_cast<std::size_t>(ids[i + 1]);
      std::size_t rank = 1;
      for (std::size_t v = 0; v < width; ++v) rank += row[v] > row[target];
      EXPECT_EQ(scores[i].index, i + 1);
      EXPECT_EQ(scores[i].id, ids[i + 1]);
      // The engine's logits are within 1e-5 of the reference's, relative to the row's largest.
      EXPECT_NEAR(scores[i].log_probability, static_cast<double>(row[target]) - std::log(whole), 1e-4) << name << i;
      EXPECT_NEAR(scores[i].entropy, entropy, 1e-4) << name << i;
      EXPECT_EQ(scores[i].rank, rank) << name << i;
      sum += scores[i].log_probability;
    }
    EXPECT_EQ(total.log_probability, sum);
    EXPECT_EQ(total.bytes, ids.size() - 1);  // all but the first token's byte
    EXPECT_DOUBLE_EQ(total.perplexity(), std::exp(-sum / static_cast<double>(scores.size())));
    EXPECT_DOUBLE_EQ(total.bits_per_byte(), -sum / std::log(2.0) / static_cast<double>(ids.size() - 1));
  }
}

TEST(Score, NothingAboutHowItIsCarriedOutChangesABit) {
  const Model model = Model::open(kModels / "tiny-llama");
  const std::vector<Token> text = random_tokens(61);
  for (const ScoreProtocol protocol : {ScoreProtocol::kSliding, ScoreProtocol::kLlamaCpp}) {
    ScoreOptions options = {.protocol = protocol, .window = 16, .threads = 1};
    Score want;
    const auto expected = scores_of(model, text, options, &want);
    for (const std::size_t threads : {1, 2, 3}) {
      for (const std::size_t chunk : {1, 5, 7, 64}) {
        options.threads = threads;
        options.chunk = chunk;
        Score got;
        const auto scores = scores_of(model, text, options, &got);
        ASSERT_EQ(scores.size(), expected.size());
        for (std::size_t i = 0; i < scores.size(); ++i) {
          EXPECT_EQ(scores[i].log_probability, expected[i].log_probability) << threads << " " << chunk << " " << i;
          EXPECT_EQ(scores[i].entropy, expected[i].entropy);
          EXPECT_EQ(scores[i].rank, expected[i].rank);
        }
        EXPECT_EQ(got.log_probability, want.log_probability);
        EXPECT_EQ(got.bytes, want.bytes);
      }
    }
  }
}

TEST(Score, AWindowKnowsNothingOfTheOneBefore) {
  const Model model = Model::open(kModels / "tiny-llama");
  const std::vector<Token> text = random_tokens(40);
  const auto all = scores_of(model, text, {.window = 16, .stride = 8});
  const auto second = scores_of(model, std::span(text).subspan(8, 16), {.window = 16});
  ASSERT_EQ(all.size(), 39u);
  for (std::size_t token = 16; token < 24; ++token) {
    EXPECT_EQ(all[token - 1].log_probability, second[token - 8 - 1].log_probability) << token;
  }
}

// --- windows ----------------------------------------------------------------------------------

TEST(ScoreWindows, SlidingOnesScoreEveryTokenButTheFirstOnce) {
  for (std::size_t tokens = 2; tokens < 50; ++tokens) {
    for (std::size_t length = 2; length < 20; ++length) {
      for (std::size_t stride = 1; stride < length; ++stride) {
        std::size_t next = 1;
        for (const ScoreWindow& window : score_windows(tokens, 99, {.window = length, .stride = stride})) {
          ASSERT_EQ(window.scored, next);
          ASSERT_LE(window.end - window.begin, length);
          ASSERT_LT(window.begin, window.scored);
          if (window.begin > 0) {
            ASSERT_GE(window.scored - window.begin, length - stride);
          }
          next = window.end;
        }
        ASSERT_EQ(next, tokens);
      }
    }
  }
}

TEST(ScoreWindows, AStrideAsLongAsTheWindowLeavesOutTheFirstOfEach) {
  const auto windows = score_windows(10, 99, {.window = 4, .stride = 4});
  ASSERT_EQ(windows.size(), 3u);
  EXPECT_EQ(windows[1].begin, 4u);
  EXPECT_EQ(windows[1].scored, 5u);
  EXPECT_EQ(windows[2].end, 10u);
}

// 512: logits at 256 to 510 score the tokens 257 to 511.
TEST(ScoreWindows, LlamaCppsScoreWhatStandsBehindTheMiddle) {
  const auto windows = score_windows(1100, 8192, {.protocol = ScoreProtocol::kLlamaCpp});
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_EQ(windows[1].begin, 512u);
  EXPECT_EQ(windows[1].end, 1024u);
  EXPECT_EQ(windows[1].end - windows[1].scored, 255u);
}

TEST(ScoreWindows, WhatCannotBeIsRefused) {
  const auto message = [](std::size_t tokens, const ScoreOptions& options) -> std::string {
    try {
      score_windows(tokens, 64, options);
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::kUsage);
      return error.what();
    }
    return "";
  };
  EXPECT_NE(message(0, {}), "");
  EXPECT_NE(message(1, {}), "");
  EXPECT_EQ(message(2, {}), "");
  EXPECT_NE(message(9, {.window = 1}), "");
  EXPECT_NE(message(9, {.window = 4, .stride = 5}), "");
  EXPECT_NE(message(63, {.protocol = ScoreProtocol::kLlamaCpp}), "");
  EXPECT_EQ(message(64, {.protocol = ScoreProtocol::kLlamaCpp}), "");
}

TEST(ScoreWindows, BosTakesTheFirstPlaceOfEachWindow) {
  const std::vector<Token> text = random_tokens(8);
  const ScorePiece first = piece_of({4, 8, 6}, text, 4, 2, 99), rest = piece_of({4, 8, 6}, text, 6, 2, 99);
  EXPECT_EQ(first.tokens, (std::vector<TokenId>{99, text[5].id}));
  EXPECT_TRUE(first.starts_window);
  EXPECT_EQ(first.wanted, (std::vector<std::size_t>{1}));
  EXPECT_EQ(rest.tokens, (std::vector<TokenId>{text[6].id}));
  EXPECT_FALSE(rest.starts_window);
  EXPECT_EQ(rest.wanted, (std::vector<std::size_t>{0}));
  EXPECT_EQ(rest.next, 7u);
}

// --- two models -------------------------------------------------------------------------------

TEST(ScoreAgainst, AModelDoesNotDivergeFromItself) {
  const Model model = Model::open(kModels / "tiny-llama");
  const std::vector<Token> text = random_tokens(40);
  const Divergence divergence = score_against(model, model, text, text.size(), {.window = 16, .chunk = 5});
  EXPECT_EQ(divergence.mean_kl, 0);
  EXPECT_EQ(divergence.same_best, 39u);
  EXPECT_EQ(divergence.difference.front(), 0);
  EXPECT_EQ(divergence.model.log_probability, divergence.reference.log_probability);
  EXPECT_EQ(divergence.model.log_probability, score(model, text, text.size(), {.window = 16}).log_probability);
}

TEST(ScoreAgainst, IsTheDefinitionOnTheLogits) {
  // Two models of one vocabulary, on the same ids.
  const Model model = Model::open(kModels / "tiny-llama"), reference = Model::open(kModels / "tiny-linear-rope");
  const auto ids = golden<std::int32_t>("tiny-llama", "ids");
  const test::TempDir directory;
  dump_activations(model, ids, {.cache = CacheKind::kF32}, directory.path() / "q");
  dump_activations(reference, ids, {.cache = CacheKind::kF32}, directory.path() / "p");
  const auto q = read<float>(directory.path() / "q", "logits"), p = read<float>(directory.path() / "p", "logits");
  const std::size_t width = q.size() / ids.size();
  double total = 0, worst = 0;
  for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
    double whole_p = 0, whole_q = 0, kl = 0;
    for (std::size_t v = 0; v < width; ++v) {
      whole_p += std::exp(static_cast<double>(p[i * width + v]));
      whole_q += std::exp(static_cast<double>(q[i * width + v]));
    }
    for (std::size_t v = 0; v < width; ++v) {
      const double log_p = static_cast<double>(p[i * width + v]) - std::log(whole_p);
      kl += std::exp(log_p) * (log_p - static_cast<double>(q[i * width + v]) + std::log(whole_q));
    }
    total += kl;
    worst = std::max(worst, kl);
  }
  const Divergence divergence =
      score_against(model, reference, tokens_of(ids), ids.size(), {.cache = CacheKind::kF32});
  EXPECT_NEAR(divergence.mean_kl, total / static_cast<double>(ids.size() - 1), 1e-6);
  EXPECT_NEAR(divergence.worst.front().kl, worst, 1e-6);
  EXPECT_TRUE(std::is_sorted(divergence.kl.begin(), divergence.kl.end()));
  EXPECT_GT(divergence.mean_kl, 0.001);
}

TEST(Score, IdsOutsideTheVocabularyAreRefused) {
  const Model model = Model::open(kModels / "tiny-llama");
  for (const TokenId id : {-1, 67}) {
    const std::vector<Token> text = {{1, 0, 1}, {id, 1, 2}};
    EXPECT_THROW(score(model, text, 2), Error) << id;
  }
}

TEST(Score, AnInterruptEndsItAndSaysSo) {
  const Model model = Model::open(kModels / "tiny-llama");
  const std::vector<Token> text = random_tokens(40);
  int asked = 0;
  ScoreWatch watch;
  watch.is_interrupted = [&] { return ++asked > 3; };
  const Score score = kinglet::score(model, text, text.size(), {.window = 16, .chunk = 4}, watch);
  EXPECT_TRUE(score.is_interrupted);
  EXPECT_EQ(score.evaluated, 12u);
}

}  // namespace
}  // namespace kinglet
