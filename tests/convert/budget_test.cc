// Types for a budget against all combinations of small cases.

#include "convert/budget.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace kinglet::test {
namespace {

constexpr DType kTypes[] = {DType::kQ2_K, DType::kQ4_K, DType::kQ6_K, DType::kQ8_0};

std::vector<Sensitivity> random_matrices(std::size_t count, std::mt19937_64& random) {
  std::vector<Sensitivity> matrices;
  for (std::size_t i = 0; i < count; ++i) {
    Sensitivity matrix;
    matrix.name = "matrix " + std::to_string(i);
    std::uint64_t bytes = 1 + random() % 20;
    double kl = 1e-3 * static_cast<double>(1 + random() % 1000);
    for (const DType dtype : kTypes) {
      matrix.choices.push_back({dtype, bytes, kl});
      bytes += random() % 20;
      kl *= 1e-3 * static_cast<double>(random() % 1300);  // a larger type that is worse now and then
    }
    matrices.push_back(std::move(matrix));
  }
  return matrices;
}

struct Best {
  std::uint64_t bytes = 0;
  double kl = std::numeric_limits<double>::infinity();
};

// Of every combination of types that fits into `budget`.
Best best_of_all(std::span<const Sensitivity> matrices, std::uint64_t budget) {
  std::size_t combinations = 1;
  for (std::size_t i = 0; i < matrices.size(); ++i) combinations *= std::size(kTypes);
  Best best;
  for (std::size_t c = 0; c < combinations; ++c) {
    Best found = {0, 0};
    std::size_t rest = c;
    for (const Sensitivity& matrix : matrices) {
      const TypeChoice& choice = matrix.choices[rest % std::size(kTypes)];
      rest /= std::size(kTypes);
      found.bytes += choice.bytes;
      found.kl += choice.kl;
    }
    if (found.bytes <= budget && found.kl < best.kl) best = found;
  }
  return best;
}

// Each matrix's best type where a byte costs so much: together the best that there is of their size.
Best best_at_price(std::span<const Sensitivity> matrices, double price) {
  Best all = {0, 0};
  for (const Sensitivity& matrix : matrices) {
    const auto cost = [&](const TypeChoice& choice) { return choice.kl + price * static_cast<double>(choice.bytes); };
    const auto best = std::ranges::min_element(matrix.choices, {}, cost);
    all.bytes += best->bytes;
    all.kl += best->kl;
  }
  return all;
}

TEST(Budget, IsKeptAndMoreOfItIsNeverWorseThanTheSmallestTypes) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 60; ++round) {
    const auto matrices = random_matrices(1 + random() % 5, random);
    const ChosenTypes smallest = smallest_types(matrices);
    const std::uint64_t least = bytes_of(matrices, smallest);
    for (std::uint64_t budget = least; budget < least + 120; budget += 7) {
      const ChosenTypes types = types_within(matrices, budget);
      ASSERT_EQ(types.size(), matrices.size());
      ASSERT_LE(bytes_of(matrices, types), budget);
      ASSERT_GE(divergence_of(matrices, types), best_of_all(matrices, budget).kl - 1e-12);
      ASSERT_LE(divergence_of(matrices, types), divergence_of(matrices, smallest) + 1e-12);
    }
  }
}

TEST(Budget, IsTheBestOfAllCombinationsWhereAStepEnds) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 60; ++round) {
    const auto matrices = random_matrices(1 + random() % 5, random);
    for (double price = 1; price > 1e-9; price *= 0.7) {
      const Best best = best_at_price(matrices, price);
      const ChosenTypes types = types_within(matrices, best.bytes);
      ASSERT_EQ(bytes_of(matrices, types), best.bytes) << "round " << round << ", price " << price;
      ASSERT_NEAR(divergence_of(matrices, types), best.kl, 1e-12);
      ASSERT_NEAR(best_of_all(matrices, best.bytes).kl, best.kl, 1e-12);
    }
  }
}

TEST(Budget, WithoutRoomEachMatrixHasItsSmallestType) {
  std::vector<Sensitivity> matrices(2);
  matrices[0].name = "a";
  matrices[0].choices = {{DType::kQ2_K, 10, 3}, {DType::kQ8_0, 40, 0}};
  matrices[1].name = "b";
  matrices[1].choices = {{DType::kQ4_K, 20, 1}, {DType::kQ8_0, 40, 0}};
  EXPECT_EQ(types_within(matrices, 0), (ChosenTypes{{"a", DType::kQ2_K}, {"b", DType::kQ4_K}}));
  EXPECT_EQ(bytes_of(matrices, smallest_types(matrices)), 30u);
  // 30 bytes more save 3 for "a" (0.1 each), 20 more save 1 for "b" (0.05 each).
  EXPECT_EQ(types_within(matrices, 60), (ChosenTypes{{"a", DType::kQ8_0}, {"b", DType::kQ4_K}}));
  EXPECT_EQ(types_within(matrices, 59), (ChosenTypes{{"a", DType::kQ2_K}, {"b", DType::kQ8_0}}));
  EXPECT_EQ(types_within(matrices, 80), (ChosenTypes{{"a", DType::kQ8_0}, {"b", DType::kQ8_0}}));
}

TEST(Budget, ATypeThatIsLargerAndWorseIsNeverChosen) {
  std::vector<Sensitivity> matrices(1);
  matrices[0].name = "a";
  matrices[0].choices = {{DType::kMXFP4, 17, 5}, {DType::kQ4_0, 18, 6}, {DType::kIQ4_NL, 18, 4}};
  EXPECT_EQ(types_within(matrices, 18).at("a"), DType::kIQ4_NL);
  EXPECT_EQ(types_within(matrices, 17).at("a"), DType::kMXFP4);
}

}  // namespace
}  // namespace kinglet::test
