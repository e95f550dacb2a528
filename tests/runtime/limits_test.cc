// The limits: measured ones are sane, and the file that keeps them is as if absent whenever something
// is wrong with it.

#include "runtime/limits.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "../support/temp_dir.h"
#include "kernels/dispatch.h"

namespace kinglet {
namespace {

Limits some_limits(std::size_t threads = 2) {
  return {.host = {"A \"Processor\" \xC3\xA9", "avx2", "1.2.3", 4, threads},
          .memory_gbps = 20.5,
          .cache_gbps = 100.25,
          .cache_bytes = 32u << 20,
          .float_gflops = 200,
          .bfloat_gflops = 300,
          .int8_gops = 400.125};
}

TEST(LimitsFile, GivesBackWhatWasStoredForTheSameHostOnly) {
  const test::TempDir dir;
  const auto file = dir / "new/folders/limits.json";
  ASSERT_TRUE(store_limits(file, some_limits(2)));
  ASSERT_TRUE(store_limits(file, some_limits(3)));
  const Limits stored = some_limits(2);
  const auto found = load_limits(file, stored.host);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->host, stored.host);
  EXPECT_EQ(found->memory_gbps, stored.memory_gbps);
  EXPECT_EQ(found->cache_gbps, stored.cache_gbps);
  EXPECT_EQ(found->cache_bytes, stored.cache_bytes);
  EXPECT_EQ(found->float_gflops, stored.float_gflops);
  EXPECT_EQ(found->bfloat_gflops, stored.bfloat_gflops);
  EXPECT_EQ(found->int8_gops, stored.int8_gops);

  Limits::Host other = stored.host;
  other.version = "1.2.4";
  EXPECT_FALSE(load_limits(file, other));
  other = stored.host;
  other.isa = "sse2";
  EXPECT_FALSE(load_limits(file, other));
}

TEST(LimitsFile, ReplacesWhatItHasForAHost) {
  const test::TempDir dir;
  const auto file = dir / "limits.json";
  Limits limits = some_limits();
  ASSERT_TRUE(store_limits(file, limits));
  limits.memory_gbps = 30;
  ASSERT_TRUE(store_limits(file, limits));
  EXPECT_EQ(load_limits(file, limits.host)->memory_gbps, 30);
  EXPECT_EQ(nlohmann::json::parse(test::read_file(file))["hosts"].size(), 1u);
}

TEST(LimitsFile, IsAsIfAbsentWhenDamagedAndIsReplaced) {
  const test::TempDir dir;
  const auto file = dir / "limits.json";
  const Limits limits = some_limits();
  ASSERT_TRUE(store_limits(file, limits));
  const std::string whole = test::read_file(file);
  for (std::size_t cut = 0; cut + 2 < whole.size(); cut += 7) {
    dir.write("limits.json", whole.substr(0, cut));
    EXPECT_FALSE(load_limits(file, limits.host)) << cut;
  }
  for (const char* text : {"[]", "null", "{\"hosts\": 3}", "{\"hosts\": {\"a\": 1}}", "{\"hosts\": [1, null, {}]}"}) {
    dir.write("limits.json", text);
    EXPECT_FALSE(load_limits(file, limits.host)) << text;
  }
  for (const char* key : {"memory_gbps", "float_gflops", "bfloat_gflops", "int8_gops", "cache_gbps"}) {
    for (const char* value : {"0", "-1", "\"fast\"", "1e999"}) {
      auto document = nlohmann::json::parse(whole);
      document["hosts"][0][key] = nlohmann::json::parse(value, nullptr, false);
      dir.write("limits.json", document.dump());
      EXPECT_FALSE(load_limits(file, limits.host)) << key << ' ' << value;
    }
  }
  ASSERT_TRUE(store_limits(file, limits));
  EXPECT_TRUE(load_limits(file, limits.host));
}

TEST(LimitsFile, ThatCannotBeReadOrWrittenIsNoError) {
  const test::TempDir dir;
  const auto blocked = dir.write("a-file", "") / "limits.json";
  EXPECT_FALSE(store_limits(blocked, some_limits()));
  EXPECT_FALSE(load_limits(blocked, some_limits().host));
  EXPECT_FALSE(store_limits({}, some_limits()));
  EXPECT_FALSE(load_limits({}, some_limits().host));
  EXPECT_FALSE(load_limits(dir.path(), some_limits().host));  // a directory
}

TEST(Limits, AreAllMeasuredAndThenKnown) {
  const test::TempDir dir;
  const auto file = dir / "limits.json";
  const Limits limits = known_limits(file, 2);
  EXPECT_EQ(limits.host, limits_host(2));
  for (const double rate : {limits.memory_gbps, limits.float_gflops, limits.bfloat_gflops, limits.int8_gops}) {
    EXPECT_TRUE(std::isfinite(rate));
    EXPECT_GT(rate, 0);
  }
  EXPECT_EQ(limits.cache_gbps > 0, limits.cache_bytes > 0);

  Limits marked = limits;
  marked.memory_gbps = 1234;
  ASSERT_TRUE(store_limits(file, marked));
  EXPECT_EQ(known_limits(file, 2).memory_gbps, 1234);  // not measured again
}

// A loop that the compiler has made shorter would rate the machine too high: the sums show that all
// of it ran. fma: every sum has gone to one, so they add up to their number; bytes: products cancel; bf16: each
// round adds the same.
TEST(Peaks, GiveTheSumsOfTheWholeLoopOnEveryLevel) {
  for (const kernels::Table* table : kernels::available()) {
    const kernels::Peaks& peaks = table->peaks;
    const auto sums = static_cast<float>(peaks.fma.operations / 2);
    EXPECT_EQ(peaks.fma.run(100), sums) << table->isa;
    EXPECT_NE(peaks.fma.run(3), sums) << table->isa;
    EXPECT_EQ(peaks.dot_int8.run(101), peaks.dot_int8.run(0)) << table->isa;
    if (peaks.dot_bfloat.run != nullptr) {  // 24 sums that begin with their number; 3/8 a round
      EXPECT_EQ(peaks.dot_bfloat.run(100), 24 * 23 / 2 + 24 * 100 * 0.375f) << table->isa;
    }

    std::vector<float> x(640);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
    EXPECT_EQ(peaks.read(x.data(), x.size()), 640.0f * 639 / 2) << table->isa;
  }
}

}  // namespace
}  // namespace kinglet
