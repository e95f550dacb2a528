// Matrix products against rule 3 of the numerics contract, written here as plain loops over one
// output at a time: equal to the bit, on every level, in every tile, for every split of the work.

#include "kernels/each_level.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "dtype/pack_panel.h"
#include "tensor/weight.h"
#include "support/oracle.h"
#include "support/weights.h"
#include "tensor/weight.h"

namespace kinglet::test {
namespace {

using kernels::Matmul;

constexpr float kUntouched = -12345.0f;

// --- the definition ---------------------------------------------------------------------------

// Activations as int8, by rule 3.
struct Int8Activations {
  std::vector<int> q;
  std::vector<float> scale;  // one per 32
};

Int8Activations int8_of(std::span<const float> x) {
  Int8Activations out;
  for (std::size_t block = 0; block < x.size(); block += 32) {
    const auto values = x.subspan(block, 32);
    float amax = 0;
    bool is_finite = true;
    for (const float value : values) {
      amax = std::max(amax, std::fabs(value));
      is_finite = is_finite && std::isfinite(value);
    }
    const bool is_zero = amax < 1e-30f;
    out.scale.push_back(!is_finite ? NAN : is_zero ? 0.0f : amax / 127.0f);
    const float factor = 127.0f / amax;
    for (const float value : values) {  // nearbyint: half to even
      out.q.push_back(!is_finite || is_zero ? 0 : static_cast<int>(std::nearbyint(value * factor)));
    }
  }
  return out;
}

float integer_output(const IntegerRow& row, const Int8Activations& x) {
  float acc = 0;
  for (std::size_t sub = 0; sub < row.scale.size(); ++sub) {
    const std::size_t begin = sub * row.per_scale;
    std::int64_t products = 0, sum = 0;
    for (std::size_t i = begin; i < begin + row.per_scale; ++i) {
      products += row.q[i] * x.q[i];
      sum += x.q[i];
    }
    const float x_scale = x.scale[begin / 32];
    acc = std::fma(static_cast<float>(products), row.scale[sub] * x_scale, acc);
    if (!row.minimum.empty()) {
      acc = std::fma(static_cast<float>(sum), row.minimum[sub] * x_scale, acc);
    }
  }
  return acc;
}

float float_output(std::span<const float> w, std::span<const float> x) {
  float total = 0;
  for (std::size_t begin = 0; begin < w.size(); begin += 256) {
    float block = 0;
    for (std::size_t k = begin; k < std::min(begin + 256, w.size()); ++k) {
      block = std::fma(w[k], x[k], block);
    }
    total += block;
  }
  return total;
}

// --- one product ------------------------------------------------------------------------------

// A weight with activations: what goes in, and what must come out for every token.
class Product {
 public:
  Product(DType dtype, std::size_t out, std::size_t in, std::size_t tokens, std::uint64_t seed)
      : dtype_(dtype), out_(out), in_(in), tokens_(tokens), random_(seed) {
    row_bytes_ = dtype::row_bytes(dtype, in);
    for (std::size_t row = 0; row < out; ++row) {
      const std::vector<std::byte> blocks = random_blocks(dtype, in, random_);
      rows_.insert(rows_.end(), blocks.begin(), blocks.end());
    }
    const std::size_t panels = ceil_div(out, kPanelRows);
    panel_bytes_ = dtype::panel_bytes(dtype, in);
    panels_.resize(panels * panel_bytes_);
    for (std::size_t panel = 0; panel < panels; ++panel) {
      const std::size_t row = panel * kPanelRows;
      dtype::pack_panel(dtype, rows_.data() + row * row_bytes_, std::min(kPanelRows, out - row), in,
                        panels_.data() + panel * panel_bytes_);
    }
    bias_ = random_.values(panels * kPanelRows);
    x_ = random_.values((tokens - 1) * x_stride() + in);  // the last row ends with its values
    quantize();
    compute();
  }

  std::size_t panels() const { return panels_.size() / panel_bytes_; }

