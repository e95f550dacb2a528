#include "dtype/q5.h"

namespace kinglet::dtype {
namespace {

// `at`: the 4 bytes of fifth bits, then the 16 of nibbles.
void read_five_bits(const std::byte* at, std::uint8_t* u) {
  std::uint32_t fifth = 0;
  std::memcpy(&fifth, at, 4);
  for (std::size_t i = 0; i < 16; ++i) {
    const unsigned nibbles = load_byte(at + 4 + i);
    u[i] = static_cast<std::uint8_t>((nibbles & 0x0F) | ((fifth >> i) & 1u) << 4);
    u[i + 16] = static_cast<std::uint8_t>((nibbles >> 4) | ((fifth >> (i + 16)) & 1u) << 4);
  }
}

}  // namespace

Q5_0::Block Q5_0::read(const std::byte* block) {
  Block out = {};
  out.scale[0] = load_half(block);
  read_five_bits(block + 2, out.u);
  return out;
}

Q5_1::Block Q5_1::read(const std::byte* block) {
  Block out = {};
  out.scale[0] = load_half(block);
  out.minimum[0] = load_half(block + 2);
  read_five_bits(block + 4, out.u);
  return out;
}

}  // namespace kinglet::dtype
