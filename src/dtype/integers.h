#pragma once

// What all integer formats have in common: a block gives unsigned integers with one scale, and
// perhaps one minimum, per sub-block; w = scale * (u - zero) + minimum. A format's file says how
// its bytes hold them; unpacking and panel packing follow from that alone.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dtype/half.h"

namespace kinglet::dtype {

// `kValues` weights of one row as integers. kSub weights share a scale.
template <std::size_t kValues, std::size_t kSub>
struct Integers {
  static constexpr std::size_t kCount = kValues;
  static constexpr std::size_t kPerScale = kSub;
  std::uint8_t u[kValues];
  float scale[kValues / kSub];
  float minimum[kValues / kSub];  // 0 in formats that have none
};

// Where a block of 32 has its parts, in formats whose bytes are those of a panel but for their order:
// nibbles of values i and i + 16 together, or bytes. `flip` is what the bytes differ by.
struct Direct {
  std::size_t scale_at, minimum_at, integers_at;
  std::uint32_t flip;
};

inline float load_half(const std::byte* at) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, at, 2);
  return float_from_half(bits);
}

// The nearest f16; a magnitude beyond the largest one becomes that, since a scale must stay finite.
inline float store_half(std::byte* at, float value) {
  constexpr float kLargest = 65504.0f;
  const float kept = value > kLargest ? kLargest : value < -kLargest ? -kLargest : value;
  const std::uint16_t bits = half_from_float(kept);
  std::memcpy(at, &bits, 2);
  return float_from_half(bits);  // what a reader will find
}

inline std::uint8_t load_byte(const std::byte* at) { return std::to_integer<std::uint8_t>(*at); }

}  // namespace kinglet::dtype
