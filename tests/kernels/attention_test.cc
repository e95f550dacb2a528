// Attention over a cache against rule 4 of the numerics contract: in plain loops for one query at a
// time, to the bit; and against softmax attention in double precision.

#include "kernels/each_level.h"

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "dtype/half.h"
#include "support/oracle.h"
#include "support/weights.h"

namespace kinglet::test {
namespace {

using kernels::Attend;
using kernels::kChunk;
using kernels::kKeyPanel;
using kernels::Query;

enum class Cached { kF32, kF16, kQ8_0 };
constexpr Cached kAllTypes[] = {Cached::kF32, Cached::kF16, Cached::kQ8_0};

const kernels::CacheFunctions& functions(const kernels::Table& table, Cached type) {
  return type == Cached::kF32 ? table.cache_f32 : type == Cached::kF16 ? table.cache_f16 : table.cache_q8_0;
}

// As the cache holds them. f16: rounded, beyond its range the largest. q8_0: blocks of 32 with one
// scale, an f16; the last block may be short.
float half_of(float x) {
  return static_cast<float>(half_value(dtype::half_from_float(std::clamp(x, -65504.0f, 65504.0f))));
}
std::vector<float> as_cached(std::vector<float> x, Cached type) {
  if (type == Cached::kF16) std::transform(x.begin(), x.end(), x.begin(), half_of);
  if (type != Cached::kQ8_0) return x;
  for (std::size_t begin = 0; begin < x.size(); begin += 32) {
    const std::span<float> block = std::span(x).subspan(begin, std::min<std::size_t>(32, x.size() - begin));
    float amax = 0;
    for (const float value : block) amax = std::max(amax, std::fabs(value));
    const float scale = half_of(amax / 127.0f);
    for (float& value : block) {
      value = amax < 1e-30f ? 0.0f : scale * static_cast<float>(std::nearbyint(value * (127.0f / amax)));
    }
  }
  return x;
}

template <class T>
std::byte* bytes_of(std::vector<T>& values) {
  return reinterpret_cast<std::byte*>(values.data());
}

// One head's cache of `positions` keys and values, filled through a table's store().
class Head {
 public:
  Head(const kernels::Table& table, Cached type, std::size_t width, std::size_t positions,
       std::uint64_t seed)
      : type_(type),
        width_(width),
        keys_(ceil_div(positions, kKeyPanel) * functions(table, type).key_panel_bytes(width),
              std::byte{0xFF}),  // NaNs
        values_(positions * functions(table, type).value_row_bytes(width), std::byte{0xFF}) {
    Random random(seed);
    for (std::size_t p = 0; p < positions; ++p) {
      const std::vector<float> key = random.values(width, -2.0f, 2.0f), value = random.values(width);
      store(table, p, key.data(), value.data());
      const std::vector<float> held_key = as_cached(key, type), held_value = as_cached(value, type);
      plain_keys_.insert(plain_keys_.end(), held_key.begin(), held_key.end());
      plain_values_.insert(plain_values_.end(), held_value.begin(), held_value.end());
    }
  }

  void store(const kernels::Table& table, std::size_t position, const float* key,
             const float* value) {
    functions(table, type_).store(key, value, width_, position, keys_.data(), values_.data());
  }

  Attend call(const std::vector<Query>& queries) const {
    return {.queries = queries.data(), .count = queries.size(), .keys = keys_.data(),
            .values = values_.data(), .head_width = width_, .scale = scale()};
  }
  float scale() const { return static_cast<float>(1 / std::sqrt(static_cast<double>(width_))); }
  std::size_t width() const { return width_; }
  Cached type() const { return type_; }
  const float* key(std::size_t p) const { return plain_keys_.data() + p * width_; }
  const float* value(std::size_t p) const { return plain_values_.data() + p * width_; }
  const std::vector<std::byte>& key_bytes() const { return keys_; }
  const std::vector<std::byte>& value_bytes() const { return values_; }

