#pragma once

// What xsimd 8.1 lacks, in intrinsics, for SSE2, AVX2 and AVX-512: a fused multiply-add on every
// level, and 16-bit floats. Included by lanes_xsimd.h.

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/levels.h"

namespace kinglet::kernels::native {

template <class Part>
inline Part divide(Part a, Part b) {
  return a / b;
}

// --- SSE2 -------------------------------------------------------------------------------------

using Sse = xsimd::batch<float, xsimd::sse2>;
using SseInt = xsimd::batch<std::int32_t, xsimd::sse2>;

// a * b + c for two lanes in double, rounded to odd: the product is exact, and a sum that is not is
// moved to its odd neighbour, so that the final rounding to float cannot be a second one (Boldo and
// Melquiond, "Emulation of FMA and correctly rounded sums").
inline __m128d fma_to_odd(__m128d a, __m128d b, __m128d c) {
  const __m128d product = _mm_mul_pd(a, b);
  const __m128d sum = _mm_add_pd(product, c);
  // Knuth's TwoSum: error = (product + c) - sum, exactly; NaN where the sum is not finite.
  const __m128d c_part = _mm_sub_pd(sum, product);
  const __m128d error = _mm_add_pd(_mm_sub_pd(product, _mm_sub_pd(sum, c_part)),
                                   _mm_sub_pd(c, c_part));
  const __m128d zero = _mm_setzero_pd();
  const __m128d is_inexact = _mm_and_pd(_mm_cmpneq_pd(error, zero), _mm_cmpord_pd(error, error));
  // An inexact even sum moves one step towards the error: up in magnitude where the signs agree.
  const __m128i bits = _mm_castpd_si128(sum);
  const __m128i one = _mm_set1_epi64x(1);
  const __m128i is_odd = _mm_and_si128(bits, one);
  const __m128i signs = _mm_xor_si128(bits, _mm_castpd_si128(error));
  const __m128i differ = _mm_srli_epi64(signs, 63);                       // 1 where they differ
  const __m128i step = _mm_sub_epi64(one, _mm_add_epi64(differ, differ));  // +1 or -1
  const __m128i wanted = _mm_and_si128(_mm_castpd_si128(is_inexact), _mm_sub_epi64(is_odd, one));
  return _mm_castsi128_pd(_mm_add_epi64(bits, _mm_and_si128(step, wanted)));
}

inline Sse fma(Sse a, Sse b, Sse c) {
  const auto upper = [](__m128 x) { return _mm_cvtps_pd(_mm_movehl_ps(x, x)); };
  const __m128 low = _mm_cvtpd_ps(fma_to_odd(_mm_cvtps_pd(a), _mm_cvtps_pd(b), _mm_cvtps_pd(c)));
  const __m128 high = _mm_cvtpd_ps(fma_to_odd(upper(a), upper(b), upper(c)));
  return Sse(_mm_movelh_ps(low, high));
}

inline Sse add_exponent(Sse x, Sse shifted) {
  const __m128i n = _mm_slli_epi32(_mm_castps_si128(shifted), 23);
  return Sse(_mm_castsi128_ps(_mm_add_epi32(_mm_castps_si128(x), n)));
}

// The first, or the second, of pairs of bf16.
inline Sse load_bfloat_first(const std::uint32_t* from, Sse) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return Sse(_mm_castsi128_ps(_mm_slli_epi32(bits, 16)));
}
inline Sse load_bfloat_second(const std::uint32_t* from, Sse) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return Sse(_mm_castsi128_ps(_mm_and_si128(bits, _mm_set1_epi32(static_cast<int>(0xFFFF0000u)))));
}

// Signed bytes as floats.
inline Sse load_bytes(const std::int8_t* from, Sse) {
  std::int32_t four = 0;
  std::memcpy(&four, from, sizeof(four));
  const __m128i bytes = _mm_cvtsi32_si128(four);
  const __m128i words = _mm_unpacklo_epi8(bytes, bytes);  // a byte twice: its sign is on top
  return Sse(_mm_cvtepi32_ps(_mm_srai_epi32(_mm_unpacklo_epi16(words, words), 24)));
}

inline Sse load_half(const std::uint16_t* from, Sse) {
  const __m128i bits = _mm_unpacklo_epi16(
      _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)), _mm_setzero_si128());
  const __m128i sign = _mm_slli_epi32(_mm_and_si128(bits, _mm_set1_epi32(0x8000)), 16);
  const __m128i magnitude = _mm_and_si128(bits, _mm_set1_epi32(0x7FFF));
  // As a float the exponent is 112 too small; the product puts it right, subnormals included.
  const __m128 scaled = _mm_mul_ps(_mm_castsi128_ps(_mm_slli_epi32(magnitude, 13)),
                                   _mm_set1_ps(0x1p112f));
  const __m128i is_special = _mm_cmpgt_epi32(magnitude, _mm_set1_epi32(0x7BFF));
  const __m128i is_nan = _mm_cmpgt_epi32(magnitude, _mm_set1_epi32(0x7C00));
  const __m128i special = _mm_or_si128(
      _mm_and_si128(is_special, _mm_set1_epi32(0x7F800000)),
      _mm_and_si128(is_nan, _mm_or_si128(_mm_slli_epi32(magnitude, 13), _mm_set1_epi32(0x400000))));
  const __m128i finite = _mm_andnot_si128(is_special, _mm_castps_si128(scaled));
  return Sse(_mm_castsi128_ps(_mm_or_si128(sign, _mm_or_si128(finite, special))));
}

