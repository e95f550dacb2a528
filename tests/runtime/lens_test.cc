// Looking inside a model: the end of a pass by itself gives the pass's own bits, attention rows are
// probabilities, ablation is what it says. (Against the reference: tests/cli/test_lens.py.)

#include "kinglet/lens.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <numeric>

#include "kinglet/error.h"
#include "runtime/text_run.h"

namespace kinglet {
namespace {

const std::filesystem::path kModels = std::filesystem::path(KINGLET_SOURCE_DIR) / "tests/models";
constexpr const char* kNames[] = {"tiny-linear-rope", "tiny-llama", "tiny-llama3-rope", "tiny-mistral-window",
                                  "tiny-qwen2", "tiny-qwen2-window", "tiny-untied-bf16"};

std::vector<TokenId> some_ids(std::size_t count) {
  std::vector<TokenId> ids(count);
  for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<TokenId>((i * i * 7 + 3) % 61);
  return ids;
}

std::vector<std::size_t> all_of(std::size_t count) {
  std::vector<std::size_t> list(count);
  std::iota(list.begin(), list.end(), std::size_t{0});
  return list;
}

std::string digest_of(const Model& model, const std::vector<TokenId>& ids, CacheKind cache) {
  Request request;
  request.prompt = ids;
  request.tokens = 0;
  return generate(model, {request}, {.cache = cache, .digest = true}).results.front().digest;
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kUsage);
    return error.what();
  }
  return "nothing was thrown";
}

TEST(LogitLens, TheLastRowIsThePlainRunToTheBit) {
  const std::vector<TokenId> ids = some_ids(23);
  for (const char* name : kNames) {
    const Model model = Model::open(kModels / name);
    for (const CacheKind cache : {CacheKind::kF16, CacheKind::kF32, CacheKind::kQ8_0}) {
      const std::string plain = digest_of(model, ids, cache);
      for (const std::size_t chunk : {1u, 7u, 128u}) {
        const LensOptions options = {.cache = cache, .threads = 1 + chunk % 3, .chunk = chunk};
        EXPECT_EQ(logit_lens(model, ids, all_of(23), 1, options)->digest, plain) << name << ' ' << chunk;
      }
    }
  }
}

// Every hidden state, sent through the head in the same pass as forward() or by itself.
TEST(LogitLens, TheHeadByItselfIsTheHeadOfThePass) {
  const Model model = Model::built_in();
  const std::vector<TokenId> ids = model.tokenizer()->encode("The king had three sons, and the");
  const LensOptions options = {.threads = 2};
  TextRun text(model, ids, options);
  const nn::Shape& shape = shape_of(model);
  std::vector<float> last(ids.size() * shape.width), plain;
  nn::Tap tap;
  tap.see = [&](const nn::Activation& activation, Rows rows) {
    if (std::string_view(activation.name) != "out") return;
    for (std::size_t i = 0; i < rows.count; ++i) {
      std::copy_n(rows.row(i), rows.width, last.data() + i * shape.width);
    }
  };
  ASSERT_TRUE(text.run(tap, TextRun::Logits::kAll, [&](std::size_t, Rows logits) {
    for (std::size_t i = 0; i < logits.count; ++i) {
      plain.insert(plain.end(), logits.row(i), logits.row(i) + logits.width);
    }
  }));
  for (std::size_t begin = 0; begin < ids.size(); begin += 3) {
    const std::size_t rows = std::min<std::size_t>(3, ids.size() - begin);
    const Rows logits = text.logits_of({last.data() + begin * shape.width, rows, shape.width, shape.width});
    ASSERT_EQ(logits.count, rows);
    for (std::size_t i = 0; i < rows; ++i) {
      const std::span<const float> want = std::span(plain).subspan((begin + i) * logits.width, logits.width);
      EXPECT_TRUE(std::equal(want.begin(), want.end(), logits.row(i))) << begin + i;
    }
  }
}

