// Writing weights: how far they are off, what importance changes, and weights of every magnitude.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "dtype/format.h"
#include "support/oracle.h"
#include "support/weights.h"

namespace kinglet::test {
namespace {

class PackTest : public ::testing::TestWithParam<DType> {
 protected:
  const dtype::Format& format() const { return dtype::format_of(GetParam()); }

  std::vector<float> there_and_back(const std::vector<float>& values,
                                    const float* importance = nullptr) const {
    std::vector<std::byte> blocks(dtype::row_bytes(GetParam(), values.size()));
    format().pack(values.data(), values.size(), importance, blocks.data());
    std::vector<float> back(values.size());
    format().unpack(blocks.data(), values.size(), back.data());
    return back;
  }
};

// Sums of 12 uniform numbers: near enough to normal, and the same everywhere.
std::vector<float> normal_values(std::size_t count, float deviation, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) {
    float sum = 0.0f;
    for (int i = 0; i < 12; ++i) sum += random.uniform(-0.5f, 0.5f);
    value = deviation * sum;
  }
  return values;
}

double squared_error(const std::vector<float>& a, const std::vector<float>& b,
                     const std::vector<float>& importance = {}) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double off = double{a[i]} - double{b[i]};
    sum += (importance.empty() ? 1.0 : double{importance[i]}) * off * off;
  }
  return sum;
}

double relative_error(const std::vector<float>& got, const std::vector<float>& want) {
  return std::sqrt(squared_error(got, want) / squared_error(want, std::vector<float>(want.size())));
}

// Of normal weights, the root of the mean square, and what it may be at most.
double bound_of(DType dtype) {
  switch (dtype) {
    case DType::kQ8_0: return 0.0056;
    case DType::kQ6_K: return 0.0180;
    case DType::kQ5_K: return 0.0360;
    case DType::kQ5_1: return 0.0360;
    case DType::kQ5_0: return 0.0410;
    case DType::kQ4_K: return 0.0730;
    case DType::kQ4_1: return 0.0730;
    case DType::kIQ4_NL: return 0.0750;
    case DType::kQ4_0: return 0.0825;
    case DType::kMXFP4: return 0.1140;
    case DType::kQ3_K: return 0.1470;
    default: return 0.2750;
  }
}

constexpr std::size_t kValues = 32768;

TEST_P(PackTest, NormalWeightsAreOffByNoMoreThanTheBound) {
  for (const float deviation : {0.02f, 1.0f, 300.0f}) {
    const std::vector<float> values = normal_values(kValues, deviation, 3);
    EXPECT_LT(relative_error(there_and_back(values), values), bound_of(GetParam())) << deviation;
  }
}

// What a format holds exactly may get other scales (sub-scales move by a step), but it stays near.
TEST_P(PackTest, WritingWhatWasReadLosesLittle) {
  const std::vector<float> once = there_and_back(normal_values(kValues, 0.05f, 4));
  const std::vector<float> twice = there_and_back(once);
  EXPECT_LT(relative_error(twice, once), 0.4 * bound_of(GetParam()));
}

TEST_P(PackTest, ImportanceLowersTheErrorWhereItIsHigh) {
  if (GetParam() == DType::kQ8_0) GTEST_SKIP() << "q8_0 is nearest rounding whatever counts";
  const std::vector<float> values = normal_values(kValues, 0.05f, 5);
  Random random(6);
  std::vector<float> importance(kValues);
  for (float& value : importance) value = std::pow(random.uniform(0.0f, 1.0f), 4.0f);
  const double plain = squared_error(there_and_back(values), values, importance);
  const double weighted =
      squared_error(there_and_back(values, importance.data()), values, importance);
  EXPECT_LT(weighted, plain);

  // Only how values compare matters; and all alike is the same as none.
  std::vector<float> scaled = importance;
  for (float& value : scaled) value *= 0x1p40f;
  EXPECT_TRUE(same_bits(there_and_back(values, scaled.data()),
                        there_and_back(values, importance.data())));
  const std::vector<float> alike(kValues, 3.0f), none(kValues, 0.0f);
  EXPECT_NEAR(squared_error(there_and_back(values, alike.data()), values),
              squared_error(there_and_back(values), values), 1e-3 * plain);
  EXPECT_TRUE(same_bits(there_and_back(values, none.data()), there_and_back(values)));
}

TEST_P(PackTest, ZerosStayZeros) {
  const std::vector<float> zeros(512);
  for (const float value : there_and_back(zeros)) EXPECT_EQ(value, 0.0f);
}

TEST_P(PackTest, AConstantBlockIsNearlyTheConstant) {
  for (const float constant : {0.037f, -0.037f, 12.5f}) {
    for (const float value : there_and_back(std::vector<float>(512, constant))) {
      EXPECT_NEAR(value, constant, std::fabs(constant) * 0.17f);
    }
  }
}

// Blocks that hold one large value beside small ones, or one value alone.
TEST_P(PackTest, ASingleLargeValueIsKept) {
  for (const float large : {1.0f, -1.0f}) {
    for (std::size_t at = 0; at < 256; at += 37) {
      std::vector<float> values(256);
      values[at] = large;
      const std::vector<float> back = there_and_back(values);
      for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(back[i], values[i], 0.17f) << i;
    }
  }
}

TEST_P(PackTest, AnyMagnitudeStaysFiniteAndNearWhereTheFormatReachesIt) {
  for (int exponent = -149; exponent <= 127; exponent += 4) {
    std::vector<float> values = normal_values(256, 1.0f, 7);
    for (float& value : values) value = std::ldexp(value / 8.0f, exponent);
    const std::vector<float> back = there_and_back(values);
    for (const float value : back) EXPECT_TRUE(std::isfinite(value)) << exponent;
    if (exponent < -3 || exponent > 12) continue;  // f16 scales, some times 1/127^2
    EXPECT_LT(relative_error(back, values), 1.3 * bound_of(GetParam())) << exponent;
  }
}

// The callers refuse such weights; a writer must only not fall over them.
TEST_P(PackTest, NanAndInfinityDoNotCrash) {
  for (const float odd : {std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> values = normal_values(512, 1.0f, 8);
    for (std::size_t i = 0; i < 300; i += 7) values[i] = odd;
    EXPECT_EQ(there_and_back(values).size(), values.size());
    const std::vector<float> all(512, odd);
    EXPECT_EQ(there_and_back(all, values.data()).size(), all.size());
  }
}

// Every bit pattern as a float.
TEST_P(PackTest, AnyBitsDoNotCrash) {
  Random random(9);
  std::vector<float> values(65536), importance(65536);
  for (float& value : values) value = random.any();
  for (float& value : importance) value = random.any();
  EXPECT_EQ(there_and_back(values, importance.data()).size(), values.size());
}

// A value does not depend on what stands in the blocks beside its own.
TEST_P(PackTest, BlocksAreWrittenEachAlone) {
  const std::vector<float> values = normal_values(1024, 0.1f, 10);
  const std::vector<float> whole = there_and_back(values);
  for (std::size_t at = 0; at < values.size(); at += format().block) {
    const auto from = values.begin() + static_cast<std::ptrdiff_t>(at);
    const std::vector<float> block(from, from + static_cast<std::ptrdiff_t>(format().block));
    EXPECT_TRUE(same_bits(there_and_back(block), std::span(whole).subspan(at, format().block)));
  }
}

INSTANTIATE_TEST_SUITE_P(, PackTest, ::testing::ValuesIn(kIntegerFormats),
                         [](const auto& type) { return dtype::name_of(type.param); });

}  // namespace
}  // namespace kinglet::test
