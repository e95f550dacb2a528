#pragma once

// q4_0 and q4_1 (GGUF): 32 weights of 4 bits.
//
//   q4_0, 18 bytes          q4_1, 20 bytes
//   0  d   f16              0  d   f16
//                           2  m   f16
//   2  n   16 bytes         4  n   16 bytes
//
//   u[i] = low nibble of n[i], u[i + 16] = high nibble of n[i], i < 16
//   q4_0: w[i] = d * (u[i] - 8)           q4_1: w[i] = d * u[i] + m

#include "dtype/fit.h"
#include "dtype/integers.h"
#include "dtype/panel.h"

namespace kinglet::dtype {

struct Q4_0 {
  using Panel = Q4_0Panel;
  using Block = Integers<32, 32>;
  static constexpr std::size_t kBytes = 18;
  static constexpr Direct kDirect = {.scale_at = 0, .minimum_at = 0, .codes_at = 2, .flip = 0};
  static Block read(const std::byte* block);
  static void write(const Target<32>& target, std::byte* block);
};

struct Q4_1 {
  using Panel = Q4_1Panel;
  using Block = Integers<32, 32>;
  static constexpr std::size_t kBytes = 20;
  static constexpr Direct kDirect = {.scale_at = 0, .minimum_at = 2, .codes_at = 4, .flip = 0};
  static Block read(const std::byte* block);
  static void write(const Target<32>& target, std::byte* block);
};

}  // namespace kinglet::dtype
