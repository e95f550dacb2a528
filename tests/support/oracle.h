#pragma once

// What tests measure with: random numbers that are the same everywhere, distances in units in the
// last place, and comparisons that name the first value that is off.

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace kinglet::test {

// splitmix64: the standard library's distributions differ from one platform to the next.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // [0, n)
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(next() % n); }
  // [low, high)
  float uniform(float low, float high) {
    return low + (high - low) * static_cast<float>(next() >> 40) * 0x1p-24f;
  }
  // Any bit pattern: subnormals, infinities and NaNs among them.
  float any() { return std::bit_cast<float>(static_cast<std::uint32_t>(next())); }

  std::vector<float> values(std::size_t count, float low = -1.0f, float high = 1.0f) {
    std::vector<float> list(count);
    for (float& value : list) value = uniform(low, high);
    return list;
  }

 private:
  std::uint64_t state_;
};

// How far `got` is from `want`, in units in the last place of a float near `want`.
inline double ulp_error(float got, long double want) {
  if (std::isnan(want)) return std::isnan(got) ? 0 : INFINITY;
  if (static_cast<long double>(got) == want) return 0;
  const int exponent = std::max(std::ilogb(want), -126);
  return static_cast<double>(std::fabs(static_cast<long double>(got) - want) /
                             std::ldexp(1.0L, exponent - 23));
}
inline double ulp_error(double got, long double want) {
  if (static_cast<long double>(got) == want) return 0;
  const int exponent = std::max(std::ilogb(want), -1022);
  return static_cast<double>(std::fabs(static_cast<long double>(got) - want) /
                             std::ldexp(1.0L, exponent - 52));
}

// Equal bits; any NaN equals any other, since payloads are no part of the contract.
inline bool same_bits(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

inline ::testing::AssertionResult same_bits(std::span<const float> got,
                                            std::span<const float> want) {
  if (got.size() != want.size()) {
    return ::testing::AssertionFailure() << got.size() << " values, want " << want.size();
  }
  std::size_t wrong = 0, first = 0;
  for (std::size_t i = got.size(); i-- > 0;) {
    if (!same_bits(got[i], want[i])) {
      ++wrong;
      first = i;
    }
  }
  if (wrong == 0) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << fmt::format("{} of {} values differ, the first at {}: {:a} ({:.9g}), want {:a} ({:.9g})",
                        wrong, got.size(), first, got[first], got[first], want[first], want[first]);
}

// |got[i] - want[i]| <= tolerance[i]; a NaN is off whatever the tolerance.
inline ::testing::AssertionResult within(std::span<const float> got, std::span<const double> want,
                                         std::span<const double> tolerance) {
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double error = std::fabs(static_cast<double>(got[i]) - want[i]);
    if (error <= tolerance[i]) continue;
    return ::testing::AssertionFailure()
           << fmt::format("value {} is {:.9g}, want {:.9g}: off by {:.3g}, allowed {:.3g}", i, got[i],
                          want[i], error, tolerance[i]);
  }
  return ::testing::AssertionSuccess();
}
inline ::testing::AssertionResult within(std::span<const float> got, std::span<const double> want,
                                         double tolerance) {
  return within(got, want, std::vector<double>(want.size(), tolerance));
}

// Half a unit in the last place of 1: what one rounding costs at most, relatively.
constexpr double kUnit = 0x1p-24;

}  // namespace kinglet::test