TEST(LogitLens, ReadingsAreThoseOfTheDistribution) {
  const Model model = Model::open(kModels / "tiny-qwen2");
  const std::vector<TokenId> ids = some_ids(9);
  const std::size_t vocabulary = model.vocabulary();
  const LogitLens lens = *logit_lens(model, ids, all_of(9), vocabulary);
  for (std::size_t p = 0; p < 9; ++p) {
    for (std::size_t row = 0; row <= lens.layers; ++row) {
      const Reading& reading = lens.at(p, row);
      ASSERT_EQ(reading.top.size(), vocabulary);
      double sum = 0, entropy = 0;
      for (std::size_t i = 0; i < vocabulary; ++i) {
        const double probability = std::exp(reading.top[i].log_probability);
        sum += probability;
        entropy -= probability * reading.top[i].log_probability;
        if (i > 0) {
          EXPECT_LE(reading.top[i].log_probability, reading.top[i - 1].log_probability);
        }
      }
      EXPECT_NEAR(sum, 1, 1e-6);  // exponentials are f32
      EXPECT_NEAR(entropy, reading.entropy, 1e-5);
      EXPECT_EQ(reading.top[reading.rank - 1].id, lens.next[p]);
      EXPECT_EQ(reading.top[reading.rank - 1].log_probability, reading.log_probability);
    }
    EXPECT_EQ(lens.next[p], p + 1 < ids.size() ? ids[p + 1] : lens.at(p, lens.layers).top.front().id);
  }
}

TEST(LogitLens, APositionIsTheSameWhateverElseIsAskedFor) {
  const Model model = Model::open(kModels / "tiny-llama");
  const std::vector<TokenId> ids = some_ids(20);
  const LogitLens all = *logit_lens(model, ids, all_of(20), 3);
  const std::vector<std::size_t> few = {2, 8, 9, 17};
  const LogitLens some = *logit_lens(model, ids, few, 3, {.chunk = 4});
  for (std::size_t i = 0; i < few.size(); ++i) {
    EXPECT_EQ(some.next[i], all.next[few[i]]);
    for (std::size_t row = 0; row <= all.layers; ++row) {
      const Reading &a = all.at(few[i], row), &b = some.at(i, row);
      EXPECT_EQ(a.entropy, b.entropy);
      EXPECT_EQ(a.rank, b.rank);
      EXPECT_EQ(a.log_probability, b.log_probability);
      for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(a.top[k].id, b.top[k].id);
    }
  }
}

TEST(AttentionMaps, RowsAreProbabilitiesOfWhatATokenSees) {
  const std::vector<TokenId> ids = some_ids(30);
  for (const char* name : kNames) {
    const Model model = Model::open(kModels / name);
    const AttentionMaps maps = *attention_maps(model, ids);
    EXPECT_EQ(maps.layers, all_of(shape_of(model).layers));
    EXPECT_EQ(maps.heads, all_of(shape_of(model).heads));
    for (std::size_t layer = 0; layer < maps.layers.size(); ++layer) {
      for (std::size_t head = 0; head < maps.heads.size(); ++head) {
        for (std::size_t t = 0; t < ids.size(); ++t) {
          const std::span<const float> row = maps.row(layer, head, t);
          EXPECT_NEAR(std::accumulate(row.begin(), row.end(), 0.0), 1, 1e-6) << name;
          for (std::size_t s = 0; s < row.size(); ++s) EXPECT_TRUE(s <= t ? row[s] >= 0 : row[s] == 0);
        }
      }
    }
  }
}

TEST(AttentionMaps, AreTheSameByAnyChunksAndThreadsAndOneAtATime) {
  const std::vector<TokenId> ids = some_ids(19);
  const Model model = Model::open(kModels / "tiny-mistral-window");
  const AttentionMaps maps = *attention_maps(model, ids);
  EXPECT_EQ(attention_maps(model, ids, {}, {.threads = 3, .chunk = 4})->weights, maps.weights);
  for (const std::size_t layer : maps.layers) {
    for (const std::size_t head : maps.heads) {
      const AttentionMaps one = *attention_maps(model, ids, {layer, head}, {.threads = 1});
      EXPECT_EQ(one.layers, std::vector<std::size_t>{layer});
      EXPECT_EQ(one.heads, std::vector<std::size_t>{head});
      ASSERT_EQ(one.weights.size(), ids.size() * ids.size());
      EXPECT_TRUE(std::equal(one.weights.begin(), one.weights.end(), maps.row(layer, head, 0).begin()));
    }
  }
}

