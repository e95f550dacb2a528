#pragma once

// Writing the formats whose blocks of 32 have f16 scales: fit, store, and the integers for what was
// stored. `block` begins with the scale, and the minimum follows it. u: q - range.low.

#include "dtype/fit.h"
#include "dtype/integers.h"

namespace kinglet::dtype {

void write_scaled(const Target<32>& target, Range range, Search search, std::byte* block, float (&u)[32]);
void write_affine(const Target<32>& target, Range range, Search search, std::byte* block, float (&u)[32]);

}  // namespace kinglet::dtype
