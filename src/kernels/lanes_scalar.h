#pragma once

// The lanes as plain arrays: the definition of every operation. Included by lanes.h.

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "dtype/half.h"
#include "kernels/lanes.h"

namespace kinglet::kernels {

template <>
struct Lanes<Scalar> {
  float lane[kLaneCount];

  static Lanes broadcast(float x) {
    Lanes out;
    for (float& value : out.lane) value = x;
    return out;
  }
  static Lanes load(const float* from) {
    Lanes out;
    std::memcpy(out.lane, from, sizeof(out.lane));
    return out;
  }
  static Lanes load_half(const std::uint16_t* from) {
    Lanes out;
    for (std::size_t i = 0; i < kLaneCount; ++i) out.lane[i] = dtype::float_from_half(from[i]);
    return out;
  }
  // The first, or the second, of 16 pairs.
  static Lanes load_bfloat_first(const std::uint32_t* from) {
    Lanes out;
    for (std::size_t i = 0; i < kLaneCount; ++i) out.lane[i] = std::bit_cast<float>(from[i] << 16);
    return out;
  }
  static Lanes load_bfloat_second(const std::uint32_t* from) {
    Lanes out;
    for (std::size_t i = 0; i < kLaneCount; ++i) out.lane[i] = std::bit_cast<float>(from[i] & 0xFFFF0000u);
    return out;
  }
  static Lanes load_bytes(const std::int8_t* from) {
    Lanes out;
    for (std::size_t i = 0; i < kLaneCount; ++i) out.lane[i] = static_cast<float>(from[i]);
    return out;
  }
  // Whole numbers of at most 127 in magnitude.
  void store_bytes(std::int8_t* to) const {
    for (std::size_t i = 0; i < kLaneCount; ++i) to[i] = static_cast<std::int8_t>(lane[i]);
  }
  void store(float* to) const { std::memcpy(to, lane, sizeof(lane)); }
  // Round to nearest even. |x| <= 65504 or not finite.
  void store_half(std::uint16_t* to) const {
    for (std::size_t i = 0; i < kLaneCount; ++i) to[i] = dtype::half_from_float(lane[i]);
  }
};

template <>
struct IntLanes<Scalar> {
  std::int32_t lane[kLaneCount];

  static IntLanes broadcast(std::int32_t x) {
    IntLanes out;
    for (std::int32_t& value : out.lane) value = x;
    return out;
  }
};

// One result per lane; `Result` is Lanes or IntLanes.
template <class Result, class Function>
Result each_lane(const Function& function) {
  Result out;
  for (std::size_t i = 0; i < kLaneCount; ++i) out.lane[i] = function(i);
  return out;
}

using ScalarLanes = Lanes<Scalar>;
using ScalarInts = IntLanes<Scalar>;

inline ScalarLanes operator+(const ScalarLanes& a, const ScalarLanes& b) {
  return each_lane<ScalarLanes>([&](std::size_t i) { return a.lane[i] + b.lane[i]; });
}
inline ScalarLanes operator-(const ScalarLanes& a, const ScalarLanes& b) {
  return each_lane<ScalarLanes>([&](std::size_t i) { return a.lane[i] - b.lane[i]; });
}
inline ScalarLanes operator*(const ScalarLanes& a, const ScalarLanes& b) {
  return each_lane<ScalarLanes>([&](std::size_t i) { return a.lane[i] * b.lane[i]; });
}
inline ScalarLanes operator/(const ScalarLanes& a, const ScalarLanes& b) {
  return each_lane<ScalarLanes>([&](std::size_t i) { return a.lane[i] / b.lane[i]; });
}
inline ScalarLanes fma(const ScalarLanes& a, const ScalarLanes& b, const ScalarLanes& c) {
  return each_lane<ScalarLanes>([&](std::size_t i) { return std::fma(a.lane[i], b.lane[i], c.lane[i]); });
}
// a < b ? x : y; false where one is NaN.
inline ScalarLanes select_less(const ScalarLanes& a, const ScalarLanes& b, const ScalarLanes& x,
                               const ScalarLanes& y) {
  return each_lane<ScalarLanes>(
      [&](std::size_t i) { return a.lane[i] < b.lane[i] ? x.lane[i] : y.lane[i]; });
}
inline ScalarLanes absolute(const ScalarLanes& a) {
  return each_lane<ScalarLanes>([&](std::size_t i) {
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(a.lane[i]) & 0x7FFFFFFFu);
  });
}

// Lane i with lane i + 8, then + 4, + 2, + 1.
inline float sum(ScalarLanes x) {
  for (std::size_t half = 8; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) x.lane[i] = x.lane[i] + x.lane[i + half];
  }
  return x.lane[0];
}
inline float largest(ScalarLanes x) {
  for (std::size_t half = 8; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) {
      x.lane[i] = x.lane[i] < x.lane[i + half] ? x.lane[i + half] : x.lane[i];
    }
  }
  return x.lane[0];
}

inline ScalarInts operator+(const ScalarInts& a, const ScalarInts& b) {
  return each_lane<ScalarInts>([&](std::size_t i) { return a.lane[i] + b.lane[i]; });
}
inline ScalarLanes to_float(const ScalarInts& a) {
  return each_lane<ScalarLanes>([&](std::size_t i) { return static_cast<float>(a.lane[i]); });
}
// x with n, a whole number from -126 to 128, added to its exponent: x * 2^n where that is normal.
// `shifted` is n + 1.5 * 2^23.
inline ScalarLanes add_exponent(const ScalarLanes& x, const ScalarLanes& shifted) {
  return each_lane<ScalarLanes>([&](std::size_t i) {
    const std::uint32_t n = std::bit_cast<std::uint32_t>(shifted.lane[i]) << 23;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x.lane[i]) + n);
  });
}

}  // namespace kinglet::kernels
