// Products of bf16 weights with activations rounded to bf16, against the definition at the head of
// kernels/bfloat.h, written here as plain loops: equal to the bit on every level, subnormals included.

#include "kernels/each_level.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/checked.h"
#include "dtype/pack_panel.h"
#include "support/oracle.h"
#include "tensor/weight.h"

namespace kinglet::test {
namespace {

constexpr float kSmallestNormal = 0x1p-126f;

float zero_if_subnormal(float x) { return std::fabs(x) < kSmallestNormal ? std::copysign(0.0f, x) : x; }

// 2^64 higher nothing is subnormal, and a result there is rounded to 24 bits.
float flushing_fma(float a, float b, float c) {
  a = zero_if_subnormal(a), b = zero_if_subnormal(b), c = zero_if_subnormal(c);
  const float result = std::fma(a, b, c);
  if (!(std::fabs(result) < 1.0f)) return result;
  const float higher = std::fma(a * 0x1p64f, b, c * 0x1p64f);
  return std::fabs(higher) < kSmallestNormal * 0x1p64f ? std::copysign(0.0f, result) : result;
}

float flushing_sum(float a, float b) {
  return zero_if_subnormal(zero_if_subnormal(a) + zero_if_subnormal(b));
}

// Half to even, by comparing the two neighbours.
std::uint16_t nearest_bfloat(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const auto down = static_cast<std::uint16_t>(bits >> 16);
  if (!std::isfinite(x)) return std::isnan(x) ? static_cast<std::uint16_t>(down | 0x40) : down;
  const std::uint32_t rest = bits & 0xFFFF;
  const bool up = rest > 0x8000 || (rest == 0x8000 && down % 2 == 1);
  return static_cast<std::uint16_t>(down + (up ? 1 : 0));
}

float value_of(std::uint16_t bfloat) { return std::bit_cast<float>(static_cast<std::uint32_t>(bfloat) << 16); }

float defined_output(const std::vector<std::uint16_t>& w, const float* x) {
  const std::size_t in = w.size();
  const auto weight = [&](std::size_t k) { return k < in ? value_of(w[k]) : 0.0f; };
  const auto rounded = [&](std::size_t k) { return k < in ? value_of(nearest_bfloat(x[k])) : 0.0f; };
  float total = 0;
  for (std::size_t begin = 0; begin < in; begin += 256) {
    float block = 0;
    for (std::size_t k = begin; k < std::min(begin + 256, in); k += 2) {
      block = flushing_fma(weight(k + 1), rounded(k + 1), block);
      block = flushing_fma(weight(k), rounded(k), block);
    }
    total = flushing_sum(total, block);
  }
  return total;
}

class BfloatTest : public EachLevel {
 protected:
  // weights(row, k) as bf16 bits, x(token, k): compares all outputs, with a bias of `bias` each.
  template <class Weights, class Activations>
  ::testing::AssertionResult run(std::size_t out, std::size_t in, std::size_t tokens, float bias,
                                 const Weights& weights, const Activations& activations) {
    std::vector<std::vector<std::uint16_t>> w(out, std::vector<std::uint16_t>(in));
    std::vector<std::uint16_t> rows;
    for (std::size_t n = 0; n < out; ++n) {
      for (std::size_t k = 0; k < in; ++k) w[n][k] = weights(n, k);
      rows.insert(rows.end(), w[n].begin(), w[n].end());
    }
    const std::size_t panels = ceil_div(out, kPanelRows), bytes = dtype::panel_bytes(DType::kBF16, in);
    std::vector<std::byte> packed(panels * bytes);
    for (std::size_t p = 0; p < panels; ++p) {
      dtype::pack_panel(DType::kBF16, reinterpret_cast<const std::byte*>(rows.data() + p * kPanelRows * in),
                        std::min(kPanelRows, out - p * kPanelRows), in, packed.data() + p * bytes);
    }
    const std::size_t stride = in + 7;
    std::vector<float> x(tokens * in), ready(tokens * stride, NAN), got(tokens * out), want;
    for (std::size_t t = 0; t < tokens; ++t) {
      for (std::size_t k = 0; k < in; ++k) x[t * in + k] = activations(t, k);
      const std::size_t cut = in / 2 / 32 * 32;  // two members share a row
      kernels().round_bfloat(x.data() + t * in, 0, cut, ready.data() + t * stride);
      kernels().round_bfloat(x.data() + t * in, cut, in, ready.data() + t * stride);
      for (std::size_t n = 0; n < out; ++n) want.push_back(flushing_sum(defined_output(w[n], x.data() + t * in), bias));
    }
    const std::vector<float> biases(panels * kPanelRows, bias);
    const kernels::Matmul call = {.panels = packed.data(), .panel_bytes = bytes, .out_width = out, .in_width = in,
                                  .bias = biases.data(), .tokens = tokens, .x = ready.data(), .x_stride = stride,
                                  .q = {}, .out = got.data(), .out_stride = out};
    kernels().matmul_bfloat(call, 0, panels);
    const auto result = same_bits(got, want);
    if (result) return result;
    return ::testing::AssertionFailure() << "(" << out << ", " << in << "), " << tokens << " tokens: " << result.message();
  }
};
INSTANTIATE_TEST_SUITE_P(Levels, BfloatTest, all_levels(), level_name);

TEST_P(BfloatTest, EveryShapeGivesTheBitsOfTheDefinition) {
  Random random(1);
  const auto weight = [&](std::size_t, std::size_t) { return nearest_bfloat(random.uniform(-1, 1)); };
  const auto activation = [&](std::size_t, std::size_t) { return random.uniform(-1, 1); };
  for (const std::size_t in : {1, 2, 7, 64, 255, 256, 257, 513, 1030}) {
    for (const std::size_t out : {1, 16, 33, 67}) {
      for (const std::size_t tokens : {1, 2, 5, 13}) {
        ASSERT_TRUE(run(out, in, tokens, 0.5f, weight, activation));
      }
    }
  }
}

// Operands and sums on both sides of the smallest normal number, and products far below it.
TEST_P(BfloatTest, SubnormalOperandsAndResultsAreZero) {
  Random random(2);
  const auto near = [&](int lowest, int span) {
    const int exponent = lowest + static_cast<int>(random.below(static_cast<std::uint64_t>(span)));
    return std::ldexp(random.uniform(-1, 1), exponent);
  };
  for (const int w : {-126, -100, -63}) {
    const int x = -126 - w - 4;
    for (int i = 0; i < 200; ++i) {
      const std::size_t in = 1 + random.below(12);
      ASSERT_TRUE(run(
          16, in, 2, near(-127, 3), [&](std::size_t, std::size_t) { return nearest_bfloat(near(w - 4, 8)); },
          [&](std::size_t, std::size_t) { return near(x, 9); }));
    }
  }
}

// A sum a little under the smallest normal number: rounded to 24 bits it is that number, or it is not.
TEST_P(BfloatTest, TheBorderIsSeenAfterRounding) {
  for (const double part : {0x1p-150, 0x1p-151, 0x1.8p-151, 0x1p-152, 0x1.02p-151, 0x1.fep-152}) {
    const auto weight = [&](std::size_t, std::size_t k) { return nearest_bfloat(k == 1 ? 0x1p-63f : static_cast<float>(-part * 0x1p75)); };
    const auto activation = [](std::size_t, std::size_t k) { return k == 1 ? 0x1p-63f : 0x1p-75f; };
    ASSERT_TRUE(run(16, 2, 1, 0.0f, weight, activation)) << part;
  }
}

TEST_P(BfloatTest, NotFiniteActivationsStayVisible) {
  for (const float bad : {NAN, INFINITY}) {
    const float x[2] = {1, bad};
    std::vector<float> ready(2);
    kernels().round_bfloat(x, 0, 2, ready.data());
    const std::uint16_t row[2] = {0x3F80, 0x3F80};
    std::vector<std::byte> panel(dtype::panel_bytes(DType::kBF16, 2));
    dtype::pack_panel(DType::kBF16, reinterpret_cast<const std::byte*>(row), 1, 2, panel.data());
    float out = 0;
    const kernels::Matmul call = {.panels = panel.data(), .panel_bytes = panel.size(), .out_width = 1, .in_width = 2,
                                  .bias = nullptr, .tokens = 1, .x = ready.data(), .x_stride = 2, .q = {}, .out = &out, .out_stride = 1};
    kernels().matmul_bfloat(call, 0, 1);
    EXPECT_FALSE(std::isfinite(out));
  }
}

}  // namespace
}  // namespace kinglet::test