  // Runs the first `tokens` tokens over the panels between the given cuts, and compares.
  ::testing::AssertionResult run(const kernels::Table& table, std::size_t tokens, bool with_bias,
                                 std::vector<std::size_t> cuts = {}) const {
    cuts.insert(cuts.begin(), 0);
    cuts.push_back(panels());
    const std::size_t stride = out_ + 3;  // a gap that must stay as it is
    std::vector<float> got(tokens * stride, kUntouched), want(tokens * stride, kUntouched);
    Matmul call = {.panels = panels_.data(),
                   .panel_bytes = panel_bytes_,
                   .out_width = out_,
                   .in_width = in_,
                   .bias = with_bias ? bias_.data() : nullptr,
                   .tokens = tokens,
                   .x = x_.data(),
                   .x_stride = x_stride(),
                   .q = int8_,
                   .out = got.data(),
                   .out_stride = stride};
    for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
      table.matmul[static_cast<std::size_t>(dtype_)](call, cuts[i], cuts[i + 1]);
    }
    for (std::size_t t = 0; t < tokens; ++t) {
      for (std::size_t n = 0; n < out_; ++n) {
        const float sum = want_[t * out_ + n];
        want[t * stride + n] = with_bias ? sum + bias_[n] : sum;
      }
    }
    const auto result = same_bits(got, want);
    if (result) return result;
    return ::testing::AssertionFailure()
           << dtype::name_of(dtype_) << " (" << out_ << ", " << in_ << "), " << tokens
           << " tokens: " << result.message();
  }

  // The outputs of `table` for the first token, the same in double, and by how much they may differ.
  struct Accuracy {
    std::vector<float> got;
    std::vector<double> want, tolerance;
  };
  Accuracy accuracy(const kernels::Table& table) const {
    Accuracy out;
    out.got.assign(panels() * kPanelRows, 0.0f);
    const Matmul call = {.panels = panels_.data(),
                         .panel_bytes = panel_bytes_,
                         .out_width = out_,
                         .in_width = in_,
                         .tokens = 1,
                         .x = x_.data(),
                         .x_stride = x_stride(),
                         .q = int8_,
                         .out = out.got.data(),
                         .out_stride = out_};
    table.matmul[static_cast<std::size_t>(dtype_)](call, 0, panels());
    out.got.resize(out_);
    std::vector<float> w(in_);
    for (std::size_t n = 0; n < out_; ++n) {
      dtype::format_of(dtype_).unpack(rows_.data() + n * row_bytes_, in_, w.data());
      double sum = 0, magnitude = 0;
      for (std::size_t k = 0; k < in_; ++k) {
        sum += static_cast<double>(w[k]) * x_[k];
        magnitude += std::fabs(static_cast<double>(w[k]) * x_[k]);
      }
      // One rounding per multiply-add of a block and one per block, each at most kUnit of the sum
      // of magnitudes.
      const double roundings = static_cast<double>(std::min<std::size_t>(in_, 256) + in_ / 256 + 2);
      out.want.push_back(sum);
      out.tolerance.push_back(roundings * kUnit * magnitude);
    }
    return out;
  }

 private:
  bool is_integer() const { return dtype_ > DType::kBF16; }
  std::size_t x_stride() const { return in_ + 5; }

  void quantize() {
    if (!is_integer()) return;
    const std::size_t stride = ceil_div(in_, 32) + 1;
    blocks_.resize(tokens_ * stride);
    int8_ = {blocks_.data(), stride};
    for (std::size_t t = 0; t < tokens_; ++t) {
      scalar_table().quantize(x_.data() + t * x_stride(), 0, in_, int8_, t);
    }
  }

  void compute() {
    want_.resize(tokens_ * out_);
    std::vector<Int8Activations> activations;
    for (std::size_t t = 0; is_integer() && t < tokens_; ++t) {
      activations.push_back(int8_of({x_.data() + t * x_stride(), in_}));
    }
    std::vector<float> w(in_);
    for (std::size_t n = 0; n < out_; ++n) {
      const std::byte* row = rows_.data() + n * row_bytes_;
      IntegerRow integers;
      if (is_integer()) integers = read_integers(dtype_, row, in_);
      if (!is_integer()) dtype::format_of(dtype_).unpack(row, in_, w.data());
      for (std::size_t t = 0; t < tokens_; ++t) {
        want_[t * out_ + n] = is_integer() ? integer_output(integers, activations[t])
                                           : float_output(w, {x_.data() + t * x_stride(), in_});
      }
    }
  }

