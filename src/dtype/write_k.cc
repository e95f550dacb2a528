// Not in the header, as write_32.cc says.

#include "dtype/write_k.h"

#include <cmath>

#include "dtype/integers.h"

namespace kinglet::dtype {
namespace {

float stored(float value, float unit) {
  std::byte half[2];
  return store_half(half, value * unit) / unit;
}

template <std::size_t kSubs>
float assign_all(const Target<256>& target, Range range, SuperBlock<kSubs>& out) {
  constexpr std::size_t kSub = SuperBlock<kSubs>::kSub;
  float error = 0.0f;
  for (std::size_t b = 0; b < kSubs; ++b) {
    const float* x = target.x + b * kSub;
    const float scale = out.d * out.scale[b], minimum = -(out.dmin * out.minimum[b]);
    assign<kSub>(x, scale, minimum, range, out.u + b * kSub);
    error += error_of<kSub>(x, target.importance + b * kSub, scale, minimum, range);
  }
  return error;
}

// Each sub-block's scale and minimum: the best whole numbers beside what was fitted to it alone.
template <std::size_t kSubs>
void choose_integers(const Target<256>& target, Range range, const AffineFit* fits, Range scales,
                     Range minima, SuperBlock<kSubs>& out) {
  constexpr std::size_t kSub = SuperBlock<kSubs>::kSub;
  const float inverse = out.d != 0.0f ? 1.0f / out.d : 0.0f;
  const float inverse_minimum = out.dmin != 0.0f ? 1.0f / out.dmin : 0.0f;
  for (std::size_t b = 0; b < kSubs; ++b) {
    const float scale = nearest(fits[b].scale * inverse, scales.low, scales.high);
    const float minimum = nearest(-fits[b].minimum * inverse_minimum, minima.low, minima.high);
    const int spread = minima.high > 0.0f ? 1 : 0;
    float least = 0.0f;
    bool is_first = true;
    for (int s = -1; s <= 1; ++s) {
      for (int m = -spread; m <= spread; ++m) {
        const float try_scale = nearest(scale + static_cast<float>(s), scales.low, scales.high);
        const float try_minimum = nearest(minimum + static_cast<float>(m), minima.low, minima.high);
        const float error =
            error_of<kSub>(target.x + b * kSub, target.importance + b * kSub, out.d * try_scale,
                           -(out.dmin * try_minimum), range);
        if (!is_first && !(error < least)) continue;
        is_first = false;
        least = error;
        out.scale[b] = try_scale;
        out.minimum[b] = try_minimum;
      }
    }
  }
}

// The d and dmin with which the chosen integers err least, where that is better than what there is.
template <std::size_t kSubs>
void refit_super_scales(const Target<256>& target, Range range, SuperBlock<kSubs>& out) {
  constexpr std::size_t kSub = SuperBlock<kSubs>::kSub;
  const float before = assign_all(target, range, out);
  // x = d * a - dmin * c, a = scale * q, c = minimum
  double aa = 0, ac = 0, cc = 0, ax = 0, cx = 0;
  for (std::size_t b = 0; b < kSubs; ++b) {
    const float *x = target.x + b * kSub, *importance = target.importance + b * kSub;
    const float* u = out.u + b * kSub;
    Lanes ones, q_sums, qq, qx, x_sums;
    for (std::size_t i = 0; i < kSub; i += Lanes::kCount) {
      const Lanes values = Lanes::load(x + i), counts = Lanes::load(importance + i);
      const Lanes q = Lanes::load(u + i) + Lanes::all(range.low);
      const Lanes weighted = counts * q;
      ones += counts;
      x_sums += counts * values;
      q_sums += weighted;
      qq += weighted * q;
      qx += weighted * values;
    }
    const double scale = double{out.scale[b]}, minimum = double{out.minimum[b]};
    aa += scale * scale * double{total(qq)};
    ac += scale * minimum * double{total(q_sums)};
    cc += minimum * minimum * double{total(ones)};
    ax += scale * double{total(qx)};
    cx += minimum * double{total(x_sums)};
  }
  SuperBlock<kSubs> other = out;
  const double determinant = aa * cc - ac * ac;
  if (cc > 0.0 && determinant > 0.0) {
    other.d = static_cast<float>((ax * cc - cx * ac) / determinant);
    other.dmin = static_cast<float>((ax * ac - cx * aa) / determinant);
  } else if (cc == 0.0 && aa > 0.0) {
    other.d = static_cast<float>(ax / aa);
  } else {
    return;
  }
  other.d = stored(other.d, target.unit);
  other.dmin = stored(other.dmin, target.unit);
  if (assign_all(target, range, other) < before) out = other;
}

}  // namespace

Target<256> with_more_for_large(const Target<256>& target, float floor) {
  Target<256> out = target;
  Lanes squares;
  for (std::size_t i = 0; i < 256; i += Lanes::kCount) squares += Lanes::load(target.x + i) * Lanes::load(target.x + i);
  const float least = floor * total(squares) / 256.0f;
  for (std::size_t i = 0; i < 256; ++i) out.importance[i] *= std::sqrt(least + target.x[i] * target.x[i]);
  return out;
}

template <std::size_t kSubs>
SuperBlock<kSubs> fit_affine_super(const Target<256>& target, Range integers, float most, Search search) {
  constexpr std::size_t kSub = SuperBlock<kSubs>::kSub;
  AffineFit fits[kSubs];
  float largest = 0.0f, lowest = 0.0f;
  for (std::size_t b = 0; b < kSubs; ++b) {
    fits[b] = fit_affine_below_zero<kSub>(target.x + b * kSub, target.importance + b * kSub, integers, search);
    largest = fits[b].scale > largest ? fits[b].scale : largest;
    lowest = fits[b].minimum < lowest ? fits[b].minimum : lowest;
  }
  SuperBlock<kSubs> out = {};
  out.d = stored(largest / most, target.unit);
  out.dmin = stored(-lowest / most, target.unit);
  const Range scales = {0.0f, most};
  choose_integers(target, integers, fits, scales, scales, out);
  refit_super_scales(target, integers, out);
  assign_all(target, integers, out);
  return out;
}

template <std::size_t kSubs>
SuperBlock<kSubs> fit_scaled_super(const Target<256>& target, Range integers, Range scales, Search search) {
  constexpr std::size_t kSub = SuperBlock<kSubs>::kSub;
  AffineFit fits[kSubs] = {};
  float peak = 0.0f;
  for (std::size_t b = 0; b < kSubs; ++b) {
    const float scale =
        fit_scale<kSub>(target.x + b * kSub, target.importance + b * kSub, integers, search).scale;
    fits[b].scale = scale;
    if ((scale < 0.0f ? -scale : scale) > (peak < 0.0f ? -peak : peak)) peak = scale;
  }
  SuperBlock<kSubs> out = {};
  out.d = stored(peak / scales.low, target.unit);
  choose_integers(target, integers, fits, scales, {0.0f, 0.0f}, out);
  refit_super_scales(target, integers, out);
  assign_all(target, integers, out);
  return out;
}

template SuperBlock<8> fit_affine_super<8>(const Target<256>&, Range, float, Search);
template SuperBlock<16> fit_affine_super<16>(const Target<256>&, Range, float, Search);
template SuperBlock<16> fit_scaled_super<16>(const Target<256>&, Range, Range, Search);

}  // namespace kinglet::dtype
