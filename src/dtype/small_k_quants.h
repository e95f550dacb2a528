#pragma once

// q2_k and q3_k (GGUF): super-blocks of 256 weights, 16 sub-blocks b of 16.
//
//   q2_k, 84 bytes                    q3_k, 110 bytes
//   0   s      16 bytes               0    h      32 bytes
//   16  n      64 bytes               32   n      64 bytes
//   80  d      f16                    96   s      12 bytes
//   82  dmin   f16                    108  d      f16
//
//   Two bits of each weight: in each half (128 weights, 32 bytes of n), weights [32j, 32j + 32) are
//   bits 2j and 2j + 1 of the bytes.
//   q2_k: s[b] holds the scale sc[b] in its low nibble, the minimum mn[b] in the high one.
//         w = (d * sc[b]) * u - (dmin * mn[b])
//   q3_k: bit 4 * half + j of h[i] is the third bit of weight 32j + i of that half. The scales sc[b]
//         have 6 bits: nibble b / 8 of s[b % 8], and above it bits 2(b / 4) and 2(b / 4) + 1 of
//         s[8 + b % 4].
//         w = (d * (sc[b] - 32)) * (u - 4)

#include "dtype/fit.h"
#include "dtype/integers.h"
#include "dtype/panel.h"

namespace kinglet::dtype {

struct Q2_K {
  using Panel = Q2_KPanel;
  using Block = SuperIntegers<16>;
  static constexpr std::size_t kBytes = 84;
  static Block read(const std::byte* block);
  static void write(const Target<256>& target, std::byte* block);
};

struct Q3_K {
  using Panel = Q3_KPanel;
  using Block = SuperIntegers<16>;
  static constexpr std::size_t kBytes = 110;
  static Block read(const std::byte* block);
  static void write(const Target<256>& target, std::byte* block);
};

}  // namespace kinglet::dtype