 private:
  Cached type_;
  std::size_t width_;
  std::vector<std::byte> keys_, values_;
  std::vector<float> plain_keys_, plain_values_;  // (S, d), as cached
};

// --- the definition ---------------------------------------------------------------------------

float exp_of(float x) {
  float y = 0;
  scalar_table().exp(&x, 1, &y);
  return y;
}

struct Interval {
  std::size_t begin = 0, end = 0;
};

// Rule 4 for one query over key positions [begin, end).
std::vector<float> attend_by_rule(const Head& head, const float* q, const Interval& range) {
  float m = 0, l = 0;
  std::vector<float> acc(head.width());
  for (std::size_t base = range.begin / kChunk * kChunk; base < range.end; base += kChunk) {
    const std::size_t begin = std::max(base, range.begin), end = std::min(base + kChunk, range.end);
    std::vector<float> p(end - begin);
    for (std::size_t i = begin; i < end; ++i) {
      float dot = 0;
      for (std::size_t j = 0; j < head.width(); ++j) dot = std::fma(q[j], head.key(i)[j], dot);
      p[i - begin] = dot * head.scale();
    }
    const float m_c = *std::max_element(p.begin(), p.end());
    float lane[16] = {};
    for (std::size_t i = begin; i < end; ++i) {
      p[i - begin] = exp_of(p[i - begin] - m_c);
      lane[i % 16] += p[i - begin];
    }
    for (std::size_t half = 8; half > 0; half /= 2) {
      for (std::size_t i = 0; i < half; ++i) lane[i] += lane[i + half];
    }
    const float l_c = lane[0];
    std::vector<float> acc_c(head.width());
    for (std::size_t j = 0; j < head.width(); ++j) {
      for (std::size_t i = begin; i < end; ++i) {
        acc_c[j] = std::fma(p[i - begin], head.value(i)[j], acc_c[j]);
      }
    }
    if (begin == range.begin) {
      m = m_c;
      l = l_c;
      acc = acc_c;
      continue;
    }
    const float top = std::max(m, m_c), a = exp_of(m - top), b = exp_of(m_c - top);
    l = std::fma(l, a, l_c * b);
    for (std::size_t j = 0; j < head.width(); ++j) acc[j] = std::fma(acc[j], a, acc_c[j] * b);
    m = top;
  }
  for (float& value : acc) value /= l;
  return acc;
}

struct Exact {
  std::vector<double> out, probabilities;
  double tolerance = 0;  // of out, and relative of a probability
};

Exact attend_in_double(const Head& head, const float* q, const Interval& range) {
  std::vector<double> p;
  double top = -INFINITY, largest_error = 0;
  for (std::size_t i = range.begin; i < range.end; ++i) {
    double dot = 0, magnitude = 0;
    for (std::size_t j = 0; j < head.width(); ++j) {
      dot += double{q[j]} * head.key(i)[j];
      magnitude += std::fabs(double{q[j]} * head.key(i)[j]);
    }
    p.push_back(dot * head.scale());
    top = std::max(top, p.back());
    // One rounding per multiply-add and one for the scale, of the sum of magnitudes.
    largest_error = std::max(largest_error, (static_cast<double>(head.width()) + 1) * kUnit *
                                                magnitude * head.scale());
  }
  Exact exact;
  double sum = 0;
  for (double& value : p) sum += value = std::exp(value - top);
  for (double& value : p) value /= sum;
  exact.out.assign(head.width(), 0.0);
  for (std::size_t i = range.begin; i < range.end; ++i) {
    for (std::size_t j = 0; j < head.width(); ++j) {
      exact.out[j] += p[i - range.begin] * head.value(i)[j];
    }
  }
  exact.probabilities = p;
  // A score's error enters each p twice (its own and the largest); then at most 128 multiply-adds of
  // a chunk, exp of each (3) and a few merges. Values are at most 1 in magnitude.
  exact.tolerance = 2 * largest_error + (128 + 3 + 20) * kUnit;
  return exact;
}

// --- tests ------------------------------------------------------------------------------------

class AttentionTest : public EachLevel {};
INSTANTIATE_TEST_SUITE_P(Levels, AttentionTest, all_levels(), level_name);

// Runs the queries with the given ranges together and alone, and compares each with the rule.
::testing::AssertionResult check(const kernels::Table& table, const Head& head,
                                 const std::vector<Interval>& ranges, std::uint64_t seed) {
  Random random(seed);
  const std::size_t width = head.width(), count = ranges.size();
  const std::vector<float> q = random.values(count * width, -2.0f, 2.0f);
  std::vector<float> together(count * width + 1, -77.0f), alone(width);
  std::vector<Query> queries;
  for (std::size_t i = 0; i < count; ++i) {
    queries.push_back({q.data() + i * width, together.data() + i * width, ranges[i].begin,
                       ranges[i].end});
  }
  functions(table, head.type()).attend(head.call(queries));
  if (together.back() != -77.0f) return ::testing::AssertionFailure() << "wrote past the end";

  for (std::size_t i = 0; i < count; ++i) {
    const auto failed = [&](const std::string& what, const ::testing::AssertionResult& result) {
      return ::testing::AssertionFailure()
             << what << ", query " << i << " of " << count << " over [" << ranges[i].begin << ", "
             << ranges[i].end << "), width " << width << ": " << result.message();
    };
    const std::span<const float> got(together.data() + i * width, width);
    const auto by_rule = same_bits(got, attend_by_rule(head, queries[i].q, ranges[i]));
    if (!by_rule) return failed("against the rule", by_rule);
    const Exact exact = attend_in_double(head, queries[i].q, ranges[i]);
    const auto in_double = within(got, exact.out, exact.tolerance);
    if (!in_double) return failed("against double precision", in_double);
    Query single = queries[i];
    single.out = alone.data();
    functions(table, head.type()).attend(head.call({single}));
    const auto by_itself = same_bits(got, alone);
    if (!by_itself) return failed("against itself alone", by_itself);
  }
  return ::testing::AssertionSuccess();
}

TEST_P(AttentionTest, EveryHeadWidthAndLengthGivesTheBitsOfTheRule) {
  for (const Cached type : kAllTypes) {
    for (const std::size_t width : {2, 8, 48, 64, 80, 128}) {
      const Head head(kernels(), type, width, 300, width);
      for (const std::size_t end : {1, 2, 15, 16, 17, 33, 127, 128, 129, 143, 255, 256, 257, 300}) {
        ASSERT_TRUE(check(kernels(), head, {{0, end}}, end));
      }
    }
  }
}

TEST_P(AttentionTest, EveryLengthUpToThreeChunksGivesTheBitsOfTheRule) {
  const Head head(kernels(), Cached::kF16, 8, 300, 1);
  for (std::size_t end = 1; end <= 300; ++end) {
    ASSERT_TRUE(check(kernels(), head, {{0, end}, {end / 2, end}, {end - 1, end}}, end));
  }
}

// Prefill: rows that each see one position more. Windows: both ends move. At random: anything, ranges
// without a position in common among them.
TEST_P(AttentionTest, OneToEightQueriesWithDifferentRangesDoNotDisturbEachOther) {
  Random random(2);
  for (const Cached type : kAllTypes) {
    const Head head(kernels(), type, 48, 300, 3);
    for (std::size_t count = 1; count <= 8; ++count) {
      for (const std::size_t first : {0, 13, 125, 250}) {
        std::vector<Interval> causal, window, anything;
        for (std::size_t i = 0; i < count; ++i) {
          const std::size_t end = first + i + 1;
          causal.push_back({0, end});
          window.push_back({end > 20 ? end - 20 : 0, end});
          const std::size_t begin = random.below(299);
          anything.push_back({begin, begin + 1 + random.below(300 - begin)});
        }
        ASSERT_TRUE(check(kernels(), head, causal, first));
        ASSERT_TRUE(check(kernels(), head, window, first));
        ASSERT_TRUE(check(kernels(), head, anything, first));
      }
    }
  }
}

TEST_P(AttentionTest, TinyHeadsGiveTheBitsOfTheRule) {
  for (const Cached type : kAllTypes) {
    const Head head(kernels(), type, 6, 140, 4);
    ASSERT_TRUE(check(kernels(), head, {{0, 1}}, 1));
    ASSERT_TRUE(check(kernels(), head, {{0, 138}, {0, 139}, {120, 140}}, 2));
  }
}

TEST_P(AttentionTest, TheWidestHeadFits) {
  const Head head(kernels(), Cached::kF16, kernels::kMaxHeadWidth, 20, 5);
  ASSERT_TRUE(check(kernels(), head, {{0, 18}, {0, 19}, {0, 20}}, 3));
}

// What lies in the cache outside a query's range, other sequences' leavings or the future of the
// same one, must not reach it: 0 * NaN would be NaN.
TEST_P(AttentionTest, GarbageOutsideAQuerysRangeDoesNotReachIt) {
  for (const Cached type : kAllTypes) {
    for (const Interval& range : {Interval{0, 50}, {20, 60}, {130, 131}, {100, 200}, {0, 128}}) {
      Head head(kernels(), type, 16, 288, 6);
      Random random(7);
      const std::vector<float> q = random.values(2 * 16);
      std::vector<float> clean(16), dirty(2 * 16);
      functions(kernels(), type).attend(head.call({{q.data(), clean.data(), range.begin, range.end}}));

      const std::vector<float> nans(16, NAN), huge(16, -3e38f);
      for (std::size_t p = 0; p < 288; ++p) {
        if (p >= range.begin && p < range.end) continue;
        head.store(kernels(), p, p % 2 == 0 ? nans.data() : huge.data(), nans.data());
      }
      functions(kernels(), type)
          .attend(head.call({{q.data(), dirty.data(), range.begin, range.end},
                             {q.data() + 16, dirty.data() + 16, 0, 288}}));
      EXPECT_TRUE(same_bits({dirty.data(), 16}, clean))
          << "range [" << range.begin << ", " << range.end << ")";
      EXPECT_TRUE(std::isnan(dirty[16])) << "the other query does see the NaNs";
    }
  }
}

TEST_P(AttentionTest, StoreLaysOutTheBytesOfTheScalarLevel) {
  for (const Cached type : kAllTypes) {
    for (const std::size_t width : {2, 6, 16, 80}) {
      const Head one(kernels(), type, width, 37, 8), other(scalar_table(), type, width, 37, 8);
      EXPECT_EQ(one.key_bytes(), other.key_bytes()) << "width " << width;
      EXPECT_EQ(one.value_bytes(), other.value_bytes()) << "width " << width;
    }
  }
}

TEST_P(AttentionTest, StorePutsKeysIntoPanelsAndPadsValuesWithZeros) {
  const float key[2] = {1.0f, 2.0f}, value[2] = {3.0f, 4.0f};
  std::vector<float> keys(32 * 2, -1.0f), values(32 * 16, -1.0f);
  kernels().cache_f32.store(key, value, 2, 18, bytes_of(keys), bytes_of(values));
  std::vector<float> want_keys(32 * 2, -1.0f), want_values(32 * 16, -1.0f);
  want_keys[32 + 2] = 1.0f;       // panel 1, dimension 0, position 2 of the panel
  want_keys[32 + 16 + 2] = 2.0f;  // dimension 1
  std::fill_n(want_values.begin() + 18 * 16, 16, 0.0f);
  want_values[18 * 16] = 3.0f;
  want_values[18 * 16 + 1] = 4.0f;
  EXPECT_EQ(keys, want_keys);
  EXPECT_EQ(values, want_values);
}

TEST_P(AttentionTest, StoreRoundsToHalfAndSaturates) {
  const float in[] = {65504.0f, 65519.0f, 65520.0f, 1e30f, INFINITY, -65504.0f, -65520.0f, -INFINITY,
                      0.0f, -0.0f, 0x1p-24f, 0x1p-25f, 0x1.8p-25f, 2049.0f, 2051.0f, 0x1p-14f};
  const std::uint16_t want[] = {0x7BFF, 0x7BFF, 0x7BFF, 0x7BFF, 0x7BFF, 0xFBFF, 0xFBFF, 0xFBFF,
                                0x0000, 0x8000, 0x0001, 0x0000, 0x0001, 0x6800, 0x6802, 0x0400};
  std::vector<std::uint16_t> keys(16 * 16), values(16);
  kernels().cache_f16.store(in, in, 16, 0, bytes_of(keys), bytes_of(values));
  for (std::size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(values[i], want[i]) << in[i];
    EXPECT_EQ(keys[i * 16], want[i]) << in[i];
  }
  const std::vector<float> nans(16, NAN);
  kernels().cache_f16.store(nans.data(), nans.data(), 16, 0, bytes_of(keys), bytes_of(values));
  EXPECT_TRUE(std::isnan(dtype::float_from_half(values[0])));
}

TEST_P(AttentionTest, ProbabilitiesSumToOneAndAgreeWithAttend) {
  for (const Cached type : kAllTypes) {
    const Head head(kernels(), type, 16, 300, 9);
    Random random(10);
    const std::vector<float> q = random.values(16, -2.0f, 2.0f);
    for (const Interval& range : {Interval{0, 1}, {0, 17}, {5, 128}, {0, 129}, {100, 300}, {299, 300}}) {
      std::vector<float> probs(300, -1.0f), same(300, -1.0f), out(16);
      const std::vector<Query> query = {{q.data(), out.data(), range.begin, range.end}};
      functions(kernels(), type).probabilities(head.call(query), probs.data());
      functions(scalar_table(), type).probabilities(head.call(query), same.data());
      functions(kernels(), type).attend(head.call(query));
      EXPECT_TRUE(same_bits(probs, same)) << "against the scalar level";
      EXPECT_TRUE(range.begin == 0 || probs[range.begin - 1] == -1.0f);
      EXPECT_TRUE(range.end == 300 || probs[range.end] == -1.0f);

      const Exact exact = attend_in_double(head, q.data(), range);
      double sum = 0;
      std::vector<double> mixed(16);
      for (std::size_t i = range.begin; i < range.end; ++i) {
        const double p = double{probs[i]}, want = exact.probabilities[i - range.begin];
        EXPECT_NEAR(p, want, exact.tolerance * want) << "position " << i;
        sum += p;
        for (std::size_t j = 0; j < 16; ++j) mixed[j] += p * head.value(i)[j];
      }
      EXPECT_NEAR(sum, 1.0, exact.tolerance);
      EXPECT_TRUE(within(out, mixed, 2 * exact.tolerance));
    }
  }
}

}  // namespace
}  // namespace kinglet::test
