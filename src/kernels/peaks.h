#pragma once

// Loops that do nothing but what a machine is rated by: read memory, multiply and add. Their speed
// is the limit that a kernel is measured against (runtime/limits.h).
//
// Every loop keeps many independent sums: a fused multiply-add takes 4 cycles and two can start in
// each, a dot product of bytes 4 or 5, so 8 to 10 registers of sums hide that; 16 where four start in
// each (aarch64). The sums are named by constants, not by a loop's variable: else they would lie in
// memory, and each step would be paid for by a store. No two may be equal, or one is made of both.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/bfloat.h"
#include "kernels/dots.h"
#include "kernels/lanes.h"
#include "kernels/table.h"

namespace kinglet::kernels {

// Registers of sums. Those of bytes leave room for a copy of each, which the compiler makes; without
// an instruction for dot products only an addition has to be waited for, and few will do.
#if defined(__aarch64__)
constexpr std::size_t kFmaRegisters = 24, kDotRegisters = 16;  // of 32
#elif defined(__AVX512F__)
constexpr std::size_t kFmaRegisters = 24, kDotRegisters = 12;  // of 32
#else
constexpr std::size_t kFmaRegisters = 12, kDotRegisters = 4;  // of 16
#endif

// Sixteen lanes each.
template <class L>
constexpr std::size_t sums_in(std::size_t registers) {
  if constexpr (std::is_same_v<L, Scalar>) {
    return 2;
  } else {
    return registers < 2 * Lanes<L>::kParts ? 2 : registers / Lanes<L>::kParts;
  }
}

template <class L>
float peak_read(const float* x, std::size_t n) noexcept {
  constexpr std::size_t kStep = 4 * kLaneCount;
  Lanes<L> a = Lanes<L>::broadcast(0.0f), b = a, c = a, d = a;
  for (std::size_t i = 0; i + kStep <= n; i += kStep) {
    a = a + Lanes<L>::load(x + i);
    b = b + Lanes<L>::load(x + i + kLaneCount);
    c = c + Lanes<L>::load(x + i + 2 * kLaneCount);
    d = d + Lanes<L>::load(x + i + 3 * kLaneCount);
  }
  return sum((a + b) + (c + d));
}

template <class L>
constexpr std::size_t kDotTerms = Dots<L, 15, 0>::kTerms;

// s = s * 1/2 + 1/2, which goes to one.
template <class L, std::size_t... kSum>
inline float fma_rounds(std::size_t rounds, std::index_sequence<kSum...>) {
  constexpr std::size_t kSums = sizeof...(kSum);
  float starts[kSums * kLaneCount];
  for (std::size_t i = 0; i < kSums * kLaneCount; ++i) starts[i] = static_cast<float>(i);
  Lanes<L> sums[] = {Lanes<L>::load(starts + kSum * kLaneCount)...};
  const Lanes<L> half = Lanes<L>::broadcast(0.5f);
  for (std::size_t round = 0; round < rounds; ++round) {
    ((sums[kSum] = fma(sums[kSum], half, half)), ...);
  }
  Lanes<L> total = Lanes<L>::broadcast(0.0f);
  ((total = total + sums[kSum]), ...);
  return sum(total);
}
template <class L>
float peak_fma(std::size_t rounds) noexcept {
  return fma_rounds<L>(rounds, std::make_index_sequence<sums_in<L>(kFmaRegisters)>());
}

// Unsigned by signed bytes, as the integer formats multiply them, of the kind that costs least where
// products are summed in 16 bits: each weight that is loaded meets two tokens, so that loads are not
// what limits. The products of four bytes cancel out.
template <class L, std::size_t... kSum>
inline float dot_rounds(std::size_t rounds, std::index_sequence<kSum...>) {
  using Sums = Dots<L, 15, 0>;
  constexpr std::size_t kTokens = 2, kPanelBytes = 4 * kLaneCount;
  static_assert(sizeof...(kSum) % kTokens == 0);
  constexpr std::size_t kStepBytes = sizeof...(kSum) / kTokens * kPanelBytes;
  alignas(64) std::uint8_t weights[kDotTerms<L> * kStepBytes];
  for (std::size_t i = 0; i < sizeof(weights); ++i) weights[i] = static_cast<std::uint8_t>(i / 4 % 16);
  const std::int8_t x[kTokens][4] = {{3, -3, 3, -3}, {-5, 5, -5, 5}};

  Sums sums[sizeof...(kSum)];
  (sums[kSum].start(IntLanes<L>::broadcast(0)), ...);
  for (std::size_t round = 0; round < rounds; ++round) {
    const std::uint8_t* from = weights;
    asm volatile("" : "+r"(from) : : "memory");  // or products would be made once, before all rounds
    for (std::size_t term = 0; term < kDotTerms<L>; ++term) {
      const std::uint8_t* step = from + term * kStepBytes;
      (sums[kSum].add(ByteLanes<L>::load(step + kSum / kTokens * kPanelBytes), x[kSum % kTokens]), ...);
    }
    (sums[kSum].fold(), ...);
  }
  IntLanes<L> total = IntLanes<L>::broadcast(0);
  ((total = total + sums[kSum].total()), ...);
  return sum(to_float(total));
}
template <class L>
float peak_dot_int8(std::size_t rounds) noexcept {
  return dot_rounds<L>(rounds, std::make_index_sequence<sums_in<L>(kDotRegisters)>());
}

#if defined(__AVX512BF16__)
// Pairs of bf16, 1/2 and 1/4: s = s + 3/8, which stays where it gets too large.
template <std::size_t... kSum>
inline float bfloat_rounds(std::size_t rounds, std::index_sequence<kSum...>) {
  __m512 sums[] = {_mm512_set1_ps(static_cast<float>(kSum))...};
  const __m512i pairs = _mm512_set1_epi32(0x3E803F00), ones = _mm512_set1_epi32(0x3F003F00);
  for (std::size_t round = 0; round < rounds; ++round) {
    ((sums[kSum] = _mm512_dpbf16_ps(sums[kSum], std::bit_cast<__m512bh>(pairs), std::bit_cast<__m512bh>(ones))), ...);
  }
  __m512 total = _mm512_setzero_ps();
  ((total = _mm512_add_ps(total, sums[kSum])), ...);
  return _mm512_cvtss_f32(total);
}
template <class L>
float peak_dot_bfloat(std::size_t rounds) noexcept {
  return bfloat_rounds(rounds, std::make_index_sequence<kFmaRegisters>());
}
#endif

template <class L>
constexpr Peak bfloat_peak() {
#if defined(__AVX512BF16__)
  if constexpr (multiplies_pairs<L>()) return {peak_dot_bfloat<L>, 4 * kLaneCount * kFmaRegisters};
#endif
  return {};
}

template <class L>
constexpr Peaks make_peaks() {
  constexpr std::size_t kOperations = 2 * kLaneCount;  // of an fma of sixteen lanes
  return {.read = peak_read<L>,
          .fma = {peak_fma<L>, kOperations * sums_in<L>(kFmaRegisters)},
          .dot_int8 = {peak_dot_int8<L>,
                       4 * kOperations * kDotTerms<L> * sums_in<L>(kDotRegisters)},
          .dot_bfloat = bfloat_peak<L>()};
}

}  // namespace kinglet::kernels