  DType dtype_;
  std::size_t out_, in_, tokens_, row_bytes_ = 0, panel_bytes_ = 0;
  Random random_;
  std::vector<std::byte> rows_, panels_;
  std::vector<float> bias_, x_, want_;  // want_: (T, out), without bias
  std::vector<kernels::Int8Block> blocks_;
  kernels::Int8Rows int8_;
};

std::vector<std::size_t> in_widths(DType dtype) {
  const std::size_t block = dtype::format_of(dtype).block;
  if (block == 1) return {1, 7, 255, 256, 257, 513};
  if (block == 256) return {256, 512, 768};
  return {32, 96, 256, 512};
}

std::vector<DType> weight_formats() {
  std::vector<DType> list(std::begin(kFloatFormats), std::end(kFloatFormats));
  list.insert(list.end(), std::begin(kIntegerFormats), std::end(kIntegerFormats));
  return list;
}

// --- tests ------------------------------------------------------------------------------------

class MatmulTest : public EachLevel {};
INSTANTIATE_TEST_SUITE_P(Levels, MatmulTest, all_levels(), level_name);

TEST_P(MatmulTest, EveryFormatAndShapeGivesTheBitsOfTheDefinition) {
  for (const DType dtype : weight_formats()) {
    for (const std::size_t in : in_widths(dtype)) {
      for (const std::size_t out : {1, 15, 16, 17, 48, 67}) {
        const Product product(dtype, out, in, 17, 1000 * in + out);
        for (std::size_t tokens = 1; tokens <= 17; ++tokens) {
          ASSERT_TRUE(product.run(kernels(), tokens, tokens % 2 == 0));
        }
        ASSERT_TRUE(product.run(kernels(), 1, true));
        ASSERT_TRUE(product.run(kernels(), 2, false));
      }
    }
  }
}

TEST_P(MatmulTest, AnySplitOfThePanelsGivesTheSameBits) {
  for (const DType dtype : weight_formats()) {
    const std::size_t in = in_widths(dtype).back();
    const Product product(dtype, 10 * 16 + 5, in, 9, 77);
    for (const std::size_t tokens : {1, 3, 9}) {
      for (std::size_t a = 0; a <= product.panels(); ++a) {
        for (std::size_t b = a; b <= product.panels(); ++b) {
          ASSERT_TRUE(product.run(kernels(), tokens, true, {a, b})) << "cut at " << a << ", " << b;
        }
      }
    }
  }
}

// Small enough for an emulated processor that has to emulate fused multiply-adds as well.
TEST_P(MatmulTest, TinyProductsGiveTheBitsOfTheDefinition) {
  for (const DType dtype : weight_formats()) {
    const std::size_t in = dtype::format_of(dtype).block == 1 ? 259 : 256;
    const Product product(dtype, 17, in, 3, 5);
    ASSERT_TRUE(product.run(kernels(), 1, false));
    ASSERT_TRUE(product.run(kernels(), 3, true));
  }
}

TEST_P(MatmulTest, FloatProductsAreNearThoseInDoublePrecision) {
  for (const DType dtype : kFloatFormats) {
    const Product product(dtype, 33, 513, 1, 6);
    const Product::Accuracy result = product.accuracy(kernels());
    EXPECT_TRUE(within(result.got, result.want, result.tolerance)) << dtype::name_of(dtype);
  }
}

// Rounding activations to 8 bits costs at most half a step of amax / 127 each: on random values the
// outputs stay within 2 % of the sum of magnitudes, which a wrong scale or zero point does not.
TEST_P(MatmulTest, IntegerProductsAreNearThoseInDoublePrecision) {
  for (const DType dtype : kIntegerFormats) {
    const Product product(dtype, 33, 512, 1, 7);
    Product::Accuracy result = product.accuracy(kernels());
    for (double& tolerance : result.tolerance) tolerance = tolerance / (260 * kUnit) * 0.02;
    EXPECT_TRUE(within(result.got, result.want, result.tolerance)) << dtype::name_of(dtype);
  }
}

TEST_P(MatmulTest, ANotFiniteActivationCannotVanish) {
  for (const DType dtype : weight_formats()) {
    std::vector<float> x(256, 0.25f);
    x[100] = NAN;
    Random random(8);
    const std::vector<std::byte> row = random_blocks(dtype, 256, random);
    std::vector<std::byte> panel(dtype::panel_bytes(dtype, 256));
    dtype::pack_panel(dtype, row.data(), 1, 256, panel.data());
    std::vector<kernels::Int8Block> blocks(8);
    const kernels::Int8Rows q = {blocks.data(), blocks.size()};
    kernels().quantize(x.data(), 0, 256, q, 0);
    float out = 0;
    const Matmul call = {.panels = panel.data(), .panel_bytes = panel.size(), .out_width = 1,
                         .in_width = 256, .tokens = 1, .x = x.data(), .x_stride = 256, .q = q,
                         .out = &out, .out_stride = 1};
    kernels().matmul[static_cast<std::size_t>(dtype)](call, 0, 1);
    EXPECT_TRUE(std::isnan(out)) << dtype::name_of(dtype) << " gives " << out;
  }
}

// --- the fused multiply-add, seen through a product with K = 2 ----------------------------------

// fma(a[i], b, c[i]) for 16 i: the first step of the sum puts c there, the second is the one tested.
// (What is lost is the sign of a zero: the sum starts from +0.)
::testing::AssertionResult check_fma(const kernels::Table& table, const float* a, float b,
                                     const float* c) {
  float panel[32], out[16], want[16];
  const float x[2] = {1.0f, b};
  std::copy_n(c, 16, panel);
  std::copy_n(a, 16, panel + 16);
  const Matmul call = {.panels = reinterpret_cast<const std::byte*>(panel),
                       .panel_bytes = sizeof(panel), .out_width = 16, .in_width = 2, .tokens = 1,
                       .x = x, .x_stride = 2, .q = {}, .out = out, .out_stride = 16};
  table.matmul[static_cast<std::size_t>(DType::kF32)](call, 0, 1);
  for (std::size_t i = 0; i < 16; ++i) {
    want[i] = std::fma(a[i], b, c[i]) + 0.0f;
    if (same_bits(out[i], want[i])) continue;
    return ::testing::AssertionFailure()
           << fmt::format("fma({:a}, {:a}, {:a}) is {:a}, want {:a}", a[i], b, c[i], out[i], want[i]);
  }
  return ::testing::AssertionSuccess();
}

// Values at which rounding, cancellation, overflow and underflow go wrong.
std::vector<float> nasty_values() {
  std::vector<float> list;
  for (const float value :
       {0.0f, 1.0f, 0x1.000002p0f, 0x1.fffffep0f, 3.0f, 0x1p-149f, 0x1.8p-148f, 0x1p-126f,
        0x1.fffffcp-127f, 0x1p-127f, 0x1.fffffep127f, 0x1p127f, 0x1p64f, 0x1p-64f, 0x1.fffffep63f,
        0x1.555556p-2f, 0x1p-75f, 0x1p23f, 0x1.000002p24f, INFINITY}) {
    list.push_back(value);
    list.push_back(-value);
  }
  list.push_back(NAN);
  while (list.size() % 16 != 0) list.push_back(0x1.234566p1f);
  return list;
}

TEST_P(MatmulTest, TheMultiplyAddOfTinyAndHugeValuesIsFused) {
  const std::vector<float> nasty = nasty_values();
  for (const float b : nasty) {
    for (const float c : nasty) {
      const std::vector<float> c_lanes(16, c);
      for (std::size_t i = 0; i < nasty.size(); i += 16) {
        ASSERT_TRUE(check_fma(kernels(), nasty.data() + i, b, c_lanes.data()));
      }
    }
  }
}

TEST_P(MatmulTest, TheMultiplyAddOfRandomValuesIsFused) {
  Random random(9);
  float a[16], c[16];
  for (int round = 0; round < 60000; ++round) {
    const float b = round % 3 == 0 ? random.any() : random.uniform(-2.0f, 2.0f);
    for (std::size_t i = 0; i < 16; ++i) {
      a[i] = round % 3 == 0 ? random.any() : random.uniform(-2.0f, 2.0f);
      // Sums that nearly cancel, that round half-way, and that fall among the subnormals.
      const float product = a[i] * b;
      switch (random.below(5)) {
        case 0: c[i] = random.any(); break;
        case 1: c[i] = -product; break;
        case 2: c[i] = std::nextafter(-product, random.uniform(-1.0f, 1.0f)); break;
        case 3: c[i] = std::ldexp(product, static_cast<int>(random.below(60)) - 30); break;
        default: c[i] = random.uniform(-2.0f, 2.0f); break;
      }
    }
    ASSERT_TRUE(check_fma(kernels(), a, b, c));
  }
  for (int round = 0; round < 20000; ++round) {  // results around the smallest normal number
    const float b = std::ldexp(random.uniform(1.0f, 2.0f), -70);
    for (std::size_t i = 0; i < 16; ++i) {
      a[i] = std::ldexp(random.uniform(-2.0f, 2.0f), -60 - static_cast<int>(random.below(25)));
      c[i] = std::ldexp(random.uniform(-2.0f, 2.0f), -126 - static_cast<int>(random.below(25)));
    }
    ASSERT_TRUE(check_fma(kernels(), a, b, c));
  }
}

// --- activations as int8 ----------------------------------------------------------------------

// The int8 form of one row, by a table and by the definition.
::testing::AssertionResult check_quantize(const kernels::Table& table, std::span<const float> x) {
  const std::size_t stride = x.size() / 32;
  const kernels::Int8Block untouched = {kUntouched, {99, 99}, 99, {99}};
  std::vector<kernels::Int8Block> blocks(2 * stride, untouched);
  const kernels::Int8Rows rows = {blocks.data(), stride};
  for (std::size_t k = 0; k < x.size(); k += 32) {  // in parts, and as row 1
    table.quantize(x.data(), k, k + 32, rows, 1);
  }
  const Int8Activations want = int8_of(x);
  std::vector<float> scales;
  for (std::size_t b = 0; b < stride; ++b) {
    const kernels::Int8Block& got = rows.row(1)[b];
    int sums[2] = {0, 0};
    for (std::size_t i = 0; i < 32; ++i) {
      const int q = want.q[32 * b + i];
      sums[i / 16] += q;
      if (got.values[i] == q) continue;
      return ::testing::AssertionFailure()
             << fmt::format("value {} ({:a}) is {}, want {}", 32 * b + i, x[32 * b + i], got.values[i], q);
    }
    if (got.half_sums[0] != sums[0] || got.half_sums[1] != sums[1] || got.sum != sums[0] + sums[1]) {
      return ::testing::AssertionFailure() << fmt::format("block {}: sums are {}, {} and {}, want {} and {}", b,
                                                          got.half_sums[0], got.half_sums[1], got.sum, sums[0], sums[1]);
    }
    scales.push_back(got.scale);
  }
  for (std::size_t b = 0; b < stride; ++b) {
    if (std::memcmp(rows.row(0) + b, &untouched, sizeof(untouched)) == 0) continue;
    return ::testing::AssertionFailure() << "another row was written";
  }
  return same_bits(scales, want.scale);
}

TEST_P(MatmulTest, TinyRowsBecomeInt8AsTheDefinitionSays) {
  Random random(10);
  for (int round = 0; round < 50; ++round) {
    std::vector<float> x = random.values(96);
    if (round % 2 == 0) {  // halves of steps: amax 127 makes the factor 1
      for (float& value : x) value = static_cast<float>(random.below(255)) / 2 - 63.5f;
      x[7] = x[40] = x[95] = -127.0f;
    }
    ASSERT_TRUE(check_quantize(kernels(), x));
  }
}

TEST_P(MatmulTest, EdgesBecomeInt8AsTheDefinitionSays) {
  const auto filled = [](float value) { return std::vector<float>(64, value); };
  for (const float value : {0.0f, -0.0f, 1e-31f, 0x1p-149f, 9.9999994e-31f, 1e-30f, 1.1e-30f, 1.0f,
                            -3e38f, 0x1.fffffep127f, INFINITY, -INFINITY, NAN}) {
    EXPECT_TRUE(check_quantize(kernels(), filled(value))) << value;
    for (const std::size_t place : {0, 15, 16, 31, 32, 63}) {
      std::vector<float> x = filled(0.5f);
      x[place] = value;
      EXPECT_TRUE(check_quantize(kernels(), x)) << value << " at " << place;
    }
  }
}

}  // namespace
}  // namespace kinglet::test
