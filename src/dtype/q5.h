#pragma once

// q5_0 and q5_1 (GGUF): 32 weights of 5 bits, the fifth bits apart.
//
//   q5_0, 22 bytes          q5_1, 24 bytes
//   0  d   f16              0  d   f16
//                           2  m   f16
//   2  h   u32              4  h   u32
//   6  n   16 bytes         8  n   16 bytes
//
//   u[i] = low nibble of n[i] | bit i of h << 4, u[i + 16] = high nibble | bit (i + 16) of h << 4
//   q5_0: w[i] = d * (u[i] - 16)          q5_1: w[i] = d * u[i] + m

#include "dtype/fit.h"
#include "dtype/integers.h"
#include "dtype/panel.h"

namespace kinglet::dtype {

struct Q5_0 {
  using Panel = Q5_0Panel;
  using Block = Integers<32, 32>;
  static constexpr std::size_t kBytes = 22;
  static Block read(const std::byte* block);
  static void write(const Target<32>& target, std::byte* block);
};

struct Q5_1 {
  using Panel = Q5_1Panel;
  using Block = Integers<32, 32>;
  static constexpr std::size_t kBytes = 24;
  static Block read(const std::byte* block);
  static void write(const Target<32>& target, std::byte* block);
};

}  // namespace kinglet::dtype
