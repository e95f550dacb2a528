#pragma once

// What all integer formats have in common: a block gives codes (panel.h) with one scale, and perhaps
// one minimum, per sub-block. A format's file says how its bytes hold them; unpacking and panel packing
// follow from that alone.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dtype/half.h"

namespace kinglet::dtype {

// `kValues` weights of one row as codes. kSub weights share a scale.
template <std::size_t kValues, std::size_t kSub>
struct Integers {
  static constexpr std::size_t kCount = kValues;
  static constexpr std::size_t kPerScale = kSub;
  std::uint8_t u[kValues];
  float scale[kValues / kSub];
  float minimum[kValues / kSub];  // 0 in formats that have none
};

// A super-block: scale = d * scale_factor, exactly (11 + 8 bits), and minimum = -(dmin * minimum_factor).
template <std::size_t kSub>
struct SuperIntegers : Integers<256, kSub> {
  std::uint16_t d, dmin;  // f16
  std::int8_t scale_factor[256 / kSub];
  std::int8_t minimum_factor[256 / kSub];

  void set_units(const std::byte* d_at, const std::byte* dmin_at) {
    std::memcpy(&d, d_at, 2);
    if (dmin_at != nullptr) std::memcpy(&dmin, dmin_at, 2);
  }
  void set_factors(std::size_t sub, int of_scale, int of_minimum) {
    scale_factor[sub] = static_cast<std::int8_t>(of_scale);
    minimum_factor[sub] = static_cast<std::int8_t>(of_minimum);
    this->scale[sub] = float_from_half(d) * static_cast<float>(of_scale);
    this->minimum[sub] = -(float_from_half(dmin) * static_cast<float>(of_minimum));
  }
};

// Where a block of 32 has its parts, in formats whose bytes are those of a panel but for their order:
// nibbles of values i and i + 16 together, or bytes. `flip` is what the bytes differ by.
struct Direct {
  std::size_t scale_at, minimum_at, codes_at;
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
