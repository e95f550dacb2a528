#pragma once

// Products with bf16 weights and activations rounded to bf16: the mode `--math bf16`. Its own definition,
// the one that AVX512-BF16's dot product (VDPBF16PS, Intel's Software Developer's Manual) computes:
//
//   x' = x rounded to bf16, half to even
//   along K in pairs (k, k + 1), an odd K ends with zeros, in blocks of 256 as in rule 3:
//     sum = fma(w[k + 1], x'[k + 1], sum), then sum = fma(w[k], x'[k], sum)
//   block sums are added in order, the bias last
//
// and in all of it a subnormal operand counts as zero and a subnormal result becomes zero, its sign kept.
// Whether a result is subnormal is seen after rounding to 24 bits with any exponent, as x86 does.

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "kernels/dots.h"
#include "kernels/lanes.h"
#include "kernels/matmul.h"
#include "kernels/table.h"

namespace kinglet::kernels {

// --- the definition, a lane at a time ---------------------------------------------------------

inline float flushed(float x) {
  const bool is_subnormal = (std::bit_cast<std::uint32_t>(x) & 0x7F800000u) == 0;
  return is_subnormal ? std::copysign(0.0f, x) : x;
}

// The sum in double is near enough to the true one to tell on which side of the border that is.
inline float fma_flushed(float a, float b, float c) {
  a = flushed(a), b = flushed(b), c = flushed(c);
  const float result = std::fma(a, b, c);
  const double nearly = static_cast<double>(a) * static_cast<double>(b) + static_cast<double>(c);
  return std::fabs(nearly) < 0x1p-126 - 0x1p-151 ? std::copysign(0.0f, result) : result;
}

struct DefinedSteps {
  static constexpr bool kSecondFirst = true;

  template <class L>
  static Lanes<L> multiply_add(const Lanes<L>& w, const Lanes<L>& x, const Lanes<L>& sum) {
    return each<L>(w, x, sum, [](float a, float b, float c) { return fma_flushed(a, b, c); });
  }
  template <class L>
  static Lanes<L> add(const Lanes<L>& a, const Lanes<L>& b) {
    return each<L>(a, b, b, [](float x, float y, float) { return flushed(flushed(x) + flushed(y)); });
  }

 private:
  template <class L, class Function>
  static Lanes<L> each(const Lanes<L>& a, const Lanes<L>& b, const Lanes<L>& c, const Function& f) {
    float x[kLaneCount], y[kLaneCount], z[kLaneCount];
    a.store(x), b.store(y), c.store(z);
    for (std::size_t i = 0; i < kLaneCount; ++i) z[i] = f(x[i], y[i], z[i]);
    return Lanes<L>::load(z);
  }
};

// --- the same by hardware ---------------------------------------------------------------------

#if defined(__AVX2__)
// The processor flushes by itself while this lives.
class FlushScope {
 public:
  FlushScope() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | kFlushResults | kZeroOperands); }
  ~FlushScope() { _mm_setcsr(saved_); }
  FlushScope(const FlushScope&) = delete;
  FlushScope& operator=(const FlushScope&) = delete;

 private:
  static constexpr unsigned kFlushResults = 0x8000, kZeroOperands = 0x0040;
  unsigned saved_;
};

struct RoundedSteps : ExactSteps {
  static constexpr bool kSecondFirst = true;
};
#else
struct FlushScope {
  FlushScope() {}  // nothing to switch: the steps do it
};
using RoundedSteps = DefinedSteps;
#endif

template <class L>
constexpr bool multiplies_pairs() {
#if defined(__AVX512BF16__)
  return std::is_same_v<L, Avx512Bf16>;
#else
  return false;
#endif
}

