#pragma once

// A tile of a product with integer weights, and activations as int8 (numerics contract, rule 3).

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "dtype/panel.h"
#include "kernels/dots.h"
#include "kernels/lanes.h"
#include "kernels/stretch.h"
#include "kernels/table.h"

namespace kinglet::kernels {

// f(std::integral_constant) for 0 .. kCount - 1.
template <std::size_t kCount, class Function>
[[gnu::always_inline]] inline void unrolled(const Function& f) {
  [&]<std::size_t... kIndex>(std::index_sequence<kIndex...>) __attribute__((always_inline)) {
    (f(std::integral_constant<std::size_t, kIndex>()), ...);
  }(std::make_index_sequence<kCount>());
}

// The unsigned integers of group kGroup of a block, from its planes (dtype/panel.h).
template <class L, class Panel, std::size_t kGroup>
[[gnu::always_inline]] inline ByteLanes<L> load_group(const std::byte* block) {
  constexpr int kBits = Panel::Codes::kBits, kOf4 = kGroup % 4;
  const auto plane = [&](std::size_t at, std::size_t group) {
    return ByteLanes<L>::load(reinterpret_cast<const std::uint8_t*>(block) + at + group * Panel::kGroupBytes);
  };
  if constexpr (kBits == 8) return plane(0, kGroup);
  ByteLanes<L> u;
  if constexpr (Panel::kHasNibbles) u = field<kGroup < 4 ? 0 : -4, 0x0F>(plane(0, kOf4));
  if constexpr (Panel::kHasTwoBits) {
    constexpr int kTo = Panel::kHasNibbles ? 4 : 0;
    const ByteLanes<L> two = field<kTo - 2 * kOf4, 3u << kTo>(plane(Panel::kTwoBitsAt, kGroup / 4));
    if constexpr (Panel::kHasNibbles) u = merge(u, two); else u = two;
  }
  if constexpr (Panel::kHasOneBit) {
    u = merge(u, field<kBits - 1 - static_cast<int>(kGroup), 1u << (kBits - 1)>(plane(Panel::kOneBitAt, 0)));
  }
  if constexpr (requires { Panel::Codes::kTable; }) u = lookup(Panel::Codes::kTable.data(), u);
  return u;
}

// What a block's scales are, kind 0, and its minima, kind 1.
template <class L, class Panel>
inline Lanes<L> load_factors(const std::byte* factors, const std::byte* units, std::size_t kind, std::size_t sub) {
  using Stored = typename Panel::Factors::Stored;
  const std::byte* at = factors + kind * Panel::kKindBytes + sub * kLaneCount * sizeof(Stored);
  if constexpr (Panel::Factors::kHasUnits) {
    const auto* unit = reinterpret_cast<const std::uint16_t*>(units) + kind * kLaneCount;
    return Lanes<L>::load_half(unit) * Lanes<L>::load_bytes(reinterpret_cast<const std::int8_t*>(at));
  } else if constexpr (std::is_same_v<Stored, float>) {
    return Lanes<L>::load(reinterpret_cast<const float*>(at));
  } else {
    return Lanes<L>::load_half(reinterpret_cast<const std::uint16_t*>(at));
  }
}

// The integers of one sub-block, for kPanels panels and kTokens tokens: group by group of 4 along K,
// so that a group's weights are read once for all tokens, and its activations once for all panels.
template <class L, class Panel, std::size_t kPanels, std::size_t kTokens, std::size_t kSub>
struct SubBlock {
  using Sums = Dots<L, Panel::Codes::kLargest, Panel::Codes::kZero>;
  static constexpr std::size_t kGroups = 8 / Panel::kScales;

  Sums dots[kPanels][kTokens];

