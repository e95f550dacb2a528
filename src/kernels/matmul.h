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

template <class L, class Panel>
inline Lanes<L> load_weights(const std::byte* panel, std::size_t k) {
  if constexpr (std::is_base_of_v<dtype::F32Panel, Panel>) {
    return Lanes<L>::load(reinterpret_cast<const float*>(panel) + k * kLaneCount);
  } else if constexpr (std::is_base_of_v<dtype::F16Panel, Panel>) {
    return Lanes<L>::load_half(reinterpret_cast<const std::uint16_t*>(panel) + k * kLaneCount);
  } else {
    const auto* pairs = reinterpret_cast<const std::uint32_t*>(panel) + k / 2 * kLaneCount;
    return k % 2 == 0 ? Lanes<L>::load_bfloat_first(pairs) : Lanes<L>::load_bfloat_second(pairs);
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

template <class L, class Panel, class Steps, std::size_t kPanels, std::size_t kTokens>
inline void float_step(const Matmul& call, const std::byte* weights, const float* x, std::size_t k,
                       Tile<L, kPanels, kTokens>& block) {
  Lanes<L> w[kPanels];
#pragma GCC unroll 16
  for (std::size_t p = 0; p < kPanels; ++p) w[p] = load_weights<L, Panel>(weights + p * call.panel_bytes, k);
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
        float_step<L, Panel, Steps>(call, weights, x, k + kFirst, block);
        float_step<L, Panel, Steps>(call, weights, x, k + 1 - kFirst, block);
      }
      if (k < end) float_step<L, Panel, Steps>(call, weights, x, k, block);
    } else {
      for (std::size_t k = begin; k < end; ++k) float_step<L, Panel, Steps>(call, weights, x, k, block);
    }
    total.each([&](Lanes<L>& sum, std::size_t p, std::size_t t) { sum = Steps::add(sum, block.sum[p][t]); });
  }
  total.each([&](Lanes<L>& sum, std::size_t p, std::size_t t) {
    store_sums<L, Steps>(call, stretch, panel + p, token + t, sum);
  });
}

// --- integer weights --------------------------------------------------------------------------

template <class L, class Scale>
inline Lanes<L> load_scales(const std::byte* at) {
  if constexpr (std::is_same_v<Scale, float>) {
    return Lanes<L>::load(reinterpret_cast<const float*>(at));
  } else {
    return Lanes<L>::load_half(reinterpret_cast<const std::uint16_t*>(at));
  }
}

// The integers of one sub-block, for kPanels panels and kTokens tokens: group by group of 4 along K,
// so that a group's weights are read once for all tokens, and its activations once for all panels.
template <class L, class Panel, std::size_t kPanels, std::size_t kTokens>
class SubBlock {
 public:
  using Sums = Dots<L, Panel::kLargest, Panel::kZero>;

  // `weights`: of the first panel's block; `x`: of the first token's block; `x_sum`: of the
  // sub-block's activations, by token.
  inline void run(const std::byte* weights, std::size_t panel_bytes, const std::int8_t* x,
                  std::size_t x_stride, std::size_t sub, const IntLanes<L> (&x_sum)[kTokens]) {
#pragma GCC unroll 16
    for (std::size_t t = 0; t < kTokens; ++t) {
#pragma GCC unroll 16
      for (std::size_t p = 0; p < kPanels; ++p) dots[p][t].start(x_sum[t]);
    }
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(weights);
#pragma GCC unroll 8
    for (std::size_t group = 0; group < kByteGroups; ++group) {
      ByteLanes<L> u[kPanels];
      const std::size_t at = (sub * kByteGroups + group) * 4 * kLaneCount;
#pragma GCC unroll 16
      for (std::size_t p = 0; p < kPanels; ++p) u[p] = ByteLanes<L>::load(bytes + p * panel_bytes + at);
      const std::int8_t* group_x = x + 4 * (sub * kByteGroups + group);
      if constexpr (Panel::kNibbles) {
        ByteLanes<L> part[kPanels];
#pragma GCC unroll 16
        for (std::size_t p = 0; p < kPanels; ++p) part[p] = low_nibbles(u[p]);
        add(part, group_x, x_stride, 2 * group);
#pragma GCC unroll 16
        for (std::size_t p = 0; p < kPanels; ++p) part[p] = high_nibbles(u[p]);
        add(part, group_x + 16, x_stride, 2 * group + 1);
      } else {
        add(u, group_x, x_stride, group);
      }
    }
  }

  Sums dots[kPanels][kTokens];

 private:
  static constexpr std::size_t kGroups = 8 / Panel::kScales;
  static constexpr std::size_t kByteGroups = Panel::kNibbles ? 4 : kGroups;

  inline void add(const ByteLanes<L> (&u)[kPanels], const std::int8_t* x, std::size_t x_stride,
                  std::size_t group) {
    const bool is_full = (group + 1) % Sums::kTerms == 0 || group + 1 == kGroups;
#pragma GCC unroll 16
    for (std::size_t t = 0; t < kTokens; ++t) {
#pragma GCC unroll 16
      for (std::size_t p = 0; p < kPanels; ++p) {
        dots[p][t].add(u[p], x + t * x_stride);
        if (is_full) dots[p][t].fold();
      }
    }
  }
};

