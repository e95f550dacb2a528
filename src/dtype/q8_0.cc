#include "dtype/q8_0.h"

namespace kinglet::dtype {

Q8_0::Block Q8_0::read(const std::byte* block) {
  Block out = {};
  out.scale[0] = load_half(block);
  for (std::size_t i = 0; i < 32; ++i) {
    out.u[i] = static_cast<std::uint8_t>(load_byte(block + 2 + i) ^ 0x80u);  // q + 128
  }
  return out;
}

// To the nearest, with the scale that just holds the largest.
void Q8_0::write(const Target<32>& target, std::byte* block) {
  const float largest = largest_magnitude(target.x, 32);
  const float d = store_half(block, largest / 127.0f * target.unit) / target.unit;
  const float inverse = d > 0.0f ? 1.0f / d : 0.0f;
  for (std::size_t i = 0; i < 32; ++i) {
    const float q = nearest(target.x[i] * inverse, -127.0f, 127.0f);
    block[2 + i] = static_cast<std::byte>(static_cast<std::int8_t>(q));
  }
}

}  // namespace kinglet::dtype
