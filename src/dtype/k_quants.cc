#include "dtype/k_quants.h"

namespace kinglet::dtype {
namespace {

// d, dmin and the packed 6-bit scales and minima, which q4_k and q5_k share.
void read_scales(const std::byte* block, SuperIntegers<32>& out) {
  out.set_units(block, block + 2);
  const std::byte* s = block + 4;
  for (std::size_t b = 0; b < 8; ++b) {
    unsigned scale = 0, minimum = 0;
    if (b < 4) {
      scale = load_byte(s + b) & 63u;
      minimum = load_byte(s + b + 4) & 63u;
    } else {
      scale = (load_byte(s + b + 4) & 0x0Fu) | (load_byte(s + b - 4) >> 6) << 4;
      minimum = (load_byte(s + b + 4) >> 4) | (load_byte(s + b) >> 6) << 4;
    }
    out.set_factors(b, static_cast<int>(scale), static_cast<int>(minimum));
  }
}

void read_nibbles(const std::byte* n, std::uint8_t* u) {
  for (std::size_t j = 0; j < 4; ++j) {
    for (std::size_t i = 0; i < 32; ++i) {
      const unsigned both = load_byte(n + 32 * j + i);
      u[64 * j + i] = static_cast<std::uint8_t>(both & 0x0F);
      u[64 * j + 32 + i] = static_cast<std::uint8_t>(both >> 4);
    }
  }
}

}  // namespace

Q4_K::Block Q4_K::read(const std::byte* block) {
  Block out = {};
  read_scales(block, out);
  read_nibbles(block + 16, out.u);
  return out;
}

Q5_K::Block Q5_K::read(const std::byte* block) {
  Block out = {};
  read_scales(block, out);
  read_nibbles(block + 48, out.u);
  for (std::size_t b = 0; b < 8; ++b) {
    for (std::size_t i = 0; i < 32; ++i) {
      const unsigned fifth = (load_byte(block + 16 + i) >> b) & 1u;
      out.u[32 * b + i] = static_cast<std::uint8_t>(out.u[32 * b + i] | fifth << 4);
    }
  }
  return out;
}

Q6_K::Block Q6_K::read(const std::byte* block) {
  Block out = {};
  out.set_units(block + 208, nullptr);
  for (std::size_t b = 0; b < 16; ++b) out.set_factors(b, static_cast<std::int8_t>(load_byte(block + 192 + b)), 0);
  for (std::size_t half = 0; half < 2; ++half) {
    const std::byte* low = block + 64 * half;
    const std::byte* high = block + 128 + 32 * half;
    for (std::size_t i = 0; i < 32; ++i) {
      const unsigned bits = load_byte(high + i);
      std::uint8_t* u = out.u + 128 * half + i;
      u[0] = static_cast<std::uint8_t>((load_byte(low + i) & 0x0Fu) | (bits & 3u) << 4);
      u[32] = static_cast<std::uint8_t>((load_byte(low + i + 32) & 0x0Fu) | (bits >> 2 & 3u) << 4);
      u[64] = static_cast<std::uint8_t>((load_byte(low + i) >> 4) | (bits >> 4 & 3u) << 4);
      u[96] = static_cast<std::uint8_t>((load_byte(low + i + 32) >> 4) | (bits >> 6) << 4);
    }
  }
  return out;
}

}  // namespace kinglet::dtype
