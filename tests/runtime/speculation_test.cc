// Generating with a draft is generating: the same tokens, text, end and digest as without one, the
// oracle, whatever the model, the sampling, the company and the shape of the passes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "kinglet/error.h"
#include "kinglet/generate.h"
#include "support/temp_dir.h"

namespace kinglet {
namespace {

const std::filesystem::path kModels =
    std::filesystem::path(KINGLET_SOURCE_DIR) / "tests/models";

class Chance {
 public:
  explicit Chance(unsigned seed) : random_(seed) {}
  std::size_t below(std::size_t n) { return random_() % n; }
  bool one_in(std::size_t n) { return below(n) == 0; }
  template <class T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[below(values.size())];
  }

 private:
  std::mt19937 random_;
};

// Few different tokens and copied pieces, so that there is something to look up.
std::vector<TokenId> random_prompt(Chance& chance, const Model& model, std::size_t longest) {
  std::vector<TokenId> ids = {static_cast<TokenId>(chance.below(model.vocabulary()))};
  const std::size_t length = 1 + chance.below(longest);
  while (ids.size() < length) {
    if (chance.one_in(3)) {
      ids.push_back(static_cast<TokenId>(chance.below(model.vocabulary())));
    } else {
      ids.push_back(ids[ids.size() - 1 - chance.below(std::min<std::size_t>(ids.size(), 9))]);
    }
  }
  return ids;
}

SamplerOptions random_sampling(Chance& chance, const Model& model) {
  SamplerOptions sampling;
  sampling.temperature = chance.one_of({0.0f, 0.0f, 0.2f, 1.0f});
  sampling.top_k = chance.one_of({0, 0, 5});
  sampling.top_p = chance.one_of({1.0f, 0.95f, 0.5f});
  sampling.min_p = chance.one_of({0.0f, 0.1f});
  sampling.repeat_penalty = chance.one_of({1.0f, 1.0f, 1.3f, 0.7f});  // 0.7 makes it repeat
  sampling.presence_penalty = chance.one_of({0.0f, 0.0f, 0.5f});
  sampling.frequency_penalty = chance.one_of({0.0f, 0.0f, 0.2f, -0.5f});
  // Text of a few tokens, in a pattern where it is greedy: drafts that are right and wrong.
  for (std::size_t favoured = chance.below(4); favoured > 0; --favoured) {
    sampling.logit_bias.emplace_back(static_cast<TokenId>(chance.below(model.vocabulary())),
                                     chance.one_of({7.0f, 20.0f}));
  }
  sampling.seed = chance.below(1000);
  return sampling;
}

struct Seen {  // what a watcher saw of one sequence
  std::vector<TokenId> ids;
  std::string text;
};

struct Watched {
  Generated generated;
  std::vector<Seen> seen;
};

Watched generate_watched(const Model& model, const std::vector<Request>& requests,
                         const GenerateOptions& options) {
  Watched watched = {{}, std::vector<Seen>(requests.size())};
  Watch watch;
  watch.on_token = [&](std::size_t index, TokenId id, std::string_view text) {
    watched.seen[index].ids.push_back(id);
    watched.seen[index].text += text;
  };
  watched.generated = generate(model, requests, options, watch);
  return watched;
}

struct Counts {
  std::size_t drafted = 0, accepted = 0;
};

// One trial: a few requests without a draft, each by itself, and with one, together.
void expect_the_same(Chance& chance, const Model& model, std::size_t longest_prompt,
                     Counts& counts) {
  const auto cache = chance.one_of({CacheKind::kF16, CacheKind::kF32, CacheKind::kQ8_0});
  GenerateOptions options = {.cache = cache,
                             .context = chance.one_in(2) ? 0 : longest_prompt + chance.below(24),
                             .threads = 1,
                             .chunk = 512,
                             .digest = chance.below(4) > 0};
  std::vector<Request> requests(1 + chance.below(4));
  std::vector<Seen> seen;
  std::vector<Result> alone;
  for (Request& request : requests) {
    request.prompt = random_prompt(chance, model, longest_prompt);
    request.tokens = chance.one_of<std::size_t>({0, 1, 20, 60, 60, 60});
    request.sampling = random_sampling(chance, model);
    request.ignore_end_ids = chance.below(3) > 0;
    Watched plain = generate_watched(model, {request}, options);
    const std::string text = plain.generated.results[0].text;
    if (chance.one_in(2) && text.size() > 12) {  // a stop string that does come up
      request.stops = {text.substr(4 + chance.below(text.size() - 8), 1 + chance.below(4))};
      plain = generate_watched(model, {request}, options);
    }
    alone.push_back(plain.generated.results[0]);
    seen.push_back(plain.seen[0]);
  }
  options.threads = chance.one_of<std::size_t>({1, 1, 1, 1, 1, 2});
  options.chunk = chance.one_of<std::size_t>({1, 2, 3, 6, 17, 128, 128});
  options.sequences = 1 + chance.below(4);
  options.draft_ngram = 1 + chance.below(5);
  const Watched drafted = generate_watched(model, requests, options);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Result& result = drafted.generated.results[i];
    EXPECT_EQ(result.ids, alone[i].ids);
    EXPECT_EQ(result.text, alone[i].text);
    EXPECT_EQ(result.finish, alone[i].finish);
    EXPECT_EQ(result.digest, alone[i].digest);
    EXPECT_EQ(result.positions, alone[i].positions);
    EXPECT_EQ(drafted.seen[i].ids, seen[i].ids);
    EXPECT_EQ(drafted.seen[i].text, seen[i].text);
    EXPECT_LE(result.accepted, result.drafted);
    counts.drafted += result.drafted;
    counts.accepted += result.accepted;
  }
}

