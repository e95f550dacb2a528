// A run with the clock on: the same bits, no time that is lost, and counts that are those of the model.

#include "runtime/profile.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <numeric>

#include "runtime/cache_type.h"
#include "runtime/model_parts.h"

namespace kinglet {
namespace {

const std::filesystem::path kModels = std::filesystem::path(KINGLET_SOURCE_DIR) / "tests/models";

// Never reached, so that the limits are what is said here.
Limits fake_limits(std::size_t threads) {
  return {.host = {.cpu = "a processor", .isa = "avx", .version = "1", .cores = 1, .threads = threads},
          .memory_gbps = 1e6, .cache_gbps = 1e7, .cache_bytes = 1, .float_gflops = 1e8,
          .bfloat_gflops = 1e8, .int8_gops = 1e8};
}

Request request_of(std::size_t prompt, std::size_t tokens) {
  Request request;
  request.prompt.resize(prompt);
  std::iota(request.prompt.begin(), request.prompt.end(), 1);
  request.tokens = tokens;
  request.sampling.seed = 5;
  request.ignore_end_ids = true;
  return request;
}

std::map<std::string, Profile::Operation> by_name(const Profile::Phase& phase) {
  std::map<std::string, Profile::Operation> operations;
  for (const Profile::Operation& operation : phase.operations) operations[operation.name] = operation;
  return operations;
}

TEST(Profile, ChangesNoBit) {
  for (const char* name : {"tiny-llama", "tiny-qwen2-window", "tiny-untied-bf16"}) {
    const Model model = Model::open(kModels / name);
    for (const std::size_t threads : {0u, 1u, 2u, 3u}) {
      const GenerateOptions options = {.threads = threads, .chunk = 7, .digest = true, .draft_ngram = threads};
      const Request request = request_of(20, 12);
      const Result plain = generate(model, {request}, options).results.front();
      const Profile profile = kinglet::profile(model, request, options, {}, fake_limits);
      EXPECT_EQ(profile.generated.results.front().digest, plain.digest) << name << ' ' << threads;
      EXPECT_EQ(profile.generated.results.front().ids, plain.ids) << name << ' ' << threads;
    }
  }
}

TEST(Profile, OperationsAddUpToThePassesByTheRunsOwnClock) {
  const Model model = Model::built_in();
  for (const std::size_t threads : {1u, 2u}) {
    const Profile profile =
        kinglet::profile(model, request_of(40, 60), {.threads = threads, .chunk = 16}, {}, fake_limits);
    ASSERT_EQ(profile.phases.size(), 2u);
    for (const Profile::Phase& phase : profile.phases) {
      double sum = 0, layers = 0, outside = 0;
      for (const Profile::Operation& operation : phase.operations) {
        sum += operation.seconds;
        EXPECT_GE(operation.wait_share(), 0);
        EXPECT_LE(operation.wait_share(), 1);
        EXPECT_GE(operation.imbalance(), 1 - 1e-9);
      }
      for (const Profile::Layer& layer : phase.layers) layers += layer.seconds;
      for (const char* name : {"gather", "start", "embed", "final_norm", "head", "join", "check", "sample"}) {
        outside += by_name(phase).at(name).seconds;
      }
      EXPECT_GE(sum, 0.97 * phase.seconds) << phase.name;
      EXPECT_LE(sum, phase.seconds) << phase.name;
      EXPECT_NEAR(sum, layers + outside, 1e-9 * sum);  // no step of a layer is missing from its line
      EXPECT_DOUBLE_EQ(sum, phase.total.seconds);
    }
  }
}

TEST(Profile, CountsWhatAModelOfThisShapeReadsAndComputes) {
  const Model model = Model::open(kModels / "tiny-untied-bf16");
  const arch::Model& parts = *model.parts().model;
  const std::size_t layers = parts.shape().layers;
  for (const CacheKind cache : {CacheKind::kF16, CacheKind::kF32, CacheKind::kQ8_0}) {
    const Profile profile = kinglet::profile(model, request_of(11, 5), {.cache = cache, .threads = 2, .chunk = 4},
                                             {}, fake_limits);
    ASSERT_EQ(profile.phases.size(), 2u);
    EXPECT_EQ(profile.phases[0].passes, 3u);  // 4 + 4 + 3
    EXPECT_EQ(profile.phases[0].tokens, 11u);
    EXPECT_EQ(profile.phases[1].passes, 4u);  // the last token is not evaluated
    EXPECT_EQ(profile.phases[1].tokens, 4u);

    // The count for whole passes, which is made from the model's sizes alone. Embeddings are not in it.
    Cost prefill = cost_of(parts, {4, 0, 0}, cache_type(cache));
    prefill += cost_of(parts, {4, 4, 0}, cache_type(cache));
    prefill += cost_of(parts, {3, 8, 1}, cache_type(cache));
    Cost decode;
    for (std::size_t past = 11; past < 15; ++past) decode += cost_of(parts, {1, past, 1}, cache_type(cache));

    for (const Profile::Phase& phase : profile.phases) {
      const auto operations = by_name(phase);
      for (const char* name : {"attn_norm", "qkv", "rope_store", "attention", "attn_out", "mlp_norm", "gate_up",
                               "mlp_act", "mlp_out"}) {
        EXPECT_EQ(operations.at(name).calls, layers * phase.passes) << name;
      }
      for (const char* name : {"gather", "start", "embed", "join", "check", "sample"}) {
        EXPECT_EQ(operations.at(name).calls, phase.passes) << name;
      }
      for (const char* name : {"final_norm", "head"}) {  // in the passes that want logits
        EXPECT_EQ(operations.at(name).calls, phase.name == "prefill" ? 1 : phase.passes) << name;
      }
      const Cost& want = phase.name == "prefill" ? prefill : decode;
      double weights = 0, multiplied = operations.at("attention").cost.float_operations;
      for (const char* name : {"qkv", "attn_out", "gate_up", "mlp_out", "head"}) {
        const Cost& cost = operations.at(name).cost;
        weights += cost.weight_bytes;
        multiplied += cost.operations();
      }
      const double width = static_cast<double>(parts.shape().width * layers * phase.tokens);
      EXPECT_EQ(weights, want.weight_bytes);  // passes that want no logits read no head
      EXPECT_EQ(multiplied - 2 * width, want.operations());  // two additions to the residual stream
      EXPECT_EQ(operations.at("attention").cost.cache_bytes, want.cache_bytes);
      EXPECT_EQ(operations.at("qkv").kernel, "bf16");
      EXPECT_EQ(operations.at("attention").kernel, std::string(name_of(cache)) + " cache");
    }
  }
}

TEST(Profile, HasAThreadsLapsInOrderWithItsWaitsInThem) {
  const Model model = Model::open(kModels / "tiny-llama");
  const Profile profile = kinglet::profile(model, request_of(9, 6), {.threads = 3}, {}, fake_limits);
  ASSERT_EQ(profile.recorded, 6u);
  for (std::size_t i = 0; i < profile.recorded; ++i) {
    const nn::Recorder::Pass pass = profile.recorder->pass(i);
    ASSERT_FALSE(pass.members.empty());
    for (const nn::Recorder::Part& member : pass.members) {
      std::int64_t before = member.begin;
      for (const nn::Lap& lap : member.laps) {
        EXPECT_LE(before, lap.end);
        before = lap.end;
      }
      EXPECT_LE(before, pass.end);
      std::size_t inside = 0;
      for (const Wait& wait : member.waits) {
        std::int64_t begin = member.begin;
        for (const nn::Lap& lap : member.laps) {
          inside += begin <= wait.begin && wait.end <= lap.end;
          begin = lap.end;
        }
      }
      EXPECT_EQ(inside, member.waits.size());
    }
  }
}

TEST(Profile, KeepsThePassesThatThereIsRoomForAndRunsToTheEnd) {
  const Model model = Model::open(kModels / "tiny-llama");
  const GenerateOptions options = {.threads = 2, .digest = true};
  nn::Recorder recorder({.threads = 2, .passes = 3, .steps = 64, .sequences = 1});
  Watch watch;
  watch.recorder = &recorder;
  const Result result = generate(model, {request_of(4, 8)}, options, watch).results.front();
  EXPECT_EQ(recorder.size(), 3u);
  EXPECT_EQ(recorder.begun(), 8u);
  EXPECT_EQ(result.digest, generate(model, {request_of(4, 8)}, options).results.front().digest);

  nn::Recorder tight({.threads = 2, .passes = 3, .steps = 2, .sequences = 1});  // not even one pass
  watch.recorder = &tight;
  EXPECT_EQ(generate(model, {request_of(4, 8)}, options, watch).results.front().digest, result.digest);
  EXPECT_EQ(tight.size(), 0u);
}

}  // namespace
}  // namespace kinglet
