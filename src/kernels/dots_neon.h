#pragma once

// Products of bytes on 64-bit ARM, with and without the dot-product instructions. Included by dots.h.
//
// Both multiply signed bytes. Bytes above 127 are taken as u - 128, which is their weight: kZero is 128
// there. Without dot products, as many products as fit are added in 16 bits before they are widened.

#include <arm_neon.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/dots.h"

namespace kinglet::kernels {

template <class Level>
struct ByteLanes {
  static constexpr std::size_t kParts = 4;
  uint8x16_t part[kParts];

  static ByteLanes load(const std::uint8_t* from) {
    return each_part<ByteLanes>([&](std::size_t i) { return vld1q_u8(from + 16 * i); });
  }
};

template <int kLeft, unsigned kMask, class L>
inline ByteLanes<L> field(const ByteLanes<L>& b) {
  return each_part<ByteLanes<L>>([&](std::size_t i) {
    uint8x16_t shifted = b.part[i];
    if constexpr (kLeft > 0) shifted = vshlq_n_u8(shifted, kLeft);
    if constexpr (kLeft < 0) shifted = vshrq_n_u8(shifted, -kLeft);
    return vandq_u8(shifted, vdupq_n_u8(kMask));
  });
}
template <class L>
inline ByteLanes<L> merge(const ByteLanes<L>& a, const ByteLanes<L>& b) {
  return each_part<ByteLanes<L>>([&](std::size_t i) { return vorrq_u8(a.part[i], b.part[i]); });
}
template <class L>
inline ByteLanes<L> lookup(const std::uint8_t* table, const ByteLanes<L>& b) {
  return each_part<ByteLanes<L>>([&](std::size_t i) { return vqtbl1q_u8(vld1q_u8(table), b.part[i]); });
}

template <class Level, int kLargest, int kZero>
struct Dots {
  static constexpr std::size_t kParts = ByteLanes<Level>::kParts;
  static constexpr bool kCentred = kLargest > 127;  // the bytes are multiplied as u - kZero
  static_assert(!kCentred || kZero == 128);
  static constexpr std::size_t kFit = 32767 / (127 * (kCentred ? 128 : kLargest));  // in 16 bits
  static constexpr std::size_t kTerms = Level::kHasDot ? kMostTerms : std::min(kFit, kMostTerms);

  // 16-bit sums: of the rows' products, four a row, two rows in `low` and two in `high`.
  struct Products {
    int16x8_t low, high;
  };

  int32x4_t sums[kParts];
  Products products[Level::kHasDot ? 1 : kParts];

  // kZero * x_sum is taken off before anything is added.
  void start(const IntLanes<Level>& x_sum) {
    for (std::size_t i = 0; i < kParts; ++i) {
      sums[i] = vdupq_n_s32(0);
      if constexpr (!kCentred && kZero != 0) sums[i] = vmlsq_n_s32(sums[i], x_sum.part[i], kZero);
    }
    for (Products& value : products) value = {vdupq_n_s16(0), vdupq_n_s16(0)};
  }
  void add(const ByteLanes<Level>& u, const std::int8_t* x) {
    std::int32_t four = 0;
    std::memcpy(&four, x, sizeof(four));
    const int8x16_t fours = vreinterpretq_s8_s32(vdupq_n_s32(four));
    for (std::size_t i = 0; i < kParts; ++i) {
      int8x16_t w = vreinterpretq_s8_u8(u.part[i]);
      if constexpr (kCentred) w = veorq_s8(w, vdupq_n_s8(-128));
      if constexpr (Level::kHasDot) {
        sums[i] = vdotq_s32(sums[i], w, fours);
      } else {
        products[i].low = vmlal_s8(products[i].low, vget_low_s8(w), vget_low_s8(fours));
        products[i].high = vmlal_high_s8(products[i].high, w, fours);
      }
    }
  }
  void fold() {
    if constexpr (!Level::kHasDot) {
      for (std::size_t i = 0; i < kParts; ++i) {
        const int32x4_t rows = vpaddq_s32(vpaddlq_s16(products[i].low), vpaddlq_s16(products[i].high));
        sums[i] = vaddq_s32(sums[i], rows);
        products[i] = {vdupq_n_s16(0), vdupq_n_s16(0)};
      }
    }
  }
  IntLanes<Level> total() const {
    return each_part<IntLanes<Level>>([&](std::size_t i) { return typename IntLanes<Level>::Part(sums[i]); });
  }
};

}  // namespace kinglet::kernels
