#pragma once

// out = W x + bias over panels of 16 output rows (numerics contract, rule 3).
//
// A tile is some panels by some tokens whose sums stay in registers. Lanes are output rows and
// every sum runs along K in one fixed order, so a result does not depend on the tile it was in.

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "dtype/half.h"
#include "dtype/panel.h"
#include "kernels/lanes.h"
#include "kernels/table.h"

namespace kinglet::kernels {

constexpr std::size_t kFloatBlock = 256;  // along K: sums of blocks are added in order

// Writes one panel's sums for one token, bias added last.
template <class L>
inline void store_panel(const Matmul& call, std::size_t panel, std::size_t token,
                        const Lanes<L>& sums) {
  const std::size_t row = panel * kLaneCount;
  float* out = call.out + token * call.out_stride + row;
  const Lanes<L> result =
      call.bias == nullptr ? sums : sums + Lanes<L>::load(call.bias + row);
  if (row + kLaneCount <= call.out_width) {
    result.store(out);
  } else {
    store_first(result, out, call.out_width - row);
  }
}

// --- float weights ----------------------------------------------------------------------------

template <class L, class Panel>
inline Lanes<L> load_weights(const std::byte* at) {
  if constexpr (std::is_base_of_v<dtype::F32Panel, Panel>) {
    return Lanes<L>::load(reinterpret_cast<const float*>(at));
  } else if constexpr (std::is_base_of_v<dtype::F16Panel, Panel>) {
    return Lanes<L>::load_half(reinterpret_cast<const std::uint16_t*>(at));
  } else {
    return Lanes<L>::load_bfloat(reinterpret_cast<const std::uint16_t*>(at));
  }
}

template <class L, class Panel, std::size_t kPanels, std::size_t kTokens>
void float_tile(const Matmul& call, std::size_t panel, std::size_t token) noexcept {
  constexpr std::size_t kStep = Panel::bytes(1);  // 16 weights, one per row
  const std::byte* weights = call.panels + panel * call.panel_bytes;
  const float* x = call.x + token * call.x_stride;

  Lanes<L> total[kPanels][kTokens];
#pragma GCC unroll 16
  for (auto& row : total) {
#pragma GCC unroll 16
    for (Lanes<L>& value : row) value = Lanes<L>::broadcast(0.0f);
  }
  for (std::size_t begin = 0; begin < call.in_width; begin += kFloatBlock) {
    const std::size_t end = std::min(begin + kFloatBlock, call.in_width);
    Lanes<L> block[kPanels][kTokens];
#pragma GCC unroll 16
    for (auto& row : block) {
#pragma GCC unroll 16
      for (Lanes<L>& value : row) value = Lanes<L>::broadcast(0.0f);
    }
    for (std::size_t k = begin; k < end; ++k) {
      Lanes<L> w[kPanels];
#pragma GCC unroll 16
      for (std::size_t p = 0; p < kPanels; ++p) {
        w[p] = load_weights<L, Panel>(weights + p * call.panel_bytes + k * kStep);
      }
#pragma GCC unroll 16
      for (std::size_t t = 0; t < kTokens; ++t) {
        const Lanes<L> value = Lanes<L>::broadcast(x[t * call.x_stride + k]);
#pragma GCC unroll 16
        for (std::size_t p = 0; p < kPanels; ++p) block[p][t] = fma(w[p], value, block[p][t]);
      }
    }
#pragma GCC unroll 16
    for (std::size_t p = 0; p < kPanels; ++p) {
#pragma GCC unroll 16
      for (std::size_t t = 0; t < kTokens; ++t) total[p][t] = total[p][t] + block[p][t];
    }
  }
  for (std::size_t p = 0; p < kPanels; ++p) {
    for (std::size_t t = 0; t < kTokens; ++t) store_panel(call, panel + p, token + t, total[p][t]);
  }
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

// The exact sums of u * q over one sub-block of a block, for 16 rows.
template <class L, class Panel>
inline IntLanes<L> integer_sums(const std::byte* weights, const std::int8_t* x, std::size_t sub,
                                IntLanes<L> sums) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(weights);
  if constexpr (Panel::kNibbles) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < 4; ++j) {
      sums = dot4_nibbles(sums, bytes + 64 * j, x + 4 * j, x + 16 + 4 * j);
    }
  } else {
    constexpr std::size_t kGroups = 8 / Panel::kScales;
#pragma GCC unroll 8
    for (std::size_t j = 0; j < kGroups; ++j) {
      const std::size_t group = sub * kGroups + j;
      sums = dot4<Panel::kLargest>(sums, bytes + 64 * group, x + 4 * group);
    }
  }
  return sums;
}

