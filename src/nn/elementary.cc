#include "nn/elementary.h"

#include <cmath>

namespace kinglet::nn {
namespace {

// The Taylor series 1 + x/1! (1 + x/2 (1 + ...)) of its terms' ratios, from the last term back:
// 1 + x r[0] (1 + x r[1] (1 + ...)), where r[k] = 1 / divisor(k).
template <class Divisor>
double nested_series(double x, int terms, Divisor divisor) {
  double sum = 1.0;
  for (int k = terms - 1; k >= 0; --k) sum = 1.0 + x * sum / divisor(k);
  return sum;
}

// pi / 2 in three parts of 33 bits each, so that a part times a quadrant number below 2^20 is exact.
constexpr double kHalfPi1 = 0x1.921fb544p0;
constexpr double kHalfPi2 = 0x1.0b4611a6p-34;
constexpr double kHalfPi3 = 0x1.3198a2e037073p-69;
constexpr double kLn2 = 0x1.62e42fefa39efp-1;

}  // namespace

SinCos sin_cos(double x) {
  const double quadrant = std::nearbyint(x * (2.0 / 3.14159265358979323846));
  const double r =
      ((x - quadrant * kHalfPi1) - quadrant * kHalfPi2) - quadrant * kHalfPi3;  // |r| <= pi / 4
  const double square = -(r * r);
  const double sine = r * nested_series(square, 9, [](int k) { return (2.0 * k + 2) * (2.0 * k + 3); });
  const double cosine = nested_series(square, 9, [](int k) { return (2.0 * k + 1) * (2.0 * k + 2); });
  switch (static_cast<long long>(quadrant) & 3) {
    case 0: return {sine, cosine};
    case 1: return {cosine, -sine};
    case 2: return {-sine, -cosine};
    default: return {-cosine, sine};
  }
}

double exponential(double x) {
  const double n = std::nearbyint(x / kLn2);
  // ln 2 in two parts: the first has 32 bits, so its product with n is exact.
  const double r = (x - n * 0x1.62e42feep-1) - n * 0x1.a39ef35793c76p-33;
  return std::ldexp(nested_series(r, 16, [](int k) { return k + 1.0; }), static_cast<int>(n));
}

double logarithm(double x) {
  int exponent = 0;
  double fraction = std::frexp(x, &exponent);  // in [0.5, 1)
  if (fraction < 0.70710678118654752) {
    fraction *= 2;
    exponent -= 1;
  }
  // log m = 2 atanh s with s = (m - 1) / (m + 1), |s| <= 0.172
  const double s = (fraction - 1) / (fraction + 1);
  double sum = 0;
  for (int k = 12; k >= 0; --k) sum = sum * (s * s) + 1.0 / (2 * k + 1);
  return 2 * s * sum + exponent * kLn2;
}

double power(double base, double exponent) { return exponential(exponent * logarithm(base)); }

}  // namespace kinglet::nn
