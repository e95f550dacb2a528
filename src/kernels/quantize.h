#pragma once

// Activations as the integer formats want them.

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/lanes.h"
#include "kernels/table.h"

namespace kinglet::kernels {

// Blocks of 32: scale = max|x| / 127, q = round-half-even(x * (127 / max|x|)).
template <class L>
void quantize(const float* x, std::size_t begin, std::size_t end, const Int8Rows& out,
              std::size_t row) noexcept {
  const Lanes<L> rounder = Lanes<L>::broadcast(0x1.8p23f);
  for (std::size_t k = begin; k < end; k += 32) {
    const Lanes<L> first = Lanes<L>::load(x + k), second = Lanes<L>::load(x + k + 16);
    const float amax = largest(maximum(absolute(first), absolute(second)));
    Int8Block& block = out.row(row)[k / 32];

    // A NaN is lost by comparisons but not by sums; an infinity is larger than all.
    if (sum((first - first) + (second - second)) != 0.0f) {
      block = {NAN, {0, 0}, 0, {}};
      continue;
    }
    const bool is_zero = amax < 1e-30f;
    block.scale = is_zero ? 0.0f : amax / 127.0f;
    const Lanes<L> inverse = Lanes<L>::broadcast(is_zero ? 0.0f : 127.0f / amax);
    const Lanes<L> first_q = (first * inverse + rounder) - rounder;
    const Lanes<L> second_q = (second * inverse + rounder) - rounder;
    first_q.store_bytes(block.values);
    second_q.store_bytes(block.values + 16);
    block.half_sums[0] = static_cast<std::int32_t>(sum(first_q));  // exact: whole and small
    block.half_sums[1] = static_cast<std::int32_t>(sum(second_q));
    block.sum = block.half_sums[0] + block.half_sums[1];
  }
}

}  // namespace kinglet::kernels
