// A model block by block gives the bits of the whole one.

#include "runtime/streamed_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <vector>

#include "io/open.h"
#include "kinglet/model.h"
#include "runtime/model_parts.h"

namespace kinglet {
namespace {

const std::filesystem::path kModels = std::filesystem::path(KINGLET_SOURCE_DIR) / "tests/models";
constexpr std::size_t kTokens = 45;

std::vector<TokenId> tokens_for(std::size_t vocabulary) {
  std::vector<TokenId> tokens;
  for (std::size_t i = 0; i < kTokens; ++i) tokens.push_back(static_cast<TokenId>(i * i * 31 % vocabulary));
  return tokens;
}

std::vector<float> whole(const std::filesystem::path& path, std::span<const TokenId> tokens) {
  const Model model = Model::open(path);
  const arch::Model& bound = *model.parts().model;
  Engine engine(bound, 1, tokens.size(), tokens.size());
  nn::KvCache cache(bound.shape(), tokens.size(), nn::CacheType::kF32);
  const nn::SequenceRows sequence = {&cache, tokens.size()};
  std::vector<std::size_t> wanted(tokens.size());
  std::iota(wanted.begin(), wanted.end(), std::size_t{0});
  const Rows logits = engine.forward({.tokens = tokens, .vectors = {}, .sequences = {&sequence, 1}, .wanted = wanted});
  std::vector<float> all;
  for (std::size_t i = 0; i < logits.count; ++i) all.insert(all.end(), logits.row(i), logits.row(i) + logits.width);
  return all;
}

std::vector<float> streamed(const std::filesystem::path& path, std::span<const TokenId> tokens) {
  const io::ModelFile file = io::open_model_file(path);
  StreamedModel model(file.config, *file.tensors, 2, tokens.size());
  std::vector<float> hidden = model.embed(tokens), all;
  const Rows rows = {hidden.data(), tokens.size(), model.shape().width, model.shape().width};
  for (std::size_t layer = 0; layer < model.shape().layers; ++layer) {
    model.load_block(layer);
    model.forward(rows);
  }
  model.load_head();
  for (std::size_t first = 0; first < rows.count; first += StreamedModel::kLogitRows) {
    const std::size_t count = std::min(StreamedModel::kLogitRows, rows.count - first);
    const Rows logits = model.logits(rows.range(first, count));
    for (std::size_t i = 0; i < count; ++i) all.insert(all.end(), logits.row(i), logits.row(i) + logits.width);
  }
  return all;
}

class StreamedModelOf : public ::testing::TestWithParam<const char*> {};

TEST_P(StreamedModelOf, HasTheLogitsOfTheWholeModel) {
  const std::filesystem::path path = kModels / GetParam();
  const std::vector<TokenId> tokens = tokens_for(Model::open(path).vocabulary());
  const std::vector<float> expected = whole(path, tokens), found = streamed(path, tokens);
  ASSERT_EQ(expected.size(), found.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(expected[i], found[i]) << "token " << i / (expected.size() / kTokens);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, StreamedModelOf, ::testing::Values("tiny-llama", "tiny-llama3-rope", "tiny-linear-rope", "tiny-untied-bf16",
                                           "tiny-qwen2", "tiny-qwen2-window", "tiny-mistral-window"));

}  // namespace
}  // namespace kinglet
