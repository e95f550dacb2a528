// The benchmark's arithmetic, and that it runs what it says it runs.

#include "runtime/bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "kinglet/error.h"
#include "runtime/bench_matmul.h"

namespace kinglet {
namespace {

const std::filesystem::path kTiny = std::filesystem::path(KINGLET_SOURCE_DIR) / "tests/models/tiny-llama";

TEST(Summary, IsMeanSampleDeviationAndMedian) {
  const Summary four = summary_of({4, 1, 3, 8});
  EXPECT_DOUBLE_EQ(four.mean, 4);
  EXPECT_DOUBLE_EQ(four.deviation, std::sqrt((0.0 + 9 + 1 + 16) / 3));
  EXPECT_DOUBLE_EQ(four.median, 3.5);
  const Summary one = summary_of({2});
  EXPECT_DOUBLE_EQ(one.mean, 2);
  EXPECT_DOUBLE_EQ(one.deviation, 0);
  EXPECT_DOUBLE_EQ(one.median, 2);
}

TEST(Bench, HasARowForEachSizeAtEachDepth) {
  std::vector<std::string> names;
  for (const BenchTest& test : tests_of({.prompt = {8, 0, 16}, .generate = {4}, .depth = {0, 32},
                                         .threads = {1}, .batch = {8}, .repetitions = {1}})) {
    names.push_back(test.name());
  }
  EXPECT_THAT(names, testing::ElementsAre("pp8", "pp16", "tg4", "pp8 @ d32", "pp16 @ d32", "tg4 @ d32"));
}

TEST(Bench, TimesEveryRepetitionAndCountsItsPasses) {
  const Model model = Model::open(kTiny);
  Bench bench(model);
  const auto prompt = bench.run({.prompt = 9, .depth = 5, .batch = 4, .repetitions = 3}, {});
  ASSERT_TRUE(prompt);
  EXPECT_EQ(prompt->seconds.size(), 3u);
  EXPECT_EQ(prompt->passes, 3u);  // 4 + 4 + 1
  const auto generated = bench.run({.generate = 6, .depth = 11, .threads = 2, .repetitions = 2}, {});
  ASSERT_TRUE(generated);
  EXPECT_EQ(generated->seconds.size(), 2u);
  EXPECT_EQ(generated->passes, 6u);
  EXPECT_GT(generated->cost.weight_bytes, prompt->cost.weight_bytes);  // six readings against three
  for (const double seconds : generated->seconds) EXPECT_GT(seconds, 0);
}

TEST(Bench, EndsBetweenTwoPassesWhenInterrupted) {
  const Model model = Model::open(kTiny);
  int asked = 0;
  EXPECT_FALSE(Bench(model).run({.generate = 6, .repetitions = 2}, [&] { return ++asked == 4; }));
  EXPECT_EQ(asked, 4);
}

TEST(BenchMatmul, WaysAgreeAndAreNamed) {
  for (const char* type : {"f32", "bf16", "q8_0", "q4_0"}) {
    const std::vector<MatmulSize> sizes = matmul_sizes(type, kTiny, std::vector<std::size_t>{3});
    EXPECT_EQ(sizes[0].out, 100u);
    // Bytes for activations: half a step of 1/127 of each block's largest in every factor.
    const double tolerance = std::string(type).starts_with('q') ? 2e-2 : 1e-5;
    for (const MatmulWay& way : bench_matmul(sizes[0], 2)) {
      EXPECT_GT(way.gflops, 0) << type << ' ' << way.name;
      EXPECT_LE(way.difference, tolerance) << type << ' ' << way.name;
    }
  }
  EXPECT_GT(matmul_sizes("f32", kTiny, std::vector<std::size_t>{3}).size(), 3u);
  EXPECT_THROW(matmul_sizes("q9_9", {}, {}), Error);
}

}  // namespace
}  // namespace kinglet
