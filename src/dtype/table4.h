#pragma once

// iq4_nl and mxfp4 (GGUF): 32 weights of 4 bits that choose from a table of 16 integers.
//
//   iq4_nl, 18 bytes        mxfp4, 17 bytes
//   0  d   f16              0  e   u8
//   2  n   16 bytes         1  n   16 bytes
//
//   c[i] = low nibble of n[i], c[i + 16] = high nibble of n[i], i < 16
//   iq4_nl: w[i] = d * table[c[i]]        mxfp4: w[i] = 2^(e - 128) * table[c[i]]
//
// mxfp4's table is twice the 4-bit floats of OCP Microscaling (0, 0.5, 1, 1.5, 2, 3, 4, 6), sign in the
// top bit; its minus zero is plain zero here, as in every GGUF reader.

#include "dtype/fit.h"
#include "dtype/integers.h"
#include "dtype/panel.h"

namespace kinglet::dtype {

struct IQ4_NL {
  using Panel = IQ4_NLPanel;
  using Block = Integers<32, 32>;
  static constexpr std::size_t kBytes = 18;
  static constexpr Direct kDirect = {.scale_at = 0, .minimum_at = 0, .codes_at = 2, .flip = 0};
  static Block read(const std::byte* block);
  static void write(const Target<32>& target, std::byte* block);
};

struct MXFP4 {
  using Panel = MXFP4Panel;
  using Block = Integers<32, 32>;
  static constexpr std::size_t kBytes = 17;
  static Block read(const std::byte* block);
  static void write(const Target<32>& target, std::byte* block);
};

}  // namespace kinglet::dtype
