#pragma once

// Writing the formats whose blocks of 32 have f16 scales: fit, store, and the integers for what was
// stored. `block` begins with the scale, and the minimum follows it.

#include "dtype/fit.h"
#include "dtype/integers.h"

namespace kinglet::dtype {

inline void write_scaled(const Target<32>& target, Range range, Search search, std::byte* block,
                         float (&u)[32]) {
  const ScaleFit fit = fit_scale<32>(target.x, target.importance, range, search);
  const float scale = store_half(block, fit.scale * target.unit) / target.unit;
  assign<32>(target.x, scale, 0.0f, range, u);
}

inline void write_affine(const Target<32>& target, float levels, Search search, std::byte* block,
                         float (&u)[32]) {
  const AffineFit fit = fit_affine<32>(target.x, target.importance, levels, search);
  const float scale = store_half(block, fit.scale * target.unit) / target.unit;
  const float minimum = store_half(block + 2, fit.minimum * target.unit) / target.unit;
  assign<32>(target.x, scale, minimum, {0.0f, levels}, u);
}

}  // namespace kinglet::dtype
