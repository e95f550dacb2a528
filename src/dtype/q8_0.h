#pragma once

// q8_0 (GGUF): 32 weights in 34 bytes.
//
//   0  d   f16
//   2  q   32 x i8          w[i] = d * q[i]

#include "dtype/fit.h"
#include "dtype/integers.h"
#include "dtype/panel.h"

namespace kinglet::dtype {

struct Q8_0 {
  using Panel = Q8_0Panel;
  using Block = Integers<32, 32>;
  static constexpr std::size_t kBytes = 34;
  static constexpr Direct kDirect = {.scale_at = 0, .minimum_at = 0, .codes_at = 2, .flip = 0x80808080};
  static Block read(const std::byte* block);
  static void write(const Target<32>& target, std::byte* block);
};

}  // namespace kinglet::dtype