  // `codes`: of the first panel's block; `x`: of the first token's; `x_sum`: of the sub-block's
  // activations, by token.
  [[gnu::always_inline]] inline void run(const std::byte* codes, std::size_t panel_bytes, const Int8Block* x,
                                         std::size_t x_stride, const IntLanes<L> (&x_sum)[kTokens]) {
#pragma GCC unroll 16
    for (std::size_t t = 0; t < kTokens; ++t) {
#pragma GCC unroll 16
      for (std::size_t p = 0; p < kPanels; ++p) dots[p][t].start(x_sum[t]);
    }
    unrolled<kGroups>([&](auto step) __attribute__((always_inline)) {
      // The two groups that share bytes follow each other.
      constexpr bool kInTurns = Panel::kHasNibbles && Panel::kScales == 1;
      constexpr std::size_t kStep = step;
      constexpr std::size_t kGroup = kInTurns ? kStep / 2 + kStep % 2 * 4 : kSub * kGroups + kStep;
      constexpr bool kIsFull = (kStep + 1) % Sums::kTerms == 0 || kStep + 1 == kGroups;
      ByteLanes<L> u[kPanels];
#pragma GCC unroll 16
      for (std::size_t p = 0; p < kPanels; ++p) u[p] = load_group<L, Panel, kGroup>(codes + p * panel_bytes);
#pragma GCC unroll 16
      for (std::size_t t = 0; t < kTokens; ++t) {
#pragma GCC unroll 16
        for (std::size_t p = 0; p < kPanels; ++p) {
          dots[p][t].add(u[p], x[t * x_stride].values + 4 * kGroup);
          if constexpr (kIsFull) dots[p][t].fold();
        }
      }
    });
  }
};

// Where the parts of the first panel's block are, and the first token's activations.
struct BlockParts {
  const std::byte *codes, *factors, *units;
  const Int8Block* x;
};

// Adds one block's products to the sums.
template <class L, class Panel, std::size_t kPanels, std::size_t kTokens>
[[gnu::always_inline]] inline void integer_block(const Matmul& call, const BlockParts& at,
                                                 Lanes<L> (&total)[kPanels][kTokens]) {
  const std::size_t x_stride = call.q.stride, panel_bytes = call.panel_bytes;
  unrolled<Panel::kScales>([&](auto sub) __attribute__((always_inline)) {
    IntLanes<L> x_sum[kTokens];
#pragma GCC unroll 16
    for (std::size_t t = 0; t < kTokens; ++t) {
      const Int8Block& own = at.x[t * x_stride];
      x_sum[t] = IntLanes<L>::broadcast(Panel::kScales == 1 ? own.sum : own.half_sums[sub]);
    }
    SubBlock<L, Panel, kPanels, kTokens, sub> products;
    products.run(at.codes, panel_bytes, at.x, x_stride, x_sum);

    Lanes<L> scale[kPanels], minima[kPanels];
#pragma GCC unroll 16
    for (std::size_t p = 0; p < kPanels; ++p) {
      const std::byte *factors = at.factors + p * panel_bytes, *units = at.units + p * panel_bytes;
      scale[p] = load_factors<L, Panel>(factors, units, 0, sub);
      if constexpr (Panel::kHasMinimum) minima[p] = load_factors<L, Panel>(factors, units, 1, sub);
    }
#pragma GCC unroll 16
    for (std::size_t t = 0; t < kTokens; ++t) {
      const Lanes<L> x_scale = Lanes<L>::broadcast(at.x[t * x_stride].scale);
#pragma GCC unroll 16
      for (std::size_t p = 0; p < kPanels; ++p) {
        total[p][t] = fma(to_float(products.dots[p][t].total()), scale[p] * x_scale, total[p][t]);
        if constexpr (Panel::kHasMinimum) {
          total[p][t] = fma(to_float(x_sum[t]), minima[p] * x_scale, total[p][t]);
        }
      }
    }
  });
}

// Asks for what a single token's pass over the weights comes to next: processors look ahead themselves,
// but not far enough. `offset`: from the panel's begin.
template <class Panel, std::size_t kPanels>
inline void prefetch_weights(const Matmul& call, const std::byte* panel, std::size_t offset) {
  constexpr std::size_t kAhead = 4096, kLine = 64;
  offset += kAhead;
  if (offset >= call.panel_bytes) offset += (kPanels - 1) * call.panel_bytes;  // these panels' end: the next
#pragma GCC unroll 16
  for (std::size_t p = 0; p < kPanels; ++p) {
#pragma GCC unroll 16
    for (std::size_t line = 0; line < Panel::kCodeBytes + Panel::kFactorBytes; line += kLine) {
      __builtin_prefetch(panel + p * call.panel_bytes + offset + line);
    }
  }
}

template <class L, class Panel, std::size_t kPanels, std::size_t kTokens>
void integer_tile(const Matmul& call, const Stretch& stretch, std::size_t panel,
                  std::size_t token) noexcept {
  constexpr std::size_t kBlock = dtype::kIntegerBlock, kSuper = dtype::kSuperBlock;
  const std::byte* weights = call.panels + panel * call.panel_bytes;
  const Int8Block* x = call.q.row(token);

  Lanes<L> total[kPanels][kTokens];
#pragma GCC unroll 16
  for (std::size_t p = 0; p < kPanels; ++p) {
#pragma GCC unroll 16
    for (std::size_t t = 0; t < kTokens; ++t) {
      total[p][t] = load_sums<L>(call, stretch, panel + p, token + t);
    }
  }
  for (std::size_t begin = stretch.begin; begin < stretch.end; begin += kSuper) {
    const std::size_t blocks = std::min(kSuper, stretch.end - begin) / kBlock;
    const std::byte* codes = weights + begin / kSuper * Panel::super_bytes(kSuper / kBlock);
    const std::byte* factors = codes + blocks * Panel::kCodeBytes;
    const std::byte* units = factors + blocks * Panel::kFactorBytes;
    for (std::size_t b = 0; b < blocks; ++b) {
      if constexpr (kTokens == 1) {
        prefetch_weights<Panel, kPanels>(call, weights, static_cast<std::size_t>(codes - weights) +
                                         b * (Panel::kCodeBytes + Panel::kFactorBytes));
      }
      integer_block<L, Panel>(call, {codes + b * Panel::kCodeBytes, factors + b * Panel::kFactorBytes, units,
                                     x + begin / kBlock + b}, total);
    }
  }
#pragma GCC unroll 16
  for (std::size_t p = 0; p < kPanels; ++p) {
#pragma GCC unroll 16
    for (std::size_t t = 0; t < kTokens; ++t) {
      store_sums<L, ExactSteps>(call, stretch, panel + p, token + t, total[p][t]);
    }
  }
}

}  // namespace kinglet::kernels
