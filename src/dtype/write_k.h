#pragma once

// Writing super-blocks of 256: the sub-blocks' scales (and minima) are themselves integers times one
// f16. Each sub-block is fitted alone; the super-scale is what the largest needs; then every sub-scale
// is the best of its neighbours for the super-scale that is stored, and the super-scale is fitted once
// more to all the integers.

#include <cstddef>
#include <cstdint>

#include "dtype/fit.h"

namespace kinglet::dtype {

// What a block of kSubs sub-blocks stores beside its f16s. u: q - range.low.
template <std::size_t kSubs>
struct SuperBlock {
  static constexpr std::size_t kSub = 256 / kSubs;
  float d, dmin;  // in the target's unit, as stored
  float scale[kSubs], minimum[kSubs];  // whole numbers; w = d * scale * q - dmin * minimum
  float u[256];
};

// With few integers the fit that errs least shrinks the large weights, and models feel that more than the error says:
// an importance that grows with a weight's magnitude, from sqrt(floor * mean square) on, gave a smaller divergence in
// two and three bits (by a seventh in q2_k, by 2 % in q3_k), and a larger one from four bits on.
Target<256> with_more_for_large(const Target<256>& target, float floor);

// x = d * scale * q - dmin * minimum, q in `integers`, which begins at 0; scale and minimum in [0, most]. Of 8 and of
// 16 sub-blocks.
template <std::size_t kSubs>
SuperBlock<kSubs> fit_affine_super(const Target<256>& target, Range integers, float most, Search search);

// x = d * scale * q, scale in `scales`, which holds negative ones too. Of 16.
template <std::size_t kSubs>
SuperBlock<kSubs> fit_scaled_super(const Target<256>& target, Range integers, Range scales, Search search);

}  // namespace kinglet::dtype