#if defined(__AVX512BF16__)
template <class L, std::size_t kPanels, std::size_t kTokens>
void pair_tile(const Matmul& call, const Stretch& stretch, std::size_t panel, std::size_t token) noexcept {
  constexpr std::size_t kStep = 2 * kLaneCount * sizeof(std::uint16_t);  // 16 pairs of weights
  const std::byte* weights = call.panels + panel * call.panel_bytes;
  const auto* x = reinterpret_cast<const int*>(call.x + token * call.x_stride);

  Tile<L, kPanels, kTokens> total;
  total.each([&](Lanes<L>& sum, std::size_t p, std::size_t t) {
    sum = load_sums<L>(call, stretch, panel + p, token + t);
  });
  for (std::size_t begin = stretch.begin; begin < stretch.end; begin += kFloatBlock) {
    const std::size_t end = std::min(begin + kFloatBlock, stretch.end);
    Tile<L, kPanels, kTokens> block;
    block.each([](Lanes<L>& sum, std::size_t, std::size_t) { sum = Lanes<L>::broadcast(0.0f); });
    for (std::size_t pair = begin / 2; pair < (end + 1) / 2; ++pair) {
      __m512i w[kPanels];
#pragma GCC unroll 16
      for (std::size_t p = 0; p < kPanels; ++p) w[p] = _mm512_loadu_si512(weights + p * call.panel_bytes + pair * kStep);
#pragma GCC unroll 16
      for (std::size_t t = 0; t < kTokens; ++t) {
        // In a register now: clang 16 breaks down where it may take it from memory in the product.
        const __m512i value = x86::now(_mm512_set1_epi32(x[t * call.x_stride + pair]));
#pragma GCC unroll 16
        for (std::size_t p = 0; p < kPanels; ++p) {
          auto& sum = block.sum[p][t].part[0];
          sum = _mm512_dpbf16_ps(sum, std::bit_cast<__m512bh>(w[p]), std::bit_cast<__m512bh>(value));
        }
      }
    }
    total.each([&](Lanes<L>& sum, std::size_t p, std::size_t t) { sum = sum + block.sum[p][t]; });
  }
  total.each([&](Lanes<L>& sum, std::size_t p, std::size_t t) {
    store_sums<L, ExactSteps>(call, stretch, panel + p, token + t, sum);
  });
}
#endif

// --- the kernel -------------------------------------------------------------------------------

template <class L>
struct RoundedProduct {
  using Panel = dtype::BF16Panel;

  template <std::size_t kPanels, std::size_t kTokens>
  static inline void tile(const Matmul& call, const Stretch& stretch, std::size_t panel, std::size_t token) noexcept {
#if defined(__AVX512BF16__)
    pair_tile<L, kPanels, kTokens>(call, stretch, panel, token);
#else
    float_tile<L, Panel, RoundedSteps, kPanels, kTokens>(call, stretch, panel, token);
#endif
  }
};

// Not inlined: no step may leave the scope.
template <class L>
[[gnu::noinline]] void multiply_rounded(const Matmul& call, std::size_t begin, std::size_t end) noexcept {
  multiply<L, RoundedProduct<L>>(call, begin, end);
}

template <class L>
void matmul_bfloat(const Matmul& call, std::size_t begin, std::size_t end) noexcept {
  const FlushScope scope;
  multiply_rounded<L>(call, begin, end);
}

inline std::uint32_t bfloat_bits(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const bool is_nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
  return (is_nan ? bits | 0x00400000u : bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
}

#if defined(__AVX512BF16__)
// The same for 16 lanes. Not vcvtneps2bf16: that takes a subnormal for zero before it rounds, and the
// largest of them round up to a normal number.
inline __m256i bfloats_of(__m512 x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i is_odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(is_odd, _mm512_set1_epi32(0x7FFF)));
  const __mmask16 is_nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  const __m512i quiet = _mm512_mask_or_epi32(rounded, is_nan, bits, _mm512_set1_epi32(0x00400000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(quiet, 16));
}
#endif

// Values [begin, end) of a row, as this level's matmul_bfloat wants them: pairs of bf16 in one word, or
// the rounded numbers as floats. `begin` is even; after an odd `end` comes a zero.
template <class L>
void round_bfloat(const float* x, std::size_t begin, std::size_t end, float* row) noexcept {
  if constexpr (multiplies_pairs<L>()) {
    std::size_t k = begin;
#if defined(__AVX512BF16__)
    for (; k + kLaneCount <= end; k += kLaneCount) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(row + k / 2), bfloats_of(_mm512_loadu_ps(x + k)));
    }
#endif
    for (; k + 1 < end; k += 2) row[k / 2] = std::bit_cast<float>(bfloat_bits(x[k + 1]) << 16 | bfloat_bits(x[k]));
    if (k < end) row[k / 2] = std::bit_cast<float>(bfloat_bits(x[k]));
  } else {
    for (std::size_t k = begin; k < end; ++k) row[k] = std::bit_cast<float>(bfloat_bits(x[k]) << 16);
    if (end % 2 == 1) row[end] = 0.0f;
  }
}

}  // namespace kinglet::kernels