// Seen to fail where the cache is not cut, where the logits of wrong tokens are hashed, and where
// any draft is accepted.
class Speculation : public testing::TestWithParam<const char*> {};

TEST_P(Speculation, ChangesNothingThatComesOut) {
  const std::string name = GetParam();
  const bool is_tiny = name.starts_with("tiny");
  const Model model = is_tiny ? Model::open(kModels / name) : Model::built_in();
  Counts counts;
  for (unsigned seed = 0; seed < (is_tiny ? 40u : 12u); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Chance chance(seed);
    expect_the_same(chance, model, 24, counts);
    if (HasFailure()) return;
  }
  // Else the test says nothing.
  EXPECT_GT(counts.accepted, 50u);
  EXPECT_GT(counts.drafted, counts.accepted);
}

INSTANTIATE_TEST_SUITE_P(, Speculation,
                         testing::Values("tiny-llama", "tiny-llama3-rope", "tiny-mistral-window",
                                         "tiny-qwen2-window", "tiny-untied-bf16", "built-in"),
                         [](const auto& name) {
                           std::string word = name.param;
                           std::replace(word.begin(), word.end(), '-', '_');
                           return word;
                         });

TEST(SpeculationLimits, AnInterruptedRunIsThePrefixOfAWholeOne) {
  const Model model = Model::open(kModels / "tiny-llama");
  Request request;
  request.prompt = {3, 4, 5, 3, 4, 5, 3, 4};
  request.tokens = 50;
  request.sampling.temperature = 0;
  request.ignore_end_ids = true;
  for (int passes = 1; passes < 10; ++passes) {
    int asked = 0;
    Watch watch;
    watch.is_interrupted = [&] { return ++asked > passes; };
    const Result part =
        generate(model, {request}, {.digest = true, .draft_ngram = 3}, watch).results[0];
    Request shorter = request;
    shorter.tokens = part.ids.size();
    const Result whole = generate(model, {shorter}, {.digest = true}).results[0];
    EXPECT_EQ(part.ids, whole.ids);
    EXPECT_EQ(part.digest, whole.digest);
  }
}

TEST(SpeculationLimits, RefusesNgramsThatAreTooLong) {
  const Model model = Model::open(kModels / "tiny-llama");
  Request request;
  request.prompt = {1};
  try {
    generate(model, {request}, {.draft_ngram = 17});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kUsage);
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("17"), testing::HasSubstr("16")));
  }
}

TEST(SpeculationLimits, SavesPassesWhereTextRepeats) {
  const Model model = Model::open(kModels / "tiny-llama");
  Request request;
  request.prompt = {7};
  request.tokens = 50;
  request.sampling.temperature = 0;
  request.sampling.logit_bias = {{9, 1000.0f}};
  request.ignore_end_ids = true;
  const Generated generated = generate(model, {request}, {.draft_ngram = 2});
  EXPECT_EQ(generated.results[0].ids, std::vector<TokenId>(50, 9));
  EXPECT_GT(generated.results[0].accepted, 35u);
  EXPECT_EQ(generated.timings.accepted, generated.results[0].accepted);
  EXPECT_EQ(generated.timings.drafted, generated.results[0].drafted);
}

void expect_same_with_draft(const Model& model, const Request& request, Finish finish) {
  const Result plain = generate(model, {request}, {.digest = true}).results[0];
  const Result drafted = generate(model, {request}, {.digest = true, .draft_ngram = 2}).results[0];
  EXPECT_EQ(plain.finish, finish);
  EXPECT_EQ(drafted.finish, plain.finish);
  EXPECT_EQ(drafted.ids, plain.ids);
  EXPECT_EQ(drafted.text, plain.text);
  EXPECT_EQ(drafted.digest, plain.digest);
}

