#pragma once

// A tile of a product with float weights: some panels by some tokens, whose sums stay in registers.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dtype/panel.h"
#include "kernels/lanes.h"
#include "kernels/stretch.h"
#include "kernels/table.h"

namespace kinglet::kernels {

// Of 16 rows at k. kPart: which of a pair along K that is, where the panel has pairs.
template <class L, class Panel, std::size_t kPart>
inline Lanes<L> load_weights(const std::byte* panel, std::size_t k) {
  if constexpr (std::is_base_of_v<dtype::F32Panel, Panel>) {
    return Lanes<L>::load(reinterpret_cast<const float*>(panel) + k * kLaneCount);
  } else if constexpr (std::is_base_of_v<dtype::F16Panel, Panel>) {
    return Lanes<L>::load_half(reinterpret_cast<const std::uint16_t*>(panel) + k * kLaneCount);
  } else {
    const auto* pairs = reinterpret_cast<const std::uint32_t*>(panel) + (k - kPart) / 2 * kLaneCount;
    return kPart == 0 ? Lanes<L>::load_bfloat_first(pairs) : Lanes<L>::load_bfloat_second(pairs);
  }
}

// kPanels x kTokens sums, kept in registers.
template <class L, std::size_t kPanels, std::size_t kTokens>
struct Tile {
  Lanes<L> sum[kPanels][kTokens];

  // f(sum, panel, token) for each, unrolled.
  template <class Function>
  inline void each(const Function& f) {
#pragma GCC unroll 16
    for (std::size_t p = 0; p < kPanels; ++p) {
#pragma GCC unroll 16
      for (std::size_t t = 0; t < kTokens; ++t) f(sum[p][t], p, t);
    }
  }
};

template <class L, class Panel, class Steps, std::size_t kPart, std::size_t kPanels, std::size_t kTokens>
inline void float_step(const Matmul& call, const std::byte* weights, const float* x, std::size_t k,
                       Tile<L, kPanels, kTokens>& block) {
  Lanes<L> w[kPanels];
#pragma GCC unroll 16
  for (std::size_t p = 0; p < kPanels; ++p) w[p] = load_weights<L, Panel, kPart>(weights + p * call.panel_bytes, k);
#pragma GCC unroll 16
  for (std::size_t t = 0; t < kTokens; ++t) {
    const Lanes<L> value = Lanes<L>::broadcast(x[t * call.x_stride + k]);
#pragma GCC unroll 16
    for (std::size_t p = 0; p < kPanels; ++p) {
      block.sum[p][t] = Steps::multiply_add(w[p], value, block.sum[p][t]);
    }
  }
}

template <class L, class Panel, class Steps, std::size_t kPanels, std::size_t kTokens>
void float_tile(const Matmul& call, const Stretch& stretch, std::size_t panel,
                std::size_t token) noexcept {
  const std::byte* weights = call.panels + panel * call.panel_bytes;
  const float* x = call.x + token * call.x_stride;

  Tile<L, kPanels, kTokens> total;
  total.each([&](Lanes<L>& sum, std::size_t p, std::size_t t) {
    sum = load_sums<L>(call, stretch, panel + p, token + t);
  });
  for (std::size_t begin = stretch.begin; begin < stretch.end; begin += kFloatBlock) {
    const std::size_t end = std::min(begin + kFloatBlock, stretch.end);
    Tile<L, kPanels, kTokens> block;
    block.each([](Lanes<L>& sum, std::size_t, std::size_t) { sum = Lanes<L>::broadcast(0.0f); });
    if constexpr (requires { Panel::kPair; }) {
      constexpr std::size_t kFirst = Steps::kSecondFirst ? 1 : 0;
      std::size_t k = begin;
      // Steps that take the second first find a zero after an odd end.
      for (; k + 1 < end + kFirst; k += 2) {
        float_step<L, Panel, Steps, kFirst>(call, weights, x, k + kFirst, block);
        float_step<L, Panel, Steps, 1 - kFirst>(call, weights, x, k + 1 - kFirst, block);
      }
      if (k < end) float_step<L, Panel, Steps, 0>(call, weights, x, k, block);
    } else {
      for (std::size_t k = begin; k < end; ++k) float_step<L, Panel, Steps, 0>(call, weights, x, k, block);
    }
    total.each([&](Lanes<L>& sum, std::size_t p, std::size_t t) { sum = Steps::add(sum, block.sum[p][t]); });
  }
  total.each([&](Lanes<L>& sum, std::size_t p, std::size_t t) {
    store_sums<L, Steps>(call, stretch, panel + p, token + t, sum);
  });
}

}  // namespace kinglet::kernels
