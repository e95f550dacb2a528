#pragma once

// Weights to integers: the scale, and perhaps the minimum, with which they err least. The error is the
// sum of importance * (weight - what its integer stands for)^2.
//
// Nearest rounding with the scale that just holds the largest weight is not best: the few largest may
// be cut for the sake of all others. Which scale is best no formula says, so some are tried; but once
// the integers are known, the best scale for them is a quotient of sums (least squares).
//
// Sums have kSumLanes partial sums and no call leaves for a math library, so every machine and every
// width of vector gives the same bits. A NaN becomes the lowest integer; nothing reads out of bounds.

#include <bit>
#include <cstddef>
#include <cstdint>

namespace kinglet::dtype {

constexpr std::size_t kSumLanes = 8;

using PartialSums = float[kSumLanes];

inline float total(const PartialSums& s) {
  return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
}

// Calls each(i, lane) for the values in order; written so that a compiler makes vectors of the lanes.
template <std::size_t kValues, class Each>
inline void over_lanes(Each each) {
  for (std::size_t i = 0; i < kValues; i += kSumLanes) {
#pragma GCC unroll 1  // else rows of lanes are transposed into vectors, which costs more than the sums
    for (std::size_t lane = 0; lane < kSumLanes; ++lane) each(i + lane, lane);
  }
}

// The whole number nearest to `value`, at the middle the even one, within [low, high].
inline float nearest(float value, float low, float high) {
  value = value > low ? value : low;
  value = value < high ? value : high;
  return (value + 0x1.8p23f) - 0x1.8p23f;
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

namespace detail {

inline float largest_magnitude(const float* values, std::size_t count) {
  float largest = 0.0f;
  for (std::size_t i = 0; i < count; ++i) {
    const float magnitude = values[i] < 0.0f ? -values[i] : values[i];
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}

}  // namespace detail

// `importance` null, or nowhere above 0: every value counts the same.
template <std::size_t kValues>
Target<kValues> target_of(const float* values, const float* importance) {
  Target<kValues> out;
  out.unit = power_of_two_below(detail::largest_magnitude(values, kValues));
  const float inverse = 1.0f / out.unit;
  for (std::size_t i = 0; i < kValues; ++i) out.x[i] = values[i] * inverse;

  const float most = importance == nullptr ? 0.0f : detail::largest_magnitude(importance, kValues);
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
  PartialSums qx = {}, qq = {};
  over_lanes<kValues>([&](std::size_t i, std::size_t lane) {
    const float q = nearest(x[i] * inverse, range.low, range.high);
    const float weighted = importance[i] * q;
    qx[lane] += weighted * x[i];
    qq[lane] += weighted * q;
  });
  const float product = total(qx), square = total(qq);
  if (!(square > 0.0f)) return {};
  return {product / square, product / square * product};
}

// The best of some scales: the largest value becomes the lowest integer, or up to so much less or more.
struct Search {
  float first, step;  // what is added to the lowest integer's magnitude
  int steps;
  int refits;
};

template <std::size_t kValues>
ScaleFit fit_scale(const float* x, const float* importance, Range range, Search search) {
  float peak = 0.0f;
  for (std::size_t i = 0; i < kValues; ++i) {
    const float magnitude = x[i] < 0.0f ? -x[i] : x[i];
    if (magnitude > (peak < 0.0f ? -peak : peak)) peak = x[i];
  }
  if (peak == 0.0f) return {};
  ScaleFit best;
  for (int step = 0; step < search.steps; ++step) {
    const float ends = range.low - search.first - search.step * static_cast<float>(step);
    const ScaleFit fit = refit_scale<kValues>(x, importance, ends / peak, range);
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

// y = x - lowest, so that no sum cancels where all values are near each other. q = y * inverse + offset.
template <std::size_t kValues>
AffineFit refit_affine(const float* y, const float* importance, float inverse, float offset,
                       float levels) {
  PartialSums sums = {}, y_sums = {}, q_sums = {}, qq_sums = {}, qy_sums = {};
  over_lanes<kValues>([&](std::size_t i, std::size_t lane) {
    const float q = nearest(y[i] * inverse + offset, 0.0f, levels);
    const float weighted = importance[i] * q;
    sums[lane] += importance[i];
    y_sums[lane] += importance[i] * y[i];
    q_sums[lane] += weighted;
    qq_sums[lane] += weighted * q;
    qy_sums[lane] += weighted * y[i];
  });
  const double one = double{total(sums)}, sum_y = double{total(y_sums)}, sum_q = double{total(q_sums)},
               sum_qq = double{total(qq_sums)}, sum_qy = double{total(qy_sums)};
  const double determinant = one * sum_qq - sum_q * sum_q;
  if (!(determinant > 0.0)) return {};
  const double scale = (one * sum_qy - sum_q * sum_y) / determinant;
  const double minimum = (sum_qq * sum_y - sum_q * sum_qy) / determinant;
  if (!(scale > 0.0)) return {};
  return {static_cast<float>(scale), static_cast<float>(minimum),
          static_cast<float>(scale * sum_qy + minimum * sum_y)};
}

// The best of some scales: the values' range becomes [0, levels], or so much less or more.
template <std::size_t kValues>
AffineFit fit_affine(const float* x, const float* importance, float levels, Search search) {
  float lowest = x[0], highest = x[0];
  for (std::size_t i = 1; i < kValues; ++i) {
    lowest = x[i] < lowest ? x[i] : lowest;
    highest = x[i] > highest ? x[i] : highest;
  }
  const float width = highest - lowest;
  if (!(width > 0.0f)) return {0.0f, lowest, 0.0f};
  float y[kValues];
  for (std::size_t i = 0; i < kValues; ++i) y[i] = x[i] - lowest;

  AffineFit best;
  for (int step = 0; step < search.steps; ++step) {
    const float extra = search.first + search.step * static_cast<float>(step);
    const float inverse = (levels + extra) / width;
    const AffineFit fit = refit_affine<kValues>(y, importance, inverse, -0.5f * extra, levels);
    if (fit.gain > best.gain) best = fit;
  }
  for (int i = 0; i < search.refits && best.scale > 0.0f; ++i) {
    const float inverse = 1.0f / best.scale;
    const AffineFit fit =
        refit_affine<kValues>(y, importance, inverse, -best.minimum * inverse, levels);
    if (!(fit.gain > best.gain)) break;
    best = fit;
  }
  best.minimum += lowest;
  return best;
}

// The same for formats whose minimum cannot lie above 0.
template <std::size_t kValues>
AffineFit fit_affine_below_zero(const float* x, const float* importance, float levels,
                                Search search) {
  const AffineFit fit = fit_affine<kValues>(x, importance, levels, search);
  if (fit.minimum <= 0.0f) return fit;
  float peak = 0.0f;
  for (std::size_t i = 0; i < kValues; ++i) peak = x[i] > peak ? x[i] : peak;
  const ScaleFit scaled = refit_scale<kValues>(x, importance, levels / peak, {0.0f, levels});
  return {scaled.scale, 0.0f, scaled.gain};
}

// --- integers for a scale and minimum that are stored -----------------------------------------

// Of the values that scale and minimum give.
template <std::size_t kValues>
float error_of(const float* x, const float* importance, float scale, float minimum, Range range) {
  const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  PartialSums sums = {};
  over_lanes<kValues>([&](std::size_t i, std::size_t lane) {
    const float centred = x[i] - minimum;
    const float off = centred - scale * nearest(centred * inverse, range.low, range.high);
    sums[lane] += importance[i] * off * off;
  });
  return total(sums);
}

// u = q - range.low, what a format stores, as floats. A scale of 0 makes every q nearest to 0.
template <std::size_t kValues>
void assign(const float* x, float scale, float minimum, Range range, float* u) {
  const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  for (std::size_t i = 0; i < kValues; ++i) {
    u[i] = nearest((x[i] - minimum) * inverse, range.low, range.high) - range.low;
  }
}

}  // namespace kinglet::dtype
