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

}  // namespace kinglet::dtype
