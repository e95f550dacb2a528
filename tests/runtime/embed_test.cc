// Texts to vectors: what they are by definition, and that nothing about how they are computed changes
// a bit. The hidden states to compare with are those that reference activations record
// (tests/models/*/golden.safetensors, float64 NumPy) and those of a dump.

#include "kinglet/embed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <random>

#include "kinglet/error.h"

namespace kinglet {
namespace {

const std::filesystem::path kSource = KINGLET_SOURCE_DIR;

Model tiny(const char* name = "tiny-llama") { return Model::open(kSource / "tests/models" / name); }

std::vector<TokenId> random_ids(const Model& model, std::size_t count, std::mt19937& random) {
  std::vector<TokenId> ids(count);
  for (TokenId& id : ids) id = static_cast<TokenId>(random() % model.vocabulary());
  return ids;
}

// Lengths around the panels and chunks of attention, and ones.
std::vector<std::vector<TokenId>> some_texts(const Model& model) {
  std::mt19937 random(11);
  std::vector<std::vector<TokenId>> texts;
  for (const std::size_t length : {1, 2, 15, 16, 17, 1, 33, 5, 40, 3}) texts.push_back(random_ids(model, length, random));
  return texts;
}

std::vector<float> values_of(const Embeddings& vectors) { return {vectors.values().begin(), vectors.values().end()}; }

constexpr Pooling kAll[] = {Pooling::kMean, Pooling::kCls, Pooling::kLast, Pooling::kNone};

TEST(Embed, GivesTheSameBitsAloneInAnyBatchChunkAndThreadCount) {
  for (const char* name : {"tiny-llama", "tiny-qwen2-window"}) {
    const Model model = tiny(name);
    const auto texts = some_texts(model);
    const std::vector<HiddenLayer> layers = all_layers(model);
    std::mt19937 random(3);
    for (const Pooling pooling : kAll) {
      // Alone, layer by layer.
      std::vector<std::vector<float>> alone(layers.size());
      for (std::size_t i = 0; i < layers.size(); ++i) {
        for (const auto& text : texts) {
          const Embeddings one = embed(model, std::vector<std::vector<TokenId>>{text}, {.pooling = pooling, .layer = layers[i], .threads = 1});
          alone[i].insert(alone[i].end(), one.values().begin(), one.values().end());
        }
      }
      for (int trial = 0; trial < 8; ++trial) {
        const EmbedOptions options = {.pooling = pooling, .layer = {}, .threads = 1 + random() % 3, .chunk = 1 + random() % 70};
        const auto together = embed_layers(model, texts, layers, options);
        for (std::size_t i = 0; i < layers.size(); ++i) {
          EXPECT_EQ(values_of(together[i]), alone[i]) << name << ", pooling " << name_of(pooling) << ", layer " << i
                                                      << ", threads " << options.threads << ", chunk " << options.chunk;
        }
      }
    }
  }
}

TEST(Embed, PoolsByDefinition) {
  const Model model = tiny();
  const auto texts = some_texts(model);
  const EmbedOptions plain = {.pooling = Pooling::kNone, .layer = 1, .normalize = false};
  const Embeddings tokens = embed(model, texts, plain);
  EXPECT_EQ(tokens.texts(), texts.size());
  const auto pooled = [&](Pooling pooling) {
    EmbedOptions options = plain;
    options.pooling = pooling;
    return embed(model, texts, options);
  };
  const Embeddings mean = pooled(Pooling::kMean), cls = pooled(Pooling::kCls), last = pooled(Pooling::kLast);
  for (std::size_t text = 0; text < texts.size(); ++text) {
    const std::size_t begin = tokens.first_row(text), end = tokens.first_row(text + 1);
    ASSERT_EQ(end - begin, texts[text].size());
    for (std::size_t i = 0; i < model.width(); ++i) {
      double sum = 0;
      for (std::size_t row = begin; row < end; ++row) sum += static_cast<double>(tokens.row(row)[i]);
      EXPECT_EQ(mean.row(text)[i], static_cast<float>(sum / static_cast<double>(end - begin)));
      EXPECT_EQ(cls.row(text)[i], tokens.row(begin)[i]);
      EXPECT_EQ(last.row(text)[i], tokens.row(end - 1)[i]);
    }
  }
}

TEST(Embed, NormalizesWhatIsLeftOfTheDimensions) {
  const Model model = tiny();
  const auto texts = some_texts(model);
  for (const std::size_t dimensions : {std::size_t{0}, std::size_t{1}, std::size_t{7}}) {
    const Embeddings plain = embed(model, texts, {.pooling = {}, .layer = {}, .dimensions = dimensions, .normalize = false});
    const Embeddings unit = embed(model, texts, {.pooling = {}, .layer = {}, .dimensions = dimensions});
    ASSERT_EQ(unit.width(), dimensions == 0 ? model.width() : dimensions);
    for (std::size_t text = 0; text < texts.size(); ++text) {
      double squares = 0;
      for (const float value : plain.row(text)) squares += static_cast<double>(value) * static_cast<double>(value);
      for (std::size_t i = 0; i < unit.width(); ++i) {
        // Two roundings to f32.
        EXPECT_NEAR(unit.row(text)[i], static_cast<double>(plain.row(text)[i]) / std::sqrt(squares), 1.2e-7);
      }
    }
  }
}

// The layers that the numbers name are the ones of the model: each is what its block adds to the one
// before, and the final norm is that of the last.
TEST(Embed, NamesTheLayersFromTheEmbeddingToTheFinalNorm) {
  const Model model = tiny();
  const auto texts = some_texts(model);
  const std::vector<HiddenLayer> layers = all_layers(model);
  ASSERT_EQ(layers.size(), model.layers() + 2);
  EXPECT_EQ(layers.front(), HiddenLayer(0));
  EXPECT_EQ(layers.back(), std::nullopt);
  const EmbedOptions plain = {.pooling = Pooling::kNone, .layer = {}, .normalize = false};
  const auto vectors = embed_layers(model, texts, layers, plain);
  // Before any block, a token's row is the same wherever it stands.
  const Embeddings alone = embed(model, std::vector<std::vector<TokenId>>{{texts[2][4]}},
                                 {.pooling = Pooling::kNone, .layer = 0, .normalize = false});
  const std::size_t row = vectors[0].first_row(2) + 4;
  EXPECT_TRUE(std::ranges::equal(vectors[0].row(row), alone.row(0)));
  for (std::size_t i = 1; i < layers.size(); ++i) EXPECT_FALSE(std::ranges::equal(vectors[i].row(row), vectors[i - 1].row(row)));
}

TEST(Embed, RefusesWhatDoesNotFitNamingTheText) {
  const Model model = tiny();
  const auto expect = [&](std::vector<std::vector<TokenId>> texts, const EmbedOptions& options, const char* says) {
    try {
      embed(model, texts, options);
      ADD_FAILURE() << "was accepted, should say: " << says;
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::kUsage);
      EXPECT_THAT(error.what(), testing::HasSubstr(says));
    }
  };
  const auto past = static_cast<TokenId>(model.vocabulary());
  expect({{1}, {}}, {}, "texts[1]");
  expect({{1}, {1, past}}, {}, "texts[1]");
  expect({{1}, {1, -1}}, {}, "texts[1]");
  expect({{1}, std::vector<TokenId>(model.context() + 1, 1)}, {}, "longer than the context");
  expect({{1}}, {.pooling = {}, .layer = model.layers() + 1}, "no such layer");
  expect({{1}}, {.pooling = {}, .layer = {}, .dimensions = model.width() + 1}, "fewer dimensions");
  EXPECT_THROW(embed(model, std::vector<std::string>{"a"}), Error);  // no tokenizer
}

TEST(Embed, StartsFromNothingAndTakesText) {
  const Model model = Model::built_in();
  EXPECT_EQ(embed(model, std::vector<std::string>{}).rows(), 0u);
  const Embeddings vectors = embed(model, std::vector<std::string>{"The fox ran.", ""});
  EXPECT_EQ(vectors.rows(), 2u);
  EXPECT_EQ(embedding_ids(model, "").size(), 1u);  // what begins a text
  for (const Pooling pooling : kAll) EXPECT_EQ(pooling_named(name_of(pooling)), pooling);
  EXPECT_FALSE(pooling_named("max"));
}

}  // namespace
}  // namespace kinglet
