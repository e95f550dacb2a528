#include "dtype/q4.h"

#include "dtype/write_32.h"

namespace kinglet::dtype {
namespace {

void read_nibbles(const std::byte* n, std::uint8_t* u) {
  for (std::size_t i = 0; i < 16; ++i) {
    u[i] = load_byte(n + i) & 0x0F;
    u[i + 16] = static_cast<std::uint8_t>(load_byte(n + i) >> 4);
  }
}

void write_nibbles(const float* u, std::byte* n) {
  for (std::size_t i = 0; i < 16; ++i) {
    n[i] = static_cast<std::byte>(static_cast<int>(u[i] + 16.0f * u[i + 16]));
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

void Q4_0::write(const Target<32>& target, std::byte* block) {
  float u[32];
  write_scaled(target, {-8.0f, 7.0f}, {-1.3f, 0.3f, 1, 0}, block, u);
  write_nibbles(u, block + 2);
}

void Q4_1::write(const Target<32>& target, std::byte* block) {
  float u[32];
  write_affine(target, {0.0f, 15.0f}, {-1.6f, 0.4f, 1, 0}, block, u);
  write_nibbles(u, block + 4);
}

}  // namespace kinglet::dtype
