#include "dtype/k_quants.h"
#include "dtype/write_k.h"

namespace kinglet::dtype {
namespace {

unsigned whole(float value) { return static_cast<unsigned>(static_cast<int>(value)); }

// d, dmin and the packed 6-bit scales and minima, which q4_k and q5_k share.
void write_scales(const SuperBlock<8>& from, float unit, std::byte* block) {
  store_half(block, from.d * unit);
  store_half(block + 2, from.dmin * unit);
  std::byte* s = block + 4;
  for (std::size_t b = 0; b < 4; ++b) {
    const unsigned low_scale = whole(from.scale[b]), high_scale = whole(from.scale[b + 4]);
    const unsigned low_minimum = whole(from.minimum[b]), high_minimum = whole(from.minimum[b + 4]);
    s[b] = static_cast<std::byte>(low_scale | (high_scale >> 4) << 6);
    s[b + 4] = static_cast<std::byte>(low_minimum | (high_minimum >> 4) << 6);
    s[b + 8] = static_cast<std::byte>((high_scale & 15u) | (high_minimum & 15u) << 4);
  }
}

void write_nibbles(const float* u, std::byte* n) {
  for (std::size_t j = 0; j < 4; ++j) {
    for (std::size_t i = 0; i < 32; ++i) {
      const unsigned low = whole(u[64 * j + i]), high = whole(u[64 * j + 32 + i]);
      n[32 * j + i] = static_cast<std::byte>((low & 15u) | (high & 15u) << 4);
    }
  }
}

}  // namespace

void Q4_K::write(const Target<256>& target, std::byte* block) {
  const SuperBlock<8> fit = fit_affine_super<8>(target, {0.0f, 15.0f}, 63.0f, {-1.6f, 0.4f, 1, 1});
  write_scales(fit, target.unit, block);
  write_nibbles(fit.u, block + 16);
}

void Q5_K::write(const Target<256>& target, std::byte* block) {
  const SuperBlock<8> fit = fit_affine_super<8>(target, {0.0f, 31.0f}, 63.0f, {-1.6f, 0.4f, 1, 1});
  write_scales(fit, target.unit, block);
  write_nibbles(fit.u, block + 48);
  for (std::size_t i = 0; i < 32; ++i) {
    unsigned fifth = 0;
    for (std::size_t b = 0; b < 8; ++b) fifth |= (whole(fit.u[32 * b + i]) >> 4) << b;
    block[16 + i] = static_cast<std::byte>(fifth);
  }
}

void Q6_K::write(const Target<256>& target, std::byte* block) {
  const SuperBlock<16> fit = fit_scaled_super<16>(target, {-32.0f, 31.0f}, {-128.0f, 127.0f},
                                                  {-1.3f, 0.3f, 1, 1});
  for (std::size_t b = 0; b < 16; ++b) {
    block[192 + b] = static_cast<std::byte>(static_cast<std::int8_t>(fit.scale[b]));
  }
  store_half(block + 208, fit.d * target.unit);
  for (std::size_t half = 0; half < 2; ++half) {
    std::byte* low = block + 64 * half;
    std::byte* high = block + 128 + 32 * half;
    for (std::size_t i = 0; i < 32; ++i) {
      const float* u = fit.u + 128 * half + i;
      const unsigned a = whole(u[0]), b = whole(u[32]), c = whole(u[64]), d = whole(u[96]);
      low[i] = static_cast<std::byte>((a & 15u) | (c & 15u) << 4);
      low[i + 32] = static_cast<std::byte>((b & 15u) | (d & 15u) << 4);
      high[i] = static_cast<std::byte>(a >> 4 | (b >> 4) << 2 | (c >> 4) << 4 | (d >> 4) << 6);
    }
  }
}

}  // namespace kinglet::dtype
