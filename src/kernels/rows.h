#pragma once

// What happens to single rows: norm, softmax, rotation, activation functions (numerics contract,
// rules 5 to 7). Any length: the tail goes through padded lanes.

#include <algorithm>
#include <cmath>

#include "kernels/lanes.h"
#include "kernels/table.h"

namespace kinglet::kernels {

// function(lanes of x at i) for every 16 values, the last ones padded with `fill`.
template <class L, class Function>
inline void for_each_lanes(const float* x, std::size_t n, float fill, const Function& function) {
  std::size_t i = 0;
  for (; i + kLaneCount <= n; i += kLaneCount) function(Lanes<L>::load(x + i), i, kLaneCount);
  if (i < n) function(load_first<L>(x + i, n - i, fill), i, n - i);
}

template <class L>
inline void store_part(const Lanes<L>& x, float* to, std::size_t n) {
  if (n == kLaneCount) {
    x.store(to);
  } else {
    store_first(x, to, n);
  }
}

template <class L>
inline Lanes<L> load_part(const float* from, std::size_t n) {
  return n == kLaneCount ? Lanes<L>::load(from) : load_first<L>(from, n, 0.0f);
}

// RMSNorm, arXiv:1910.07467
template <class L>
float inverse_rms(const float* x, std::size_t n, float eps) noexcept {
  Lanes<L> squares = Lanes<L>::broadcast(0.0f);
  for_each_lanes<L>(x, n, 0.0f, [&](const Lanes<L>& value, std::size_t, std::size_t) {
    squares = fma(value, value, squares);
  });
  return 1.0f / std::sqrt(sum(squares) / static_cast<float>(n) + eps);
}

template <class L>
void scale(const float* x, const float* weight, float factor, std::size_t n, float* y) noexcept {
  const Lanes<L> factors = Lanes<L>::broadcast(factor);
  for_each_lanes<L>(x, n, 0.0f, [&](const Lanes<L>& value, std::size_t i, std::size_t count) {
    store_part((value * factors) * load_part<L>(weight + i, count), y + i, count);
  });
}

template <class L>
void softmax(float* x, std::size_t n) noexcept {
  Lanes<L> top = Lanes<L>::broadcast(-INFINITY);
  for_each_lanes<L>(x, n, -INFINITY, [&](const Lanes<L>& value, std::size_t, std::size_t) {
    top = maximum(top, value);
  });
  const Lanes<L> shift = Lanes<L>::broadcast(largest(top));
  Lanes<L> total = Lanes<L>::broadcast(0.0f);
  for_each_lanes<L>(x, n, -INFINITY, [&](const Lanes<L>& value, std::size_t i, std::size_t count) {
    const Lanes<L> power = exp(value - shift);
    store_part(power, x + i, count);
    total = total + power;
  });
  const Lanes<L> whole = Lanes<L>::broadcast(sum(total));
  for_each_lanes<L>(x, n, 0.0f, [&](const Lanes<L>& value, std::size_t i, std::size_t count) {
    store_part(value / whole, x + i, count);
  });
}

// Sums in lanes over 256 values at a time, and those in double: the sum of a large vocabulary keeps
// the accuracy of its terms.
template <class L>
Exponentials exponentials(const float* x, std::size_t n) noexcept {
  constexpr std::size_t kBlock = 256;
  Lanes<L> top = Lanes<L>::broadcast(-INFINITY);
  for_each_lanes<L>(x, n, -INFINITY, [&](const Lanes<L>& value, std::size_t, std::size_t) {
    top = maximum(top, value);
  });
  Exponentials result = {.top = largest(top)};
  const Lanes<L> shift = Lanes<L>::broadcast(result.top);
  const Lanes<L> nothing = Lanes<L>::broadcast(-128.0f);  // exp of it is 0
  for (std::size_t at = 0; at < n; at += kBlock) {
    Lanes<L> sums = Lanes<L>::broadcast(0.0f), weighted = sums;
    for_each_lanes<L>(x + at, std::min(kBlock, n - at), -INFINITY,
                      [&](const Lanes<L>& value, std::size_t, std::size_t) {
                        const Lanes<L> shifted = maximum(value - shift, nothing);
                        const Lanes<L> power = exp(shifted);
                        sums = sums + power;
                        weighted = fma(shifted, power, weighted);
                      });
    result.sum += static_cast<double>(sum(sums));
    result.weighted += static_cast<double>(sum(weighted));
  }
  return result;
}

// arXiv:2104.09864, the half-split pairing.
template <class L>
void rotate(float* x, const float* cosines, const float* sines, std::size_t n) noexcept {
  for_each_lanes<L>(x, n, 0.0f, [&](const Lanes<L>& a, std::size_t i, std::size_t count) {
    const Lanes<L> b = load_part<L>(x + n + i, count);
    const Lanes<L> cosine = load_part<L>(cosines + i, count);
    const Lanes<L> sine = load_part<L>(sines + i, count);
    store_part(fma(negative(b), sine, a * cosine), x + i, count);
    store_part(fma(a, sine, b * cosine), x + n + i, count);
  });
}

template <class L>
void add(const float* y, std::size_t n, float* h) noexcept {
  for_each_lanes<L>(y, n, 0.0f, [&](const Lanes<L>& value, std::size_t i, std::size_t count) {
    store_part(load_part<L>(h + i, count) + value, h + i, count);
  });
}

// silu(g) = g / (1 + exp(-g)); SwiGLU, arXiv:2002.05202
template <class L>
void silu_multiply(const float* gate, const float* up, std::size_t n, float* out) noexcept {
  const Lanes<L> one = Lanes<L>::broadcast(1.0f);
  for_each_lanes<L>(gate, n, 0.0f, [&](const Lanes<L>& g, std::size_t i, std::size_t count) {
    const Lanes<L> silu = g / (one + exp(negative(g)));
    store_part(silu * load_part<L>(up + i, count), out + i, count);
  });
}

template <class L>
void exp_row(const float* x, std::size_t n, float* y) noexcept {
  for_each_lanes<L>(x, n, 0.0f, [&](const Lanes<L>& value, std::size_t i, std::size_t count) {
    store_part(exp(value), y + i, count);
  });
}

}  // namespace kinglet::kernels
