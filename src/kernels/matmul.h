#pragma once

// out = W x + bias over panels of 16 output rows (numerics contract, rule 3).
//
// A tile is some panels by some tokens whose sums stay in registers. Lanes are output rows and
// every sum runs along K in one fixed order, so a result does not depend on the tile it was in.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "dtype/half.h"
#include "dtype/panel.h"
#include "kernels/dots.h"
#include "kernels/lanes.h"
#include "kernels/rows.h"
#include "kernels/table.h"

namespace kinglet::kernels {

constexpr std::size_t kFloatBlock = 256;  // along K: sums of blocks are added in order

// A stretch [begin, end) of K, whose activations stay in the second cache while all panels pass by.
// Between two stretches the sums rest in `out`: a store and a load change no bit.
struct Stretch {
  std::size_t begin = 0, end = 0;
};

// The sums of one panel and token as the stretches before left them.
template <class L>
inline Lanes<L> load_sums(const Matmul& call, const Stretch& k, std::size_t panel, std::size_t token) {
  if (k.begin == 0) return Lanes<L>::broadcast(0.0f);
  const std::size_t row = panel * kLaneCount;
  return load_part<L>(call.out + token * call.out_stride + row,
                      std::min(kLaneCount, call.out_width - row));
}

// What a float product does with one k: weights w of 16 rows, the token's value x, and the sum so far.
// Rule 3 of the contract; bfloat.h has another.
struct ExactSteps {
  template <class L>
  static inline Lanes<L> multiply_add(const Lanes<L>& w, const Lanes<L>& x, const Lanes<L>& sum) {
    return fma(w, x, sum);
  }
  template <class L>
  static inline Lanes<L> add(const Lanes<L>& a, const Lanes<L>& b) {
    return a + b;
  }
  static constexpr bool kSecondFirst = false;  // of a pair along K
};

// Puts them back; after the last stretch with the bias, which is added last.
template <class L, class Steps>
inline void store_sums(const Matmul& call, const Stretch& k, std::size_t panel, std::size_t token,
                       const Lanes<L>& sums) {
  const std::size_t row = panel * kLaneCount;
  const bool with_bias = k.end == call.in_width && call.bias != nullptr;
  store_part(with_bias ? Steps::add(sums, Lanes<L>::load(call.bias + row)) : sums,
             call.out + token * call.out_stride + row, std::min(kLaneCount, call.out_width - row));
}

// --- float weights ----------------------------------------------------------------------------

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

// --- integer weights --------------------------------------------------------------------------

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
  [[gnu::always_inline]] inline void run(const std::byte* codes, std::size_t panel_bytes, const Int8Block* x, std::size_t x_stride,
                                         const IntLanes<L> (&x_sum)[kTokens]) {
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
[[gnu::always_inline]] inline void integer_block(const Matmul& call, const BlockParts& at, Lanes<L> (&total)[kPanels][kTokens]) {
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

// --- tiles over the whole range ---------------------------------------------------------------

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

// --- activations for the integer formats ------------------------------------------------------

// Blocks of 32: scale = max|x| / 127, q = round-half-even(x * (127 / max|x|)).
template <class L>
void quantize(const float* x, std::size_t begin, std::size_t end, const Int8Rows& out,
              std::size_t row) noexcept {
  const Lanes<L> rounder = Lanes<L>::broadcast(0x1.8p23f);
  for (std::size_t k = begin; k < end; k += 32) {
    const Lanes<L> first = Lanes<L>::load(x + k), second = Lanes<L>::load(x + k + 16);
    const float amax = largest(maximum(absolute(first), absolute(second)));
    Int8Block& block = out.row(row)[k / 32];

    // A NaN is lost by comparisons but not by sums; an infinity is larger than all.
    if (sum((first - first) + (second - second)) != 0.0f) {
      block = {NAN, {0, 0}, 0, {}};
      continue;
    }
    const bool is_zero = amax < 1e-30f;
    block.scale = is_zero ? 0.0f : amax / 127.0f;
    const Lanes<L> inverse = Lanes<L>::broadcast(is_zero ? 0.0f : 127.0f / amax);
    const Lanes<L> first_q = (first * inverse + rounder) - rounder;
    const Lanes<L> second_q = (second * inverse + rounder) - rounder;
    first_q.store_bytes(block.values);
    second_q.store_bytes(block.values + 16);
    block.half_sums[0] = static_cast<std::int32_t>(sum(first_q));  // exact: whole and small
    block.half_sums[1] = static_cast<std::int32_t>(sum(second_q));
    block.sum = block.half_sums[0] + block.half_sums[1];
  }
}

}  // namespace kinglet::kernels