template <class L, class Panel, std::size_t kPanels, std::size_t kTokens>
void integer_tile(const Matmul& call, const Stretch& stretch, std::size_t panel,
                  std::size_t token) noexcept {
  constexpr std::size_t kScaleStep = Panel::kScaleBytes / Panel::kScales;
  const std::size_t stride = call.q.stride;
  const std::size_t first = stretch.begin / 32, last = stretch.end / 32;
  const std::int8_t* x = call.q.values + token * stride;
  const float* x_scales = call.q.scales + token * (stride / 32);
  const std::int32_t* x_sums = call.q.sums + token * (stride / 16);

  Lanes<L> total[kPanels][kTokens];
#pragma GCC unroll 16
  for (std::size_t p = 0; p < kPanels; ++p) {
#pragma GCC unroll 16
    for (std::size_t t = 0; t < kTokens; ++t) {
      total[p][t] = load_sums<L>(call, stretch, panel + p, token + t);
    }
  }
  const std::byte* block = call.panels + panel * call.panel_bytes + first * Panel::kBlockBytes;
  for (std::size_t b = first; b < last; ++b, block += Panel::kBlockBytes) {
#pragma GCC unroll 4
    for (std::size_t sub = 0; sub < Panel::kScales; ++sub) {
      IntLanes<L> x_sum[kTokens];
#pragma GCC unroll 16
      for (std::size_t t = 0; t < kTokens; ++t) {
        const std::int32_t* sums = x_sums + t * (stride / 16) + 2 * b + sub;
        x_sum[t] = IntLanes<L>::broadcast(Panel::kScales == 1 ? sums[0] + sums[1] : sums[0]);
      }
      SubBlock<L, Panel, kPanels, kTokens> products;
      products.run(block + Panel::kWeightsAt, call.panel_bytes, x + 32 * b, stride, sub, x_sum);

      Lanes<L> scale[kPanels], minima[kPanels];
#pragma GCC unroll 16
      for (std::size_t p = 0; p < kPanels; ++p) {
        const std::byte* scales = block + p * call.panel_bytes + sub * kScaleStep;
        scale[p] = load_scales<L, typename Panel::Scale>(scales);
        if constexpr (Panel::kHasMinimum) {
          minima[p] = load_scales<L, typename Panel::Scale>(scales + Panel::kScaleBytes);
        }
      }
#pragma GCC unroll 16
      for (std::size_t t = 0; t < kTokens; ++t) {
        const Lanes<L> x_scale = Lanes<L>::broadcast(x_scales[t * (stride / 32) + b]);
#pragma GCC unroll 16
        for (std::size_t p = 0; p < kPanels; ++p) {
          total[p][t] = fma(to_float(products.dots[p][t].total()), scale[p] * x_scale, total[p][t]);
          if constexpr (Panel::kHasMinimum) {
            total[p][t] = fma(to_float(x_sum[t]), minima[p] * x_scale, total[p][t]);
          }
        }
      }
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

// One token: the weights are read once and nothing is worth keeping, but some panels go together to
// cover the latency of the multiply-add.
template <class L, class Product>
void matvec(const Matmul& call, std::size_t begin, std::size_t end) noexcept {
  using Panel = typename Product::Panel;
  constexpr std::size_t kPanels = Panel::kInteger ? L::kIntegerGemvPanels : L::kGemvPanels;
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
  // A stretch of so many tokens' activations fills half of a second cache of 512 KiB.
  constexpr std::size_t kTokenBlock = 128;
  constexpr std::size_t kStretch = Panel::kInteger ? 4 * kFloatBlock : 2 * kFloatBlock;

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
    float* scale = out.scales + row * (out.stride / 32) + k / 32;
    std::int8_t* values = out.values + row * out.stride + k;
    std::int32_t* sums = out.sums + row * (out.stride / 16) + k / 16;

    // A NaN is lost by comparisons but not by sums; an infinity is larger than all.
    if (sum((first - first) + (second - second)) != 0.0f) {
      *scale = NAN;
      std::memset(values, 0, 32);
      sums[0] = sums[1] = 0;
      continue;
    }
    const bool is_zero = amax < 1e-30f;
    *scale = is_zero ? 0.0f : amax / 127.0f;
    const Lanes<L> inverse = Lanes<L>::broadcast(is_zero ? 0.0f : 127.0f / amax);
    const Lanes<L> first_q = (first * inverse + rounder) - rounder;
    const Lanes<L> second_q = (second * inverse + rounder) - rounder;
    first_q.store_bytes(values);
    second_q.store_bytes(values + 16);
    sums[0] = static_cast<std::int32_t>(sum(first_q));  // exact: whole and small
    sums[1] = static_cast<std::int32_t>(sum(second_q));
  }
}

}  // namespace kinglet::kernels