template <class L, class Panel, std::size_t kPanels, std::size_t kTokens>
void integer_tile(const Matmul& call, std::size_t panel, std::size_t token) noexcept {
  constexpr std::size_t kPerScale = dtype::kIntegerBlock / Panel::kScales;
  constexpr std::size_t kScaleStep = Panel::kScaleBytes / Panel::kScales;
  const std::size_t stride = call.q.stride;
  const std::int8_t* x = call.q.values + token * stride;
  const float* x_scales = call.q.scales + token * (stride / 32);
  const std::int32_t* x_sums = call.q.sums + token * (stride / 16);

  Lanes<L> total[kPanels][kTokens];
#pragma GCC unroll 16
  for (auto& row : total) {
#pragma GCC unroll 16
    for (Lanes<L>& value : row) value = Lanes<L>::broadcast(0.0f);
  }
  const std::byte* block = call.panels + panel * call.panel_bytes;
  for (std::size_t b = 0; b < call.in_width / 32; ++b, block += Panel::kBlockBytes) {
#pragma GCC unroll 4
    for (std::size_t sub = 0; sub < Panel::kScales; ++sub) {
#pragma GCC unroll 16
      for (std::size_t p = 0; p < kPanels; ++p) {
        const std::byte* at = block + p * call.panel_bytes;
        const Lanes<L> scale = load_scales<L, typename Panel::Scale>(at + sub * kScaleStep);
#pragma GCC unroll 16
        for (std::size_t t = 0; t < kTokens; ++t) {
          const float x_scale = x_scales[t * (stride / 32) + b];
          const std::int32_t* sub_sums = x_sums + t * (stride / 16) + 2 * b + sub;
          const std::int32_t x_sum = kPerScale == 32 ? sub_sums[0] + sub_sums[1] : sub_sums[0];
          // Starting from -zero * sum(q) takes the zero point off exactly.
          const IntLanes<L> sums = integer_sums<L, Panel>(
              at + Panel::kWeightsAt, x + t * stride + 32 * b, sub,
              IntLanes<L>::broadcast(-Panel::kZero * x_sum));
          const Lanes<L> both = scale * Lanes<L>::broadcast(x_scale);
          total[p][t] = fma(to_float(sums), both, total[p][t]);
          if constexpr (Panel::kHasMinimum) {
            const Lanes<L> minima =
                load_scales<L, typename Panel::Scale>(at + Panel::kScaleBytes + sub * kScaleStep);
            total[p][t] = fma(Lanes<L>::broadcast(static_cast<float>(x_sum)),
                              minima * Lanes<L>::broadcast(x_scale), total[p][t]);
          }
        }
      }
    }
  }
  for (std::size_t p = 0; p < kPanels; ++p) {
    for (std::size_t t = 0; t < kTokens; ++t) store_panel(call, panel + p, token + t, total[p][t]);
  }
}

// --- tiles over the whole range ---------------------------------------------------------------

template <class L, class Panel, std::size_t kPanels, std::size_t kTokens>
inline void tile(const Matmul& call, std::size_t panel, std::size_t token) noexcept {
  if constexpr (Panel::kInteger) {
    integer_tile<L, Panel, kPanels, kTokens>(call, panel, token);
  } else {
    float_tile<L, Panel, kPanels, kTokens>(call, panel, token);
  }
}

// All tokens from `token` on for kPanels panels, in tiles of kTokens, then of half as many, ...
template <class L, class Panel, std::size_t kPanels, std::size_t kTokens>
inline void token_tiles(const Matmul& call, std::size_t panel, std::size_t token) noexcept {
  for (; token + kTokens <= call.tokens; token += kTokens) {
    tile<L, Panel, kPanels, kTokens>(call, panel, token);
  }
  if constexpr (kTokens > 1) token_tiles<L, Panel, kPanels, kTokens / 2>(call, panel, token);
}

template <class L, class Panel>
void matmul(const Matmul& call, std::size_t begin, std::size_t end) noexcept {
  constexpr std::size_t kPanels = Panel::kInteger ? 1 : L::kPanels;
  std::size_t panel = begin;
  if (call.tokens == 1) {
    for (; panel + L::kGemvPanels <= end; panel += L::kGemvPanels) {
      tile<L, Panel, L::kGemvPanels, 1>(call, panel, 0);
    }
    for (; panel < end; ++panel) tile<L, Panel, 1, 1>(call, panel, 0);
    return;
  }
  for (; panel + kPanels <= end; panel += kPanels) {
    token_tiles<L, Panel, kPanels, L::kTokens>(call, panel, 0);
  }
  for (; panel < end; ++panel) token_tiles<L, Panel, 1, L::kTokens>(call, panel, 0);
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
    const float check = sum(first - first) + sum(second - second);
    const bool is_finite = check == 0.0f;
    const bool is_zero = is_finite && amax < 1e-30f;
    *scale = !is_finite ? NAN : is_zero ? 0.0f : amax / 127.0f;
    const Lanes<L> inverse =
        Lanes<L>::broadcast(is_finite && !is_zero ? 127.0f / amax : 0.0f);

    float rounded[32];
    ((first * inverse + rounder) - rounder).store(rounded);
    ((second * inverse + rounder) - rounder).store(rounded + 16);
    for (std::size_t half = 0; half < 2; ++half) {
      std::int32_t total = 0;
      for (std::size_t i = 16 * half; i < 16 * half + 16; ++i) {
        const auto q = static_cast<std::int32_t>(is_finite ? rounded[i] : 0.0f);
        values[i] = static_cast<std::int8_t>(q);
        total += q;
      }
      sums[half] = total;
    }
  }
}

}  // namespace kinglet::kernels
