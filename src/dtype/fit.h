#pragma once

// Weights to integers: the scale, and perhaps the minimum, with which they err least. The error is the
// sum of importance * (weight - what its integer stands for)^2.
//
// Nearest rounding with the scale that just holds the largest weight is not best: the few largest may
// be cut for the sake of all others. Which scale is best no formula says, so some are tried, eight at
// once in the lanes of vectors; and once the integers are known, the best scale for them is a quotient
// of sums (least squares).
//
// Sums over values have eight partial sums and no call leaves for a math library, so every machine
// and every width of vector gives the same bits. A NaN becomes the lowest integer; nothing reads out of
// bounds.

#include <bit>
#include <cstddef>
#include <cstdint>

#include "dtype/lanes.h"

namespace kinglet::dtype {

// Of the lanes' sums.
inline float total(Lanes sums) {
  const Lanes::Four pairs = sums.low + sums.high;
  return (pairs[0] + pairs[1]) + (pairs[2] + pairs[3]);
}

// The whole number nearest to `value`, at the middle the even one, within [low, high].
inline float nearest(float value, float low, float high) {
  value = value > low ? value : low;
  value = value < high ? value : high;
  return (value + 0x1.8p23f) - 0x1.8p23f;
}

inline Lanes nearest(Lanes value, float low, float high) {
  // The rounding stands between the two ends: side by side, g++ 12 makes three comparisons of them.
  const Lanes above = Lanes::larger(value, Lanes::all(low));
  return Lanes::smaller((above + Lanes::all(0x1.8p23f)) - Lanes::all(0x1.8p23f), Lanes::all(high));
}

// The power of two at or below a magnitude, within what a float can be divided and multiplied by.
inline float power_of_two_below(float magnitude) {
  const std::uint32_t exponent = std::bit_cast<std::uint32_t>(magnitude) >> 23 & 0xFFu;
  const std::uint32_t kept = exponent < 2 ? 2 : exponent > 252 ? 252 : exponent;
  return std::bit_cast<float>(kept << 23);
}

// A block's values divided by `unit`, a power of two near the largest, so that no sum overflows or
// vanishes whatever the weights' magnitude is; and how much each counts, scaled alike.
template <std::size_t kValues>
struct Target {
  float x[kValues];
  float importance[kValues];
  float unit;
};

struct Extent {
  float lowest = 0.0f, highest = 0.0f;
};

// Of the values and 0; a NaN is passed over. `count`: a multiple of the lanes.
inline Extent extent_of(const float* values, std::size_t count) {
  Lanes lowest = {}, highest = {};
  for (std::size_t i = 0; i < count; i += Lanes::kCount) {
    lowest = Lanes::smaller(Lanes::load(values + i), lowest);
    highest = Lanes::larger(Lanes::load(values + i), highest);
  }
  float low[Lanes::kCount], high[Lanes::kCount];
  lowest.store(low);
  highest.store(high);
  Extent extent;
  for (std::size_t lane = 0; lane < Lanes::kCount; ++lane) {
    extent.lowest = low[lane] < extent.lowest ? low[lane] : extent.lowest;
    extent.highest = high[lane] > extent.highest ? high[lane] : extent.highest;
  }
  return extent;
}

inline float largest_magnitude(const float* values, std::size_t count) {
  const Extent extent = extent_of(values, count);
  return extent.highest > -extent.lowest ? extent.highest : -extent.lowest;
}

// `importance` null, or nowhere above 0: every value counts the same.
template <std::size_t kValues>
Target<kValues> target_of(const float* values, const float* importance) {
  Target<kValues> out;
  out.unit = power_of_two_below(largest_magnitude(values, kValues));
  const float inverse = 1.0f / out.unit;
  for (std::size_t i = 0; i < kValues; ++i) out.x[i] = values[i] * inverse;

  const float most = importance == nullptr ? 0.0f : largest_magnitude(importance, kValues);
  if (!(most > 0.0f)) {
    for (float& value : out.importance) value = 1.0f;
    return out;
  }
  // A value of no importance still chooses its integer by the scale; it must not leave sums empty.
  const float inverse_most = 1.0f / power_of_two_below(most);
  for (std::size_t i = 0; i < kValues; ++i) {
    const float relative = importance[i] * inverse_most;
    out.importance[i] = relative > 1e-6f ? relative : 1e-6f;
  }
  return out;
}

// --- x = scale * q ----------------------------------------------------------------------------

struct Range {
  float low, high;  // of the integers
};

// With integers fixed the best scale is qx / qq, and it takes qx^2 / qq off the error.
struct ScaleFit {
  float scale = 0.0f;
  float gain = 0.0f;
};

template <std::size_t kValues>
ScaleFit refit_scale(const float* x, const float* importance, float inverse, Range range) {
  Lanes qx, qq;
  for (std::size_t i = 0; i < kValues; i += Lanes::kCount) {
    const Lanes values = Lanes::load(x + i);
    const Lanes q = nearest(values * Lanes::all(inverse), range.low, range.high);
    const Lanes weighted = Lanes::load(importance + i) * q;
    qx += weighted * values;
    qq += weighted * q;
  }
  const float product = total(qx), square = total(qq);
  if (!(square > 0.0f)) return {};
  return {product / square, product / square * product};
}

// Scales to try, `groups` times eight: what is added to the number of levels that the values are spread over.
struct Search {
  float first, step;
  int groups;
  int refits;  // of the best, while that helps
};

inline Lanes tries_of(Search search, int group) {
  float values[Lanes::kCount];
  for (std::size_t lane = 0; lane < Lanes::kCount; ++lane) {
    values[lane] = search.first + search.step * static_cast<float>(static_cast<std::size_t>(group) * Lanes::kCount + lane);
  }
  return Lanes::load(values);
}

struct BestLane {
  std::size_t lane;
  float gain;
};

inline BestLane best_of(Lanes gains) {
  float gain[Lanes::kCount];
  gains.store(gain);
  BestLane best = {0, 0.0f};
  for (std::size_t lane = 0; lane < Lanes::kCount; ++lane) {
    if (gain[lane] > best.gain) best = {lane, gain[lane]};
  }
  return best;
}

inline float lane_of(Lanes lanes, std::size_t lane) {
  float values[Lanes::kCount];
  lanes.store(values);
  return values[lane];
}

// Of the scales 1 / inverse.
template <std::size_t kValues>
ScaleFit best_scale(const float* x, const float* importance, Lanes inverse, Range range) {
  Lanes qx, qq;
  for (std::size_t i = 0; i < kValues; ++i) {
    const Lanes q = nearest(Lanes::all(x[i]) * inverse, range.low, range.high);
    qx += Lanes::all(importance[i] * x[i]) * q;
    qq += Lanes::all(importance[i]) * q * q;
  }
  const Lanes scales = qx / qq;  // without q, NaN: not the best
  const BestLane best = best_of(scales * qx);
  return best.gain > 0.0f ? ScaleFit{lane_of(scales, best.lane), best.gain} : ScaleFit{};
}

// The largest value becomes the lowest integer, or up to so much less or more.
template <std::size_t kValues>
ScaleFit fit_scale(const float* x, const float* importance, Range range, Search search) {
  const Extent extent = extent_of(x, kValues);
  const float peak = extent.highest > -extent.lowest ? extent.highest : extent.lowest;
  if (peak == 0.0f) return {};
  const Lanes one_over_peak = Lanes::all(1.0f / peak);
  ScaleFit best;
  for (int group = 0; group < search.groups; ++group) {
    const Lanes ends = Lanes::all(range.low) - tries_of(search, group);
    const ScaleFit fit = best_scale<kValues>(x, importance, ends * one_over_peak, range);
    if (fit.gain > best.gain) best = fit;
  }
  for (int i = 0; i < search.refits && best.scale != 0.0f; ++i) {
    const ScaleFit fit = refit_scale<kValues>(x, importance, 1.0f / best.scale, range);
    if (!(fit.gain > best.gain)) break;
    best = fit;
  }
  return best;
}

// --- x = scale * q + minimum ------------------------------------------------------------------

struct AffineFit {
  float scale = 0.0f;
  float minimum = 0.0f;
  float gain = 0.0f;  // what scale and minimum take off the error, from that of the values' lowest
};

// Weighted sums over a block's integers and values.
struct AffineSums {
  double one, y, q, qq, qy;
};

inline AffineFit affine_fit_of(const AffineSums& s) {
  const double determinant = s.one * s.qq - s.q * s.q;
  if (!(determinant > 0.0)) return {};
  const double scale = (s.one * s.qy - s.q * s.y) / determinant;
  const double minimum = (s.qq * s.y - s.q * s.qy) / determinant;
  if (!(scale > 0.0)) return {};
  return {static_cast<float>(scale), static_cast<float>(minimum), static_cast<float>(scale * s.qy + minimum * s.y)};
}

// y = x - lowest, so that no sum cancels where all values are near each other. q = y * inverse + offset.
template <std::size_t kValues>
AffineFit refit_affine(const float* y, const float* importance, float inverse, float offset,
                       Range range) {
  Lanes sums, y_sums, q_sums, qq_sums, qy_sums;
  for (std::size_t i = 0; i < kValues; i += Lanes::kCount) {
    const Lanes values = Lanes::load(y + i), counts = Lanes::load(importance + i);
    const Lanes q = nearest(values * Lanes::all(inverse) + Lanes::all(offset), range.low, range.high);
    const Lanes weighted = counts * q;
    sums += counts;
    y_sums += counts * values;
    q_sums += weighted;
    qq_sums += weighted * q;
    qy_sums += weighted * values;
  }
  return affine_fit_of({double{total(sums)}, double{total(y_sums)}, double{total(q_sums)}, double{total(qq_sums)},
                        double{total(qy_sums)}});
}

// The best of eight spreads. What a spread takes off the error is the square of the covariance of q and y by the
// variance of q.
template <std::size_t kValues>
AffineFit best_affine(const float* y, const float* importance, Lanes inverse, Lanes offset, Range range) {
  float one = 0.0f, y_sum = 0.0f;
  Lanes q_sum, qq, qy;
  for (std::size_t i = 0; i < kValues; ++i) {
    const Lanes q = nearest(Lanes::all(y[i]) * inverse + offset, range.low, range.high);
    const float weighted = importance[i] * y[i];
    one += importance[i];
    y_sum += weighted;
    const Lanes counted = Lanes::all(importance[i]) * q;
    q_sum += counted;
    qq += counted * q;
    qy += Lanes::all(weighted) * q;
  }
  const Lanes mean = q_sum * Lanes::all(1.0f / one);
  const Lanes covariance = qy - mean * Lanes::all(y_sum), variance = qq - mean * q_sum;
  const std::size_t lane = best_of(covariance * covariance / variance).lane;
  return affine_fit_of({double{one}, double{y_sum}, double{lane_of(q_sum, lane)}, double{lane_of(qq, lane)},
                        double{lane_of(qy, lane)}});
}

// The best of some scales: the values' width becomes that of `range`, from 0 on, or so much less or more.
template <std::size_t kValues>
AffineFit fit_affine(const float* x, const float* importance, Range range, Search search) {
  float y[kValues];
  for (std::size_t i = 0; i < kValues; ++i) y[i] = x[i] - x[0];
  const Extent extent = extent_of(y, kValues);
  const float width = extent.highest - extent.lowest;
  if (!(width > 0.0f)) return {0.0f, x[0], 0.0f};
  const float lowest = x[0] + extent.lowest;
  for (std::size_t i = 0; i < kValues; ++i) y[i] = x[i] - lowest;

  AffineFit best;
  for (int group = 0; group < search.groups; ++group) {
    const Lanes extra = tries_of(search, group);
    const Lanes inverse = (Lanes::all(range.high) + extra) * Lanes::all(1.0f / width);
    const AffineFit fit = best_affine<kValues>(y, importance, inverse, Lanes::all(-0.5f) * extra, range);
    if (fit.gain > best.gain) best = fit;
  }
  for (int i = 0; i < search.refits && best.scale > 0.0f; ++i) {
    const float inverse = 1.0f / best.scale;
    const AffineFit fit =
        refit_affine<kValues>(y, importance, inverse, -best.minimum * inverse, range);
    if (!(fit.gain > best.gain)) break;
    best = fit;
  }
  best.minimum += lowest;
  return best;
}

// The same for formats whose minimum cannot lie above 0.
template <std::size_t kValues>
AffineFit fit_affine_below_zero(const float* x, const float* importance, Range range,
                                Search search) {
  const AffineFit fit = fit_affine<kValues>(x, importance, range, search);
  if (fit.minimum <= 0.0f) return fit;
  const float peak = extent_of(x, kValues).highest;
  const ScaleFit scaled = refit_scale<kValues>(x, importance, range.high / peak, range);
  return {scaled.scale, 0.0f, scaled.gain};
}

// --- integers for a scale and minimum that are stored -----------------------------------------

// Of the values that scale and minimum give.
template <std::size_t kValues>
float error_of(const float* x, const float* importance, float scale, float minimum, Range range) {
  const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  Lanes sums;
  for (std::size_t i = 0; i < kValues; i += Lanes::kCount) {
    const Lanes centred = Lanes::load(x + i) - Lanes::all(minimum);
    const Lanes off = centred - Lanes::all(scale) * nearest(centred * Lanes::all(inverse), range.low, range.high);
    sums += Lanes::load(importance + i) * off * off;
  }
  return total(sums);
}

// u = q - range.low, what a format stores, as floats. A scale of 0 makes every q nearest to 0.
template <std::size_t kValues>
void assign(const float* x, float scale, float minimum, Range range, float* u) {
  const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  for (std::size_t i = 0; i < kValues; i += Lanes::kCount) {
    const Lanes q = nearest((Lanes::load(x + i) - Lanes::all(minimum)) * Lanes::all(inverse), range.low, range.high);
    (q - Lanes::all(range.low)).store(u + i);
  }
}

}  // namespace kinglet::dtype