inline void store_half(Sse value, std::uint16_t* to) {
  float lane[4];
  value.store_unaligned(lane);
  for (std::size_t i = 0; i < 4; ++i) to[i] = dtype::half_from_float(lane[i]);
}

// Over the lanes: i with i + 2, then + 1. The second operand of a maximum stands where one is NaN.
inline float sum(Sse x) {
  const __m128 two = _mm_add_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
inline float largest(Sse x) {
  const __m128 two = _mm_max_ps(_mm_movehl_ps(x, x), x);
  return _mm_cvtss_f32(_mm_max_ss(_mm_shuffle_ps(two, two, 1), two));
}

// Whole numbers of at most 127 in magnitude.
template <class SseLanes>
inline void store_bytes(const SseLanes& x, std::int8_t* to)
  requires(SseLanes::kParts == 4)
{
  const __m128i low = _mm_packs_epi32(_mm_cvtps_epi32(x.part[0]), _mm_cvtps_epi32(x.part[1]));
  const __m128i high = _mm_packs_epi32(_mm_cvtps_epi32(x.part[2]), _mm_cvtps_epi32(x.part[3]));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_packs_epi16(low, high));
}

// --- AVX2 with FMA and F16C -------------------------------------------------------------------

#if defined(__AVX2__)
using Avx = xsimd::batch<float, xsimd::fma3<xsimd::avx2>>;
using AvxInt = xsimd::batch<std::int32_t, xsimd::fma3<xsimd::avx2>>;

inline Avx fma(Avx a, Avx b, Avx c) { return Avx(_mm256_fmadd_ps(a, b, c)); }

inline Avx add_exponent(Avx x, Avx shifted) {
  const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
  return Avx(_mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), n)));
}

inline Avx load_bfloat_first(const std::uint32_t* from, Avx) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return Avx(_mm256_castsi256_ps(_mm256_slli_epi32(bits, 16)));
}
inline Avx load_bfloat_second(const std::uint32_t* from, Avx) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return Avx(_mm256_castsi256_ps(_mm256_and_si256(bits, _mm256_set1_epi32(static_cast<int>(0xFFFF0000u)))));
}
inline Avx load_bytes(const std::int8_t* from, Avx) {
  return Avx(_mm256_cvtepi32_ps(
      _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)))));
}
inline Avx load_half(const std::uint16_t* from, Avx) {
  return Avx(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
}
inline void store_half(Avx value, std::uint16_t* to) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm256_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

inline float sum(Avx x) {
  return sum(Sse(_mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1))));
}
inline float largest(Avx x) {
  return largest(Sse(_mm_max_ps(_mm256_extractf128_ps(x, 1), _mm256_castps256_ps128(x))));
}

template <class AvxLanes>
inline void store_bytes(const AvxLanes& x, std::int8_t* to)
  requires(AvxLanes::kParts == 2)
{
  const __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(x.part[0]), _mm256_cvtps_epi32(x.part[1]));
  const __m256i ordered = _mm256_permute4x64_epi64(words, _MM_SHUFFLE(3, 1, 2, 0));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm_packs_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1)));
}
#endif

// --- AVX-512 F, BW, VL, DQ, CD, and VNNI ------------------------------------------------------

#if defined(__AVX512F__)
using Wide = xsimd::batch<float, xsimd::avx512bw>;
using WideInt = xsimd::batch<std::int32_t, xsimd::avx512bw>;

inline Wide fma(Wide a, Wide b, Wide c) { return Wide(_mm512_fmadd_ps(a, b, c)); }

inline Wide add_exponent(Wide x, Wide shifted) {
  const __m512i n = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
  return Wide(_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), n)));
}

inline Wide load_bfloat_first(const std::uint32_t* from, Wide) {
  return Wide(_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(from), 16)));
}
inline Wide load_bfloat_second(const std::uint32_t* from, Wide) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xFFFF0000u));
  return Wide(_mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(from), upper)));
}
inline Wide load_bytes(const std::int8_t* from, Wide) {
  return Wide(_mm512_cvtepi32_ps(
      _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)))));
}
inline Wide load_half(const std::uint16_t* from, Wide) {
  return Wide(_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))));
}
inline void store_half(Wide value, std::uint16_t* to) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                      _mm512_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

// The first n lanes from memory, the others `fill`; the first n to memory.
inline __mmask16 first_lanes(std::size_t n) { return static_cast<__mmask16>((1u << n) - 1); }
inline Wide load_first(const float* from, std::size_t n, float fill, Wide) {
  return Wide(_mm512_mask_loadu_ps(_mm512_set1_ps(fill), first_lanes(n), from));
}
inline void store_first(Wide x, float* to, std::size_t n) { _mm512_mask_storeu_ps(to, first_lanes(n), x); }

inline float sum(Wide x) {
  return sum(Avx(_mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1))));
}
inline float largest(Wide x) {
  return largest(Avx(_mm256_max_ps(_mm512_extractf32x8_ps(x, 1), _mm512_castps512_ps256(x))));
}

template <class WideLanes>
inline void store_bytes(const WideLanes& x, std::int8_t* to)
  requires(WideLanes::kParts == 1)
{
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x.part[0])));
}
#endif

}  // namespace kinglet::kernels::native
