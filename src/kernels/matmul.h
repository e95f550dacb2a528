#pragma once

// out = W x + bias over panels of 16 output rows (numerics contract, rule 3).
//
// A tile is some panels by some tokens whose sums stay in registers. Lanes are output rows and
// every sum runs along K in one fixed order, so a result does not depend on the tile it was in.

#include <algorithm>
#include <cstddef>

#include "kernels/float_tile.h"
#include "kernels/integer_tile.h"
#include "kernels/stretch.h"
#include "kernels/table.h"

namespace kinglet::kernels {

// How the tiles of a panel are computed.
template <class L, class PanelLayout>
struct ExactProduct {
  using Panel = PanelLayout;

  template <std::size_t kPanels, std::size_t kTokens>
  static inline void tile(const Matmul& call, const Stretch& stretch, std::size_t panel, std::size_t token) noexcept {
    if constexpr (Panel::kInteger) {
      integer_tile<L, Panel, kPanels, kTokens>(call, stretch, panel, token);
    } else {
      float_tile<L, Panel, ExactSteps, kPanels, kTokens>(call, stretch, panel, token);
    }
  }
};

constexpr std::size_t next_smaller(std::size_t tokens) {
  return tokens > 4 ? (tokens > 8 ? 8 : 4) : tokens / 2;
}

// Tokens [token, end) for kPanels panels, in tiles of kTokens, then of fewer, down to one.
template <class Product, std::size_t kPanels, std::size_t kTokens>
inline void token_tiles(const Matmul& call, const Stretch& stretch, std::size_t panel,
                        std::size_t token, std::size_t end) noexcept {
  for (; token + kTokens <= end; token += kTokens) {
    Product::template tile<kPanels, kTokens>(call, stretch, panel, token);
  }
  if constexpr (kTokens > 1) {
    token_tiles<Product, kPanels, next_smaller(kTokens)>(call, stretch, panel, token, end);
  }
}

template <class L, class Panel>
constexpr std::size_t gemv_panels() {
  if constexpr (Panel::kInteger) return L::kIntegerGemvPanels;
  else return sizeof(typename Panel::Stored) == 2 ? L::kGemvPanelsOf16Bits : L::kGemvPanels;
}

// One token: the weights are read once and nothing is worth keeping, but some panels go together to
// cover the latency of the multiply-add.
template <class L, class Product>
void matvec(const Matmul& call, std::size_t begin, std::size_t end) noexcept {
  using Panel = typename Product::Panel;
  constexpr std::size_t kPanels = gemv_panels<L, Panel>();
  const Stretch whole = {0, call.in_width};
  std::size_t panel = begin;
  for (; panel + kPanels <= end; panel += kPanels) Product::template tile<kPanels, 1>(call, whole, panel, 0);
  for (; panel < end; ++panel) Product::template tile<1, 1>(call, whole, panel, 0);
}

template <class L, class Product>
void multiply(const Matmul& call, std::size_t begin, std::size_t end) noexcept {
  using Panel = typename Product::Panel;
  if (call.tokens == 1) return matvec<L, Product>(call, begin, end);
  constexpr std::size_t kPanels = Panel::kInteger ? L::kIntegerPanels : L::kPanels;
  constexpr std::size_t kTokens = Panel::kInteger ? L::kIntegerTokens : L::kTokens;
  // The activations of so many tokens and so long a stretch fill half of a second cache of 1 MiB.
  constexpr std::size_t kTokenBlock = 128, kStretch = 4 * kFloatBlock;

  for (std::size_t token = 0; token < call.tokens; token += kTokenBlock) {
    const std::size_t last = std::min(token + kTokenBlock, call.tokens);
    for (std::size_t k = 0; k < call.in_width; k += kStretch) {
      const Stretch stretch = {k, std::min(k + kStretch, call.in_width)};
      std::size_t panel = begin;
      for (; panel + kPanels <= end; panel += kPanels) {
        token_tiles<Product, kPanels, kTokens>(call, stretch, panel, token, last);
      }
      for (; panel < end; ++panel) token_tiles<Product, 1, kTokens>(call, stretch, panel, token, last);
    }
  }
}

template <class L, class Panel>
void matmul(const Matmul& call, std::size_t begin, std::size_t end) noexcept {
  multiply<L, ExactProduct<L, Panel>>(call, begin, end);
}

}  // namespace kinglet::kernels
