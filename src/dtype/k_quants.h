#pragma once

// q4_k, q5_k, q6_k (GGUF): super-blocks of 256 weights whose sub-blocks have integer scales.
//
//   q4_k, 144 bytes                   q5_k, 176 bytes
//   0   d      f16                    0   d      f16
//   2   dmin   f16                    2   dmin   f16
//   4   s      12 bytes               4   s      12 bytes
//   16  n      128 bytes              16  h      32 bytes
//                                     48  n      128 bytes
//   8 sub-blocks b of 32. s holds 6-bit scales sc[b] and minima mn[b]: for b < 4 the low 6 bits of
//   s[b] and s[b + 4]; for b >= 4 the low and high nibble of s[b + 4], with the top two bits of
//   s[b - 4] and s[b] above them.
//   Nibbles: bytes [32j, 32j + 32) of n hold sub-block 2j in the low and 2j + 1 in the high nibbles.
//   q5_k: bit b of h[i] is the fifth bit of weight i of sub-block b.
//   w = (d * sc[b]) * u - (dmin * mn[b])
//
//   q6_k, 210 bytes
//   0    low   128 bytes   low 4 bits
//   128  high  64 bytes    upper 2 bits
//   192  sc    16 x i8     scales of 16 sub-blocks of 16
//   208  d     f16
//   In each half (128 weights; 64 of low, 32 of high), for i < 32:
//     u[i]      = low nibble of low[i]       | bits 0-1 of high[i] << 4
//     u[i + 32] = low nibble of low[i + 32]  | bits 2-3 of high[i] << 4
//     u[i + 64] = high nibble of low[i]      | bits 4-5 of high[i] << 4
//     u[i + 96] = high nibble of low[i + 32] | bits 6-7 of high[i] << 4
//   w = (d * sc) * (u - 32)

#include "dtype/fit.h"
#include "dtype/integers.h"
#include "dtype/panel.h"

namespace kinglet::dtype {

struct Q4_K {
  using Panel = Q4_KPanel;
  using Block = SuperIntegers<32>;
  static constexpr std::size_t kBytes = 144;
  static Block read(const std::byte* block);
  static void write(const Target<256>& target, std::byte* block);
};

struct Q5_K {
  using Panel = Q5_KPanel;
  using Block = SuperIntegers<32>;
  static constexpr std::size_t kBytes = 176;
  static Block read(const std::byte* block);
  static void write(const Target<256>& target, std::byte* block);
};

struct Q6_K {
  using Panel = Q6_KPanel;
  using Block = SuperIntegers<16>;
  static constexpr std::size_t kBytes = 210;
  static Block read(const std::byte* block);
  static void write(const Target<256>& target, std::byte* block);
};

}  // namespace kinglet::dtype