TEST(SpeculationLimits, AnEndTokenEndsTheTextWithinADraft) {
  const Model model = Model::open(kModels / "tiny-llama");
  Request request;
  request.prompt = {9, 9, 9, 9, 9, 9};
  request.tokens = 50;
  request.sampling.temperature = 1;
  request.sampling.top_p = 1;
  request.sampling.logit_bias = {{9, 18.0f}, {2, 15.0f}};  // 9, 9, 9, ... and at some time the end
  std::size_t ends = 0;
  for (request.sampling.seed = 0; ends < 20; ++request.sampling.seed) {
    if (generate(model, {request}).results[0].finish != Finish::kEnd) continue;
    expect_same_with_draft(model, request, Finish::kEnd);
    ++ends;
  }
}

TEST(SpeculationLimits, AStopStringEndsTheTextWithinADraft) {
  const Model model = Model::built_in();
  const TokenId id = model.tokenizer()->encode("dog").back();
  Request request;
  request.prompt = {id, id, id, id, id, id};
  request.tokens = 30;
  request.sampling.temperature = 0;
  request.sampling.logit_bias = {{id, 1000.0f}};
  request.stops = {generate(model, {request}).results[0].text};
  request.tokens = 50;
  expect_same_with_draft(model, request, Finish::kStop);
}

// A copy of a model in which the embedding of one token is infinite.
std::filesystem::path with_infinite_token(const test::TempDir& folder, const char* name,
                                          std::size_t token) {
  const std::filesystem::path copy = folder / "model";
  std::filesystem::copy(kModels / name, copy);
  std::ifstream in(copy / "model.safetensors", std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  in.close();
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  const auto tensor = nlohmann::json::parse(bytes.substr(8, header))["model.embed_tokens.weight"];
  EXPECT_EQ(tensor["dtype"], "F16");
  const std::size_t width = tensor["shape"][1];
  const std::size_t begin = 8 + header + tensor["data_offsets"][0].get<std::size_t>();
  const std::uint16_t infinity = 0x7C00;
  std::memcpy(bytes.data() + begin + token * width * sizeof infinity, &infinity, sizeof infinity);
  std::ofstream(copy / "model.safetensors", std::ios::binary) << bytes;
  return copy;
}

// The token stands in the prompt further back than any window reaches, so it does no harm there;
// what follows it is drafted again, and evaluating that gives no numbers.
TEST(SpeculationLimits, LogitsOfADraftThatAreNotFiniteAreAnErrorOnlyWhereTheTokenIsDrawn) {
  constexpr TokenId kBad = 60;
  const test::TempDir folder;
  const Model model = Model::open(with_infinite_token(folder, "tiny-mistral-window", kBad));
  Request request;
  request.prompt = {10, 11, kBad};
  for (TokenId id = 20; id < 50; ++id) request.prompt.push_back(id);
  request.prompt.push_back(10);
  request.tokens = 8;
  request.ignore_end_ids = true;
  request.sampling.temperature = 0;
  request.sampling.logit_bias = {{11, 1000.0f}};  // 10, 11, 11, ...: the draft says kBad
  const Result plain = generate(model, {request}, {.chunk = 1}).results[0];
  const Result drafted = generate(model, {request}, {.draft_ngram = 2}).results[0];
  EXPECT_EQ(drafted.ids, plain.ids);
  EXPECT_GT(drafted.drafted, drafted.accepted);

  // 10, 11, kBad: the draft is right, and the next pass finds out.
  request.sampling.temperature = 1;
  request.sampling.logit_bias = {{11, 1000.0f}, {kBad, 1000.0f}};
  request.tokens = 2;
  const std::vector<TokenId> wanted = {11, kBad};
  while (generate(model, {request}).results[0].ids != wanted) ++request.sampling.seed;
  request.tokens = 8;
  const auto tokens_and_error = [&](const GenerateOptions& options) {
    std::string said;
    Watch watch;
    watch.on_token = [&](std::size_t, TokenId id, std::string_view) {
      said += std::to_string(id) + " ";
    };
    try {
      generate(model, {request}, options, watch);
    } catch (const Error& error) {
      said += error.what();
    }
    return said;
  };
  EXPECT_THAT(tokens_and_error({}), testing::StartsWith("11 60 logits are not finite at position"));
  EXPECT_EQ(tokens_and_error({.draft_ngram = 2}), tokens_and_error({}));
}

}  // namespace
}  // namespace kinglet
