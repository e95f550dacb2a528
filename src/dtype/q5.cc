#include "dtype/q5.h"

#include "dtype/write_32.h"

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

void write_five_bits(const float* u, std::byte* at) {
  std::uint32_t fifth = 0;
  for (std::size_t i = 0; i < 16; ++i) {
    const auto low = static_cast<unsigned>(u[i]), high = static_cast<unsigned>(u[i + 16]);
    fifth |= (low >> 4) << i | (high >> 4) << (i + 16);
    at[4 + i] = static_cast<std::byte>((low & 15u) | (high & 15u) << 4);
  }
  std::memcpy(at, &fifth, 4);
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

void Q5_0::write(const Target<32>& target, std::byte* block) {
  float u[32];
  write_scaled(target, {-16.0f, 15.0f}, {-1.3f, 0.3f, 1, 0}, block, u);
  write_five_bits(u, block + 2);
}

void Q5_1::write(const Target<32>& target, std::byte* block) {
  float u[32];
  write_affine(target, {0.0f, 31.0f}, {-1.6f, 0.4f, 1, 0}, block, u);
  write_five_bits(u, block + 4);
}

}  // namespace kinglet::dtype
