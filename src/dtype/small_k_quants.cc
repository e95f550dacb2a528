#include "dtype/small_k_quants.h"

#include "dtype/write_k.h"

namespace kinglet::dtype {
namespace {

unsigned whole(float value) { return static_cast<unsigned>(static_cast<int>(value)); }

void read_two_bits(const std::byte* n, std::uint8_t* u) {
  for (std::size_t i = 0; i < 256; ++i) {
    const std::size_t half = i / 128, j = i % 128 / 32;
    u[i] = static_cast<std::uint8_t>((load_byte(n + 32 * half + i % 32) >> (2 * j)) & 3u);
  }
}

void write_two_bits(const float* u, std::byte* n) {
  for (std::size_t at = 0; at < 64; ++at) {
    const float* first = u + at / 32 * 128 + at % 32;
    unsigned byte = 0;
    for (std::size_t j = 0; j < 4; ++j) byte |= (whole(first[32 * j]) & 3u) << (2 * j);
    n[at] = static_cast<std::byte>(byte);
  }
}

}  // namespace

Q2_K::Block Q2_K::read(const std::byte* block) {
  Block out = {};
  out.set_units(block + 80, block + 82);
  for (std::size_t b = 0; b < 16; ++b) {
    const int both = load_byte(block + b);
    out.set_factors(b, both & 15, both >> 4);
  }
  read_two_bits(block + 16, out.u);
  return out;
}

void Q2_K::write(const Target<256>& target, std::byte* block) {
  const SuperBlock<16> fit = fit_affine_super<16>(with_more_for_large(target, 0.5f), {0.0f, 3.0f}, 15.0f, {-0.5f, 0.125f, 2, 2});
  for (std::size_t b = 0; b < 16; ++b) {
    block[b] = static_cast<std::byte>(whole(fit.scale[b]) | whole(fit.minimum[b]) << 4);
  }
  write_two_bits(fit.u, block + 16);
  store_half(block + 80, fit.d * target.unit);
  store_half(block + 82, fit.dmin * target.unit);
}

Q3_K::Block Q3_K::read(const std::byte* block) {
  Block out = {};
  const std::byte* s = block + 96;
  out.set_units(block + 108, nullptr);
  for (std::size_t b = 0; b < 16; ++b) {
    const unsigned low = load_byte(s + b % 8) >> (b / 8 * 4) & 15u;
    const unsigned high = load_byte(s + 8 + b % 4) >> (b / 4 * 2) & 3u;
    out.set_factors(b, static_cast<int>(low | high << 4) - 32, 0);
  }
  read_two_bits(block + 32, out.u);
  for (std::size_t i = 0; i < 256; ++i) {
    const unsigned third = load_byte(block + i % 32) >> (i / 32) & 1u;
    out.u[i] = static_cast<std::uint8_t>(out.u[i] | third << 2);
  }
  return out;
}

void Q3_K::write(const Target<256>& target, std::byte* block) {
  const SuperBlock<16> fit =
      fit_scaled_super<16>(with_more_for_large(target, 2.0f), {-4.0f, 3.0f}, {-32.0f, 31.0f}, {-1.25f, 0.125f, 2, 2});
  std::byte* s = block + 96;
  for (std::size_t at = 0; at < 12; ++at) s[at] = std::byte{0};
  for (std::size_t b = 0; b < 16; ++b) {
    const unsigned scale = whole(fit.scale[b] + 32.0f);
    s[b % 8] |= static_cast<std::byte>((scale & 15u) << (b / 8 * 4));
    s[8 + b % 4] |= static_cast<std::byte>(scale >> 4 << (b / 4 * 2));
  }
  store_half(block + 108, fit.d * target.unit);
  write_two_bits(fit.u, block + 32);
  for (std::size_t i = 0; i < 32; ++i) {
    unsigned third = 0;
    for (std::size_t j = 0; j < 8; ++j) third |= (whole(fit.u[32 * j + i]) >> 2) << j;
    block[i] = static_cast<std::byte>(third);
  }
}

}  // namespace kinglet::dtype
