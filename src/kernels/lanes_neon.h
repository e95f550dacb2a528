#pragma once

// What xsimd 8.1 lacks, in intrinsics, for 64-bit ARM: a fused multiply-add, an exact division, 16-bit
// floats, bytes, and sums over the lanes. The same functions as in lanes_x86.h. Included by
// lanes_xsimd.h.

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#include "kernels/levels.h"

namespace kinglet::kernels::native {

using Neon4 = xsimd::batch<float, xsimd::neon64>;
using Neon4Int = xsimd::batch<std::int32_t, xsimd::neon64>;

inline Neon4 fma(Neon4 a, Neon4 b, Neon4 c) { return Neon4(vfmaq_f32(c, a, b)); }

// xsimd's is an approximation.
inline Neon4 divide(Neon4 a, Neon4 b) { return Neon4(vdivq_f32(a, b)); }

inline Neon4 add_exponent(Neon4 x, Neon4 shifted) {
  const int32x4_t n = vshlq_n_s32(vreinterpretq_s32_f32(shifted), 23);
  return Neon4(vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), n)));
}

// The first, or the second, of pairs of bf16.
inline Neon4 load_bfloat_first(const std::uint32_t* from, Neon4) {
  return Neon4(vreinterpretq_f32_u32(vshlq_n_u32(vld1q_u32(from), 16)));
}
inline Neon4 load_bfloat_second(const std::uint32_t* from, Neon4) {
  return Neon4(vreinterpretq_f32_u32(vandq_u32(vld1q_u32(from), vdupq_n_u32(0xFFFF0000u))));
}

inline Neon4 load_half(const std::uint16_t* from, Neon4) {
  return Neon4(vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from))));
}
inline void store_half(Neon4 value, std::uint16_t* to) {
  vst1_u16(to, vreinterpret_u16_f16(vcvt_f16_f32(value)));
}

// Signed bytes as floats.
inline Neon4 load_bytes(const std::int8_t* from, Neon4) {
  std::int32_t four = 0;
  std::memcpy(&four, from, sizeof(four));
  const int16x8_t words = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)));
  return Neon4(vcvtq_f32_s32(vmovl_s16(vget_low_s16(words))));
}
// Whole numbers of at most 127 in magnitude.
template <class NeonLanes>
inline void store_bytes(const NeonLanes& x, std::int8_t* to) {
  const auto words = [](float32x4_t low, float32x4_t high) {
    return vcombine_s16(vmovn_s32(vcvtq_s32_f32(low)), vmovn_s32(vcvtq_s32_f32(high)));
  };
  vst1q_s8(to, vcombine_s8(vmovn_s16(words(x.part[0], x.part[1])),
                           vmovn_s16(words(x.part[2], x.part[3]))));
}

// Over the lanes: i with i + 2, then + 1. ARM's own maximum would keep a NaN that a comparison loses.
inline float sum(Neon4 x) { return vpadds_f32(vadd_f32(vget_low_f32(x), vget_high_f32(x))); }
inline float largest(Neon4 x) {
  const float32x2_t low = vget_low_f32(x), high = vget_high_f32(x);
  const float32x2_t two = vbsl_f32(vclt_f32(low, high), high, low);
  const float first = vget_lane_f32(two, 0), second = vget_lane_f32(two, 1);
  return first < second ? second : first;
}

}  // namespace kinglet::kernels::native