TEST(Ablation, OfEachHeadIsTheSameAsOneAtATime) {
  const std::vector<TokenId> ids = some_ids(15);
  const Model model = Model::open(kModels / "tiny-llama");
  const AblationSweep sweep = *ablate_each(model, ids, {.threads = 2, .chunk = 4});
  ASSERT_EQ(sweep.changes.size(), sweep.layers * sweep.heads * 14);
  for (std::size_t layer = 0; layer < sweep.layers; ++layer) {
    for (std::size_t head = 0; head < sweep.heads; ++head) {
      const HeadPlace place = {layer, head};
      const Ablation ablation = *ablate(model, ids, {&place, 1}, {.threads = 1});
      EXPECT_EQ(ablation.before, sweep.before);
      EXPECT_NE(ablation.after, ablation.before);
      for (std::size_t i = 0; i < 14; ++i) {
        EXPECT_EQ(ablation.after[i] - ablation.before[i], sweep.of(layer, head)[i]);
      }
    }
  }
}

TEST(Ablation, ScoresAreThoseOfTheLens) {
  const std::vector<TokenId> ids = some_ids(11);
  const Model model = Model::open(kModels / "tiny-qwen2-window");
  const LogitLens lens = *logit_lens(model, ids, all_of(11), 1);
  const Ablation nothing = *ablate(model, ids, {});
  ASSERT_EQ(nothing.before.size(), 10u);
  EXPECT_EQ(nothing.before, nothing.after);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(nothing.before[i], lens.at(i, lens.layers).log_probability);
}

TEST(Lens, SaysWhatIsOutOfRange) {
  const Model model = Model::open(kModels / "tiny-llama");
  const std::vector<TokenId> ids = some_ids(5), wrong = {1, 2, 67};
  const std::size_t late[] = {5}, twice[] = {1, 1};
  const HeadPlace no_layer = {9, 0}, no_head = {0, 99};
  const auto contains = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  contains(message_of([&] { attention_maps(model, ids, {7, {}}); }), "layer: found 7, allowed [0, 2)");
  contains(message_of([&] { attention_maps(model, ids, {{}, 6}); }), "head: found 6, allowed [0, 6)");
  contains(message_of([&] { logit_lens(model, ids, late, 1); }), "position: found 5, allowed [0, 5)");
  contains(message_of([&] { logit_lens(model, ids, twice, 1); }), "ascending");
  contains(message_of([&] { logit_lens(model, ids, {}, 1); }), "no position");
  contains(message_of([&] { logit_lens(model, ids, {twice, 1}, 0); }), "top: found 0, allowed [1, 67]");
  contains(message_of([&] { logit_lens(model, ids, {twice, 1}, 68); }), "allowed [1, 67]");
  contains(message_of([&] { ablate(model, ids, {&no_layer, 1}); }), "layer: found 9, allowed [0, 2)");
  contains(message_of([&] { ablate(model, ids, {&no_head, 1}); }), "head: found 99, allowed [0, 6)");
  contains(message_of([&] { ablate_each(model, {ids.data(), 1}); }), "two tokens");
  contains(message_of([&] { attention_maps(model, {}); }), "empty");
  contains(message_of([&] { attention_maps(model, wrong); }), "found 67, allowed [0, 67)");
  contains(message_of([&] { attention_maps(model, ids, {}, {.context = 4}); }), "5 tokens, the context 4");
}

TEST(Lens, GivesNothingWhereItIsInterrupted) {
  const Model model = Model::open(kModels / "tiny-llama");
  const std::vector<TokenId> ids = some_ids(9);
  for (const int after : {0, 2}) {
    int asked = 0;
    const LensOptions options = {.chunk = 3, .is_interrupted = [&] { return asked++ >= after; }};
    EXPECT_FALSE(attention_maps(model, ids, {}, options));
    asked = 0;
    EXPECT_FALSE(logit_lens(model, ids, all_of(9), 1, options));
    asked = 0;
    EXPECT_FALSE(ablate(model, ids, {}, options));
    asked = 0;
    EXPECT_FALSE(ablate_each(model, ids, options));
  }
}

}  // namespace
}  // namespace kinglet
