#include "dtype/q4.h"

namespace kinglet::dtype {
namespace {

void read_nibbles(const std::byte* n, std::uint8_t* u) {
  for (std::size_t i = 0; i < 16; ++i) {
    u[i] = load_byte(n + i) & 0x0F;
    u[i + 16] = static_cast<std::uint8_t>(load_byte(n + i) >> 4);
  }
}

}  // namespace

Q4_0::Block Q4_0::read(const std::byte* block) {
  Block out = {};
  out.scale[0] = load_half(block);
  read_nibbles(block + 2, out.u);
  return out;
}

Q4_1::Block Q4_1::read(const std::byte* block) {
  Block out = {};
  out.scale[0] = load_half(block);
  out.minimum[0] = load_half(block + 2);
  read_nibbles(block + 4, out.u);
  return out;
}

}  // namespace kinglet::dtype
