// The kernels of single rows against rules 5 to 7 of the numerics contract: in plain loops, to the
// bit, and in double precision, within what the roundings cost.

#include "kernels/each_level.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "support/oracle.h"

namespace kinglet::test {
namespace {

// Every length up to four times the lanes and a bit, and a long one that is no multiple of 16.
std::vector<std::size_t> lengths() {
  std::vector<std::size_t> list;
  for (std::size_t n = 1; n <= 67; ++n) list.push_back(n);
  list.push_back(1023);
  return list;
}

// A sum over a row as rule 5 orders it; step(lane, i) takes value i into its lane.
float lane_sum(std::size_t n, const std::function<float(float, std::size_t)>& step) {
  float lane[16] = {};
  for (std::size_t i = 0; i < n; ++i) lane[i % 16] = step(lane[i % 16], i);
  for (std::size_t half = 8; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) lane[i] += lane[i + half];
  }
  return lane[0];
}

float exp_of(float x) {
  float y = 0;
  scalar_table().exp(&x, 1, &y);
  return y;
}

class RowsTest : public EachLevel {};
INSTANTIATE_TEST_SUITE_P(Levels, RowsTest, all_levels(), level_name);

// --- exp --------------------------------------------------------------------------------------

float largest_finite_input() { return std::nextafter(88.72284f, 0.0f); }

TEST_P(RowsTest, ExpOfEveryLimitIsWhatItsHeadSays) {
  const struct {
    float x, want;
  } cases[] = {{0.0f, 1.0f},
               {-0.0f, 1.0f},
               {INFINITY, INFINITY},
               {-INFINITY, 0.0f},
               {NAN, NAN},
               {88.72284f, INFINITY},
               {std::nextafter(88.72284f, 100.0f), INFINITY},
               {89.0f, INFINITY},
               {1e30f, INFINITY},
               {std::nextafter(-87.33654f, -100.0f), 0.0f},
               {-88.0f, 0.0f},
               {-104.0f, 0.0f},
               {-1e30f, 0.0f},
               {0x1p-149f, 1.0f},
               {-0x1p-149f, 1.0f}};
  for (const auto& [x, want] : cases) {
    float got = 0;
    kernels().exp(&x, 1, &got);
    EXPECT_TRUE(same_bits(got, want)) << fmt::format("exp({:a}) is {:a}, want {:a}", x, got, want);
  }
  for (const float x : {-87.33654f, largest_finite_input()}) {
    float got = 0;
    kernels().exp(&x, 1, &got);
    EXPECT_LE(ulp_error(got, std::exp(static_cast<long double>(x))), 1.5) << x;
  }
}

// Every 101st float between the limits, on both sides of zero, and all that lie next to them.
void for_each_exp_input(const std::function<void(const std::vector<float>&)>& use) {
  std::vector<float> x;
  const auto add = [&](float value) {
    x.push_back(value);
    if (x.size() == 4096) {
      use(x);
      x.clear();
    }
  };
  constexpr std::uint32_t kSmallest = 0x2F800000;  // 2^-32: below, exp is 1 or next to it
  for (std::uint32_t bits = kSmallest; bits < std::bit_cast<std::uint32_t>(88.72284f); bits += 101) {
    add(std::bit_cast<float>(bits));
  }
  for (std::uint32_t bits = kSmallest; bits <= std::bit_cast<std::uint32_t>(87.33654f); bits += 101) {
    add(-std::bit_cast<float>(bits));
  }
  for (std::uint32_t i = 0; i < 5000; ++i) {
    add(std::bit_cast<float>(std::bit_cast<std::uint32_t>(largest_finite_input()) - i));
    add(-std::bit_cast<float>(std::bit_cast<std::uint32_t>(87.33654f) - i));
  }
  use(x);
}

TEST(ExpSweepTest, ExpIsWithinOneAndAHalfUlp) {
  double worst = 0;
  float worst_at = 0;
  for_each_exp_input([&](const std::vector<float>& x) {
    std::vector<float> y(x.size());
    scalar_table().exp(x.data(), x.size(), y.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      // The reference in double is 2^29 times finer than what is measured.
      const double error = ulp_error(y[i], std::exp(static_cast<double>(x[i])));
      if (error <= worst) continue;
      worst = error;
      worst_at = x[i];
    }
  });
  EXPECT_LE(worst, 1.5) << fmt::format("at {:a}", worst_at);
  EXPECT_GT(worst, 0.5) << "a measurement that finds no error at all measures nothing";
}

TEST_P(RowsTest, ExpSweepGivesTheBitsOfTheScalarLevel) {
  for_each_exp_input([&](const std::vector<float>& x) {
    std::vector<float> y(x.size()), want(x.size());
    kernels().exp(x.data(), x.size(), y.data());
    scalar_table().exp(x.data(), x.size(), want.data());
    ASSERT_TRUE(same_bits(y, want));
  });
}

TEST_P(RowsTest, ExpOfAnyBitsGivesTheBitsOfTheScalarLevelAtEveryLength) {
  Random random(1);
  for (const std::size_t n : lengths()) {
    std::vector<float> x(n), got(n), want(n);
    for (float& value : x) value = random.any();
    kernels().exp(x.data(), n, got.data());
    scalar_table().exp(x.data(), n, want.data());
    ASSERT_TRUE(same_bits(got, want)) << "length " << n;
  }
}

// --- norm -------------------------------------------------------------------------------------

TEST_P(RowsTest, InverseRmsIsOneOverTheRootOfTheMeanSquare) {
  Random random(2);
  for (const std::size_t n : lengths()) {
    const std::vector<float> x = random.values(n, -3.0f, 3.0f);
    for (const float eps : {0.0f, 1e-6f, 1e-5f}) {
      const float got = kernels().inverse_rms(x.data(), n, eps);
      const float squares =
          lane_sum(n, [&](float lane, std::size_t i) { return std::fma(x[i], x[i], lane); });
      const float want = 1.0f / std::sqrt(squares / static_cast<float>(n) + eps);
      ASSERT_TRUE(same_bits(got, want)) << "length " << n << ": " << got << ", want " << want;

      double sum = 0;
      for (const float value : x) sum += static_cast<double>(value) * value;
      const double exact = 1 / std::sqrt(sum / static_cast<double>(n) + static_cast<double>(eps));
      // All terms are positive: n / 16 + 4 roundings of the sum halve under the root, 5 more follow.
      const double roundings = (static_cast<double>(n) / 16 + 4) / 2 + 5;
      ASSERT_NEAR(got, exact, roundings * kUnit * exact) << "length " << n;
    }
  }
}

TEST_P(RowsTest, InverseRmsOfZerosComesFromEpsilonAlone) {
  const std::vector<float> zeros(40, 0.0f);
  EXPECT_EQ(kernels().inverse_rms(zeros.data(), zeros.size(), 0.25f), 2.0f);
}

TEST_P(RowsTest, ScaleMultipliesByTheFactorFirst) {
  Random random(3);
  for (const std::size_t n : lengths()) {
    const std::vector<float> x = random.values(n), weight = random.values(n);
    std::vector<float> got(n), want(n);
    kernels().scale(x.data(), weight.data(), 0.7f, n, got.data());
    for (std::size_t i = 0; i < n; ++i) want[i] = (x[i] * 0.7f) * weight[i];
    ASSERT_TRUE(same_bits(got, want)) << "length " << n;
  }
}

// --- softmax ----------------------------------------------------------------------------------

TEST_P(RowsTest, SoftmaxFollowsItsDefinitionAtEveryLength) {
  Random random(4);
  for (const std::size_t n : lengths()) {
    const std::vector<float> x = random.values(n, -20.0f, 20.0f);
    std::vector<float> got = x, want(n);
    kernels().softmax(got.data(), n);

    const float top = *std::max_element(x.begin(), x.end());
    for (std::size_t i = 0; i < n; ++i) want[i] = exp_of(x[i] - top);
    const float total = lane_sum(n, [&](float lane, std::size_t i) { return lane + want[i]; });
    for (float& value : want) value /= total;
    ASSERT_TRUE(same_bits(got, want)) << "length " << n;

    std::vector<double> exact(n), tolerance(n);
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += exact[i] = std::exp(double{x[i]} - double{top});
    for (std::size_t i = 0; i < n; ++i) {
      exact[i] /= sum;
      // x - top rounds by up to 40 units, which exp passes on; then exp (3), the sum, the division.
      tolerance[i] = (40 + 3 + static_cast<double>(n) / 16 + 4 + 1) * kUnit * exact[i];
    }
    ASSERT_TRUE(within(got, exact, tolerance)) << "length " << n;
  }
}

TEST_P(RowsTest, SoftmaxIsStableAndKeepsMaskedValuesAtZero) {
  std::vector<float> x = {3e38f, 3e38f, -3e38f, -INFINITY};
  kernels().softmax(x.data(), x.size());
  EXPECT_TRUE(same_bits(x, std::vector<float>{0.5f, 0.5f, 0.0f, 0.0f}));
  std::vector<float> one = {-1e30f};
  kernels().softmax(one.data(), 1);
  EXPECT_EQ(one[0], 1.0f);
}

// In double, from the same floats.
TEST_P(RowsTest, ExponentialsAreTheSumsOfTheDefinition) {
  Random random(5);
  for (std::size_t n : {1, 2, 15, 16, 17, 255, 256, 257, 600, 4099, 49152}) {
    std::vector<float> x = random.values(n, -12.0f, 9.0f);
    const double top = static_cast<double>(*std::max_element(x.begin(), x.end()));
    double sum = 0, weighted = 0;
    for (const float value : x) {
      const double shifted = static_cast<double>(value) - top;
      sum += std::exp(shifted);
      weighted += shifted * std::exp(shifted);
    }
    const kernels::Exponentials got = kernels().exponentials(x.data(), n);
    const kernels::Exponentials scalar = scalar_table().exponentials(x.data(), n);
    EXPECT_EQ(static_cast<double>(got.top), top) << n;
    // Each term has the error of exp and of the subtraction before it: 1.5 and up to 12 half ulps.
    EXPECT_NEAR(got.sum, sum, 4e-7 * sum) << n;
    EXPECT_NEAR(got.weighted, weighted, 4e-7 * (1 + std::abs(weighted))) << n;
    EXPECT_EQ(got.sum, scalar.sum) << n;
    EXPECT_EQ(got.weighted, scalar.weighted) << n;
  }
}

TEST_P(RowsTest, ExponentialsOfFarValuesAreZeroAndOfNoNumberShow) {
  const std::vector<float> far = {1000.0f, 1000.5f, -1000.0f, -3e38f};
  const kernels::Exponentials got = kernels().exponentials(far.data(), far.size());
  EXPECT_EQ(got.top, 1000.5f);
  EXPECT_NEAR(got.sum, 1 + std::exp(-0.5), 1e-7);
  EXPECT_NEAR(got.weighted, -0.5 * std::exp(-0.5), 1e-7);
  for (const float odd : {NAN, INFINITY, -INFINITY}) {
    for (const std::size_t at : {0, 5, 16, 300}) {
      std::vector<float> x(301, 1.0f);
      x[at] = odd;
      const double sum = kernels().exponentials(x.data(), x.size()).sum;
      EXPECT_EQ(std::isfinite(sum), odd == -INFINITY) << odd << " at " << at;
    }
  }
}

TEST_P(RowsTest, SoftmaxKeepsANaNInSight) {
  std::vector<float> x(20, 1.0f);
  x[17] = NAN;
  kernels().softmax(x.data(), x.size());
  EXPECT_TRUE(std::isnan(x[0]) && std::isnan(x[19]));
}

// --- the others -------------------------------------------------------------------------------

TEST_P(RowsTest, RotateTurnsPairsByTheirAngles) {
  Random random(5);
  for (const std::size_t n : lengths()) {
    const std::vector<float> x = random.values(2 * n);
    std::vector<float> cosines(n), sines(n), got = x, want(2 * n);
    std::vector<double> exact(2 * n);
    for (std::size_t i = 0; i < n; ++i) {
      const double angle = static_cast<double>(random.uniform(-4.0f, 4.0f));
      cosines[i] = static_cast<float>(std::cos(angle));
      sines[i] = static_cast<float>(std::sin(angle));
      const float a = x[i], b = x[i + n];
      want[i] = std::fma(-b, sines[i], a * cosines[i]);
      want[i + n] = std::fma(a, sines[i], b * cosines[i]);
      exact[i] = a * std::cos(angle) - b * std::sin(angle);
      exact[i + n] = a * std::sin(angle) + b * std::cos(angle);
    }
    kernels().rotate(got.data(), cosines.data(), sines.data(), n);
    ASSERT_TRUE(same_bits(got, want)) << n << " pairs";
    // Two table values, a product and a sum are rounded, of terms no larger than 1 each.
    ASSERT_TRUE(within(got, exact, 5 * kUnit)) << n << " pairs";
  }
}

TEST_P(RowsTest, AddAddsOnce) {
  Random random(6);
  for (const std::size_t n : lengths()) {
    const std::vector<float> y = random.values(n), h = random.values(n);
    std::vector<float> got = h, want(n);
    kernels().add(y.data(), n, got.data());
    for (std::size_t i = 0; i < n; ++i) want[i] = h[i] + y[i];
    ASSERT_TRUE(same_bits(got, want)) << "length " << n;
  }
}

TEST_P(RowsTest, SiluMultiplyIsTheGateTimesItsSigmoidTimesUp) {
  Random random(7);
  for (const std::size_t n : lengths()) {
    const std::vector<float> gate = random.values(n, -12.0f, 12.0f), up = random.values(n);
    std::vector<float> got(n), want(n);
    std::vector<double> exact(n), tolerance(n);
    for (std::size_t i = 0; i < n; ++i) {
      want[i] = gate[i] / (1.0f + exp_of(-gate[i])) * up[i];
      exact[i] = gate[i] / (1 + std::exp(-double{gate[i]})) * up[i];
      tolerance[i] = 8 * kUnit * std::fabs(exact[i]);  // exp (3), sum, quotient, product
    }
    kernels().silu_multiply(gate.data(), up.data(), n, got.data());
    ASSERT_TRUE(same_bits(got, want)) << "length " << n;
    ASSERT_TRUE(within(got, exact, tolerance)) << "length " << n;

    std::vector<float> in_place = gate;  // as the MLP calls it
    kernels().silu_multiply(in_place.data(), up.data(), n, in_place.data());
    ASSERT_TRUE(same_bits(in_place, want)) << "length " << n << ", in place";
  }
}

TEST_P(RowsTest, SiluOfLargeGatesNeitherOverflowsNorLosesItsSign) {
  const float gate[] = {100.0f, -100.0f, -0.0f, 0.0f, 3e38f, -3e38f}, up[] = {1, 1, 1, 1, 1, 1};
  float got[6];
  kernels().silu_multiply(gate, up, 6, got);
  const float want[] = {100.0f, -0.0f, -0.0f, 0.0f, 3e38f, -0.0f};
  EXPECT_TRUE(same_bits(got, want));
}

}  // namespace
}  // namespace kinglet::test
