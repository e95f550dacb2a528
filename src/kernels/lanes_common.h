#pragma once

// What follows from the operations of the lanes alone, the same on every level. Included by lanes.h.

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/lanes.h"

namespace kinglet::kernels {

// The first n lanes from memory, the others `fill`.
template <class L>
inline Lanes<L> load_first(const float* from, std::size_t n, float fill) {
  float lane[kLaneCount];
  for (std::size_t i = 0; i < kLaneCount; ++i) lane[i] = i < n ? from[i] : fill;
  return Lanes<L>::load(lane);
}

template <class L>
inline void store_first(const Lanes<L>& x, float* to, std::size_t n) {
  float lane[kLaneCount];
  x.store(lane);
  std::memcpy(to, lane, n * sizeof(float));
}

// -x, zeros' signs included.
template <class L>
inline Lanes<L> negative(const Lanes<L>& x) {
  return Lanes<L>::broadcast(-0.0f) - x;
}
template <class L>
inline Lanes<L> minimum(const Lanes<L>& a, const Lanes<L>& b) {
  return select_less(a, b, a, b);
}
template <class L>
inline Lanes<L> maximum(const Lanes<L>& a, const Lanes<L>& b) {
  return select_less(a, b, b, a);
}

// e^x to about 1 ulp. Exactly 0 below -87.33654 (the smallest normal result), infinite from
// 88.72284 up, NaN for NaN.
//
// x = n ln 2 + r with |r| <= ln(2) / 2; e^r by a polynomial of degree 6 (minimax on that interval),
// then n into the exponent. Adding 1.5 * 2^23 rounds to a whole number, half to even, on every
// machine alike.
template <class L>
[[gnu::always_inline]] inline Lanes<L> exp(const Lanes<L>& x) {
  const auto constant = [](float value) { return Lanes<L>::broadcast(value); };
  const Lanes<L> rounder = constant(0x1.8p23f);
  const Lanes<L> shifted = fma(x, constant(0x1.715476p0f), rounder);  // x / ln 2
  const Lanes<L> n = shifted - rounder;
  Lanes<L> r = fma(n, constant(-0x1.62e400p-1f), x);  // ln 2 in two parts: n * the first is exact
  r = fma(n, constant(-0x1.7f7d1cp-20f), r);

  Lanes<L> p = constant(0x1.6a23cep-10f);
  p = fma(p, r, constant(0x1.123a20p-7f));
  p = fma(p, r, constant(0x1.5558f2p-5f));
  p = fma(p, r, constant(0x1.555492p-3f));
  p = fma(p, r, constant(0x1.fffffcp-2f));
  p = fma(p, r, constant(1.0f));
  p = fma(p, r, constant(1.0f));

  Lanes<L> result = add_exponent(p, shifted);
  result = select_less(absolute(x), constant(INFINITY), result, x);  // keeps NaN and +infinity
  result = select_less(constant(0x1.62e42ep6f), x, constant(INFINITY), result);
  return select_less(x, constant(-87.33654f), constant(0.0f), result);
}

}  // namespace kinglet::kernels
