#pragma once

// Products of bytes as plain loops: the definition. Included by dots.h.

#include <cstdint>
#include <cstring>

#include "kernels/dots.h"

namespace kinglet::kernels {

template <>
struct ByteLanes<Scalar> {
  std::uint8_t byte[4 * kLaneCount];

  static ByteLanes load(const std::uint8_t* from) {
    ByteLanes out;
    std::memcpy(out.byte, from, sizeof(out.byte));
    return out;
  }
};

template <int kLeft, unsigned kMask>
inline ByteLanes<Scalar> field(ByteLanes<Scalar> b) {
  for (std::uint8_t& byte : b.byte) {
    const unsigned bits = byte;
    byte = static_cast<std::uint8_t>((kLeft < 0 ? bits >> -kLeft : bits << kLeft) & kMask);
  }
  return b;
}
inline ByteLanes<Scalar> merge(ByteLanes<Scalar> a, const ByteLanes<Scalar>& b) {
  for (std::size_t i = 0; i < sizeof(a.byte); ++i) a.byte[i] |= b.byte[i];
  return a;
}
inline ByteLanes<Scalar> lookup(const std::uint8_t* table, ByteLanes<Scalar> b) {
  for (std::uint8_t& byte : b.byte) byte = table[byte];
  return b;
}

template <int kLargest, int kZero>
struct Dots<Scalar, kLargest, kZero> {
  static constexpr std::size_t kTerms = kMostTerms;
  IntLanes<Scalar> sums;

  void start(const IntLanes<Scalar>&) { sums = IntLanes<Scalar>::broadcast(0); }
  void add(const ByteLanes<Scalar>& u, const std::int8_t* x) {
    for (std::size_t row = 0; row < kLaneCount; ++row) {
      for (std::size_t i = 0; i < 4; ++i) sums.lane[row] += (u.byte[4 * row + i] - kZero) * x[i];
    }
  }
  void fold() {}
  IntLanes<Scalar> total() const { return sums; }
};

}  // namespace kinglet::kernels
