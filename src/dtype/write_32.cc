// Not in the header: of a range whose ends the compiler knows, g++ 12 makes comparisons and masks where one minimum or
// maximum would do, at half the speed.

#include "dtype/write_32.h"

namespace kinglet::dtype {

void write_scaled(const Target<32>& target, Range range, Search search, std::byte* block, float (&u)[32]) {
  const ScaleFit fit = fit_scale<32>(target.x, target.importance, range, search);
  const float scale = store_half(block, fit.scale * target.unit) / target.unit;
  assign<32>(target.x, scale, 0.0f, range, u);
}

void write_affine(const Target<32>& target, Range range, Search search, std::byte* block, float (&u)[32]) {
  const AffineFit fit = fit_affine<32>(target.x, target.importance, range, search);
  const float scale = store_half(block, fit.scale * target.unit) / target.unit;
  const float minimum = store_half(block + 2, fit.minimum * target.unit) / target.unit;
  assign<32>(target.x, scale, minimum, range, u);
}

}  // namespace kinglet::dtype
