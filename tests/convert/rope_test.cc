// Llama 3's scaling there and back: parameters, divisors, parameters.

#include "convert/rope.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace kinglet::test {
namespace {

struct Case {
  const char* model;
  Llama3Scaling scaling;
  double base;
  std::size_t rotated;
};

// Of the published configurations, and small ones with two frequencies between and one.
const Case kCases[] = {{"Llama 3.1", {8, 1, 4, 8192}, 500000, 128}, {"Llama 3.2", {32, 1, 4, 8192}, 500000, 64},
                       {"two between", {8, 1, 4, 128}, 100, 24},  {"one between", {4, 1, 4, 100}, 10000, 8},
                       {"other bounds", {16, 1, 8, 4096}, 10000, 64}};

TEST(Rope, ParametersComeBackFromTheirDivisors) {
  for (const Case& c : kCases) {
    const auto divisors = divisors_of(c.scaling, c.base, c.rotated);
    const auto found = scaling_of(divisors, c.base);
    ASSERT_TRUE(found) << c.model;
    EXPECT_EQ(found->factor, c.scaling.factor) << c.model;
    EXPECT_EQ(found->low, c.scaling.low) << c.model;
    EXPECT_EQ(found->high, c.scaling.high) << c.model;
    EXPECT_EQ(found->original, c.scaling.original) << c.model;
  }
}

TEST(Rope, WhateverComesBackHasTheSameDivisors) {
  const Llama3Scaling scaling = {8, 2, 8, 16384};  // as {8, 1, 4, 8192}
  const auto divisors = divisors_of(scaling, 500000, 128);
  const auto found = scaling_of(divisors, 500000);
  ASSERT_TRUE(found);
  EXPECT_EQ(divisors_of(*found, 500000, 128), divisors);
  EXPECT_EQ(found->original, 8192);

  const auto none_between = divisors_of({8, 1, 4, 128}, 10000, 12);
  ASSERT_TRUE(scaling_of(none_between, 10000));
  EXPECT_EQ(divisors_of(*scaling_of(none_between, 10000), 10000, 12), none_between);
}

TEST(Rope, DivisorsOfAnotherLawHaveNoParameters) {
  EXPECT_FALSE(scaling_of(std::vector<float>(32, 1.0f), 10000));
  EXPECT_FALSE(scaling_of({}, 10000));
  auto divisors = divisors_of({8, 1, 4, 8192}, 500000, 128);
  const auto between = std::ranges::find_if(divisors, [](float d) { return d > 1.01f && d < 7; });
  ASSERT_NE(between, divisors.end());
  *between *= 1.001f;
  EXPECT_FALSE(scaling_of(divisors, 500000));
  EXPECT_FALSE(scaling_of({1, 2, 3, 4}, 10000));
}

}  // namespace
}  // namespace kinglet::test
