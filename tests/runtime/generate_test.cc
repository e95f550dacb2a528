// The run as a whole: what it evaluates, when it ends, and that nothing about how it is carried out
// changes a bit (numerics contract). The published text of stories260K is the oracle for a real
// model; the tiny models of tests/models stand in where it is not there.

#include "kinglet/generate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <numeric>
#include <random>
#include <sstream>

#include "kinglet/error.h"

namespace kinglet {
namespace {

const std::filesystem::path kSource = KINGLET_SOURCE_DIR;
const std::filesystem::path kStories = kSource / "../shared/data/models/stories260K";

Model tiny(const char* name = "tiny-llama") { return Model::open(kSource / "tests/models" / name); }

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

Request request_of(std::vector<TokenId> prompt, std::size_t tokens, float temperature = 0) {
  Request request;
  request.prompt = std::move(prompt);
  request.tokens = tokens;
  request.sampling.temperature = temperature;
  request.ignore_end_ids = true;
  return request;
}

std::vector<TokenId> counting(std::size_t count) {
  std::vector<TokenId> ids(count);
  std::iota(ids.begin(), ids.end(), 1);
  return ids;
}

TEST(Generate, EvaluatesThePromptAndAllNewTokensButTheLast) {
  const Model model = tiny();
  const Generated generated =
      generate(model, {request_of(counting(5), 3)}, {.digest = true});
  EXPECT_EQ(generated.results[0].ids.size(), 3u);
  EXPECT_EQ(generated.results[0].positions, 5u + 3u - 1u);
  EXPECT_EQ(generated.results[0].finish, Finish::kLength);
}

TEST(Generate, EvaluatesOnlyThePromptWhenNoTokensAreWanted) {
  const Model model = tiny();
  const Generated generated = generate(model, {request_of(counting(5), 0)}, {.digest = true});
  EXPECT_TRUE(generated.results[0].ids.empty());
  EXPECT_EQ(generated.results[0].positions, 5u);
}

TEST(Generate, GivesTheSameBitsForEveryThreadCountChunkAndCompany) {
  const Model model = tiny();
  std::vector<Request> requests;
  for (std::size_t i = 0; i < 5; ++i) {
    requests.push_back(request_of(counting(3 + 7 * i), 6 + i, i % 2 == 0 ? 0.0f : 1.0f));
    requests.back().sampling.seed = 100 + i;
  }
  std::vector<Result> alone;
  for (const Request& request : requests) {
    alone.push_back(
        generate(model, {request}, {.threads = 1, .chunk = 512, .digest = true}).results[0]);
  }
  std::mt19937 random(3);
  for (int trial = 0; trial < 12; ++trial) {
    const GenerateOptions options = {.threads = 1 + random() % 3,
                                     .chunk = 1 + random() % 20,
                                     .sequences = 1 + random() % 5,
                                     .digest = true};
    const Generated together = generate(model, requests, options);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      EXPECT_EQ(together.results[i].digest, alone[i].digest)
          << "sequence " << i << ", threads " << options.threads << ", chunk " << options.chunk
          << ", side by side " << options.sequences;
      EXPECT_EQ(together.results[i].ids, alone[i].ids) << "sequence " << i;
    }
  }
}

TEST(Generate, DigestDependsOnTheTokensAndTheCache) {
  const Model model = tiny();
  const auto digest = [&](std::vector<TokenId> ids, CacheKind cache) {
    return generate(model, {request_of(std::move(ids), 0)}, {.cache = cache, .digest = true})
        .results[0]
        .digest;
  };
  const std::string base = digest({1, 2, 3}, CacheKind::kF16);
  EXPECT_NE(base, digest({1, 2, 4}, CacheKind::kF16));
  EXPECT_NE(base, digest({1, 2, 3}, CacheKind::kF32));
  EXPECT_NE(base, digest({1, 2, 3}, CacheKind::kQ8_0));
  EXPECT_THAT(base, testing::MatchesRegex("1:[0-9a-f]+"));
  EXPECT_EQ(base.size(), 2u + 64u);
}

TEST(Generate, StopsAtTheContextsEnd) {
  const Model model = tiny();
  const Generated generated = generate(model, {request_of(counting(5), 100)}, {.context = 8});
  EXPECT_EQ(generated.results[0].finish, Finish::kContext);
  EXPECT_EQ(generated.results[0].ids.size(), 3u);
}

TEST(Generate, StopsWhenInterruptedAndKeepsWhatThereIs) {
  const Model model = tiny();
  int asked = 0;
  Watch watch;
  watch.is_interrupted = [&] { return ++asked > 4; };
  const Generated generated =
      generate(model, {request_of(counting(2), 50), request_of(counting(2), 50)},
               {.sequences = 1}, watch);
  EXPECT_EQ(generated.results[0].finish, Finish::kInterrupted);
  EXPECT_EQ(generated.results[0].ids.size(), 4u);
  EXPECT_EQ(generated.results[1].finish, Finish::kInterrupted);
}

TEST(Generate, RefusesRequestsThatDoNotFitBeforeAnyWork) {
  const Model model = tiny();
  const auto message = [&](Request request, GenerateOptions options) -> std::string {
    try {
      generate(model, {std::move(request)}, options);
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::kUsage);
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(message(request_of({}, 1), {}), testing::HasSubstr("empty"));
  EXPECT_THAT(message(request_of(counting(9), 1), {.context = 8}),
              testing::AllOf(testing::HasSubstr("9"), testing::HasSubstr("8")));
  EXPECT_THAT(message(request_of({-1}, 1), {}), testing::HasSubstr("-1"));
  EXPECT_THAT(message(request_of({static_cast<TokenId>(model.vocabulary())}, 1), {}),
              testing::HasSubstr("vocabulary"));
}

TEST(Generate, BuiltInModelContinuesATale) {
  const Model model = Model::built_in();
  ASSERT_NE(model.tokenizer(), nullptr);
  Request request = request_of(model.tokenizer()->encode("Once upon a time"), 40);
  const Result result = generate(model, {request}).results[0];
  EXPECT_EQ(result.ids.size(), 40u);
  EXPECT_GT(result.text.size(), 40u);
  // Plain words, spaces between them: what an untrained or misread model does not write.
  EXPECT_GT(std::count(result.text.begin(), result.text.end(), ' '), 15);
}

class Stories : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kStories)) GTEST_SKIP() << "needs stories260K in ../shared";
  }
};

// The text is the model author's own, made with an f32 cache; the f16 cache leads to the same.
TEST_P(Stories, WritesThePublishedText) {
  const Model model = Model::open(kStories / GetParam());
  Request request = request_of({1}, 200);
  request.ignore_end_ids = false;
  for (const CacheKind cache : {CacheKind::kF32, CacheKind::kF16}) {
    const Result result = generate(model, {request}, {.cache = cache, .context = 512}).results[0];
    EXPECT_EQ(result.text, content_of(kStories / "greedy200.txt"));
  }
}

TEST_P(Stories, HasOneDigestInAllItsFormats) {
  const auto digest = [](const char* file) {
    return generate(Model::open(kStories / file), {request_of({1}, 60)},
                    {.cache = CacheKind::kF32, .digest = true})
        .results[0]
        .digest;
  };
  EXPECT_EQ(digest(GetParam()), digest("stories260K.bin"));
}

INSTANTIATE_TEST_SUITE_P(, Stories, testing::Values("stories260K.bin", "stories260K.gguf"),
                         [](const auto& file) {
                           return std::string(file.param).substr(12);
                         });

}  // namespace
}  // namespace kinglet
