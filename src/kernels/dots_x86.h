#pragma once

// Products of bytes on SSE2, AVX2 and AVX-512. Included by dots.h.
//
// VNNI multiplies unsigned by signed bytes and adds to 32 bits in one instruction. Before it there is
// vpmaddubsw, which sums two products in 16 bits: as many of these as fit are added there before they
// are widened. For bytes up to 255 two products can already be too large; taken as signed (u - 128),
// with the sign moved to x, they fit. SSE2 has neither and multiplies 16-bit halves.

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include "kernels/dots.h"

namespace kinglet::kernels {

namespace x86 {

// Makes a sum now. g++ 12 would put chains of vector additions off until their result is used, and
// keep every product until then: more than there are registers.
template <class Register>
inline Register now(Register sum) {
  asm("" : "+v"(sum));
  return sum;
}

// The operations on a register of kBytes bytes.
template <std::size_t kBytes>
struct Integers;

template <>
struct Integers<16> {
  using Register = __m128i;
  static Register load(const std::uint8_t* from) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  }
  static Register broadcast32(std::int32_t x) { return _mm_set1_epi32(x); }
  static Register add32(Register a, Register b) { return _mm_add_epi32(a, b); }
  static Register subtract32(Register a, Register b) { return _mm_sub_epi32(a, b); }
  template <int kBits>
  static Register shift_left32(Register a) { return _mm_slli_epi32(a, kBits); }
  template <int kBits>
  static Register shift_left16(Register b) { return _mm_slli_epi16(b, kBits); }
  template <int kBits>
  static Register shift_right16(Register b) { return _mm_srli_epi16(b, kBits); }
  static Register masked(Register b, char mask) { return _mm_and_si128(b, _mm_set1_epi8(mask)); }
  static Register merge(Register a, Register b) { return _mm_or_si128(a, b); }
  static Register lookup(const std::uint8_t* table, Register b) {
    std::uint8_t bytes[16];
    std::memcpy(bytes, &b, sizeof(bytes));
    for (std::uint8_t& byte : bytes) byte = table[byte];
    return load(bytes);
  }
  // Even and odd bytes apart, in 16 bits.
  static Register dot4(Register sums, Register u, Register x) {
    const Register even = _mm_madd_epi16(_mm_and_si128(u, _mm_set1_epi16(0x00FF)),
                                         _mm_srai_epi16(_mm_slli_epi16(x, 8), 8));
    const Register odd = _mm_madd_epi16(_mm_srli_epi16(u, 8), _mm_srai_epi16(x, 8));
    return add32(sums, add32(even, odd));
  }
};

#if defined(__AVX2__)
template <>
struct Integers<32> {
  using Register = __m256i;
  static Register load(const std::uint8_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static Register broadcast32(std::int32_t x) { return _mm256_set1_epi32(x); }
  static Register add32(Register a, Register b) { return now(_mm256_add_epi32(a, b)); }
  static Register subtract32(Register a, Register b) { return _mm256_sub_epi32(a, b); }
  template <int kBits>
  static Register shift_left32(Register a) { return _mm256_slli_epi32(a, kBits); }
  template <int kBits>
  static Register shift_left16(Register b) { return _mm256_slli_epi16(b, kBits); }
  template <int kBits>
  static Register shift_right16(Register b) { return _mm256_srli_epi16(b, kBits); }
  static Register masked(Register b, char mask) { return _mm256_and_si256(b, _mm256_set1_epi8(mask)); }
  static Register merge(Register a, Register b) { return _mm256_or_si256(a, b); }
  static Register lookup(const std::uint8_t* table, Register b) {
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(Integers<16>::load(table)), b);
  }
  static Register add16(Register a, Register b) { return now(_mm256_add_epi16(a, b)); }
  static Register dot2(Register u, Register x) { return _mm256_maddubs_epi16(u, x); }
  // |u - 128| is unsigned and at most 128; x takes the sign, and is never -128.
  static Register dot2_signed(Register u, Register x) {
    const Register w = _mm256_xor_si256(u, _mm256_set1_epi8(-128));
    return dot2(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
  }
  static Register widen(Register pairs) { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }
};
#endif

#if defined(__AVX512F__)
template <>
struct Integers<64> {
  using Register = __m512i;
  static Register load(const std::uint8_t* from) { return _mm512_loadu_si512(from); }
  static Register broadcast32(std::int32_t x) { return _mm512_set1_epi32(x); }
  static Register add32(Register a, Register b) { return now(_mm512_add_epi32(a, b)); }
  static Register subtract32(Register a, Register b) { return _mm512_sub_epi32(a, b); }
  template <unsigned kBits>
  static Register shift_left32(Register a) { return _mm512_slli_epi32(a, kBits); }
  template <int kBits>
  static Register shift_left16(Register b) { return _mm512_slli_epi16(b, kBits); }
  template <int kBits>
  static Register shift_right16(Register b) { return _mm512_srli_epi16(b, kBits); }
  static Register masked(Register b, char mask) { return _mm512_and_si512(b, _mm512_set1_epi8(mask)); }
  static Register merge(Register a, Register b) { return _mm512_or_si512(a, b); }
  static Register lookup(const std::uint8_t* table, Register b) {
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(Integers<16>::load(table)), b);
  }
  static Register add16(Register a, Register b) { return now(_mm512_add_epi16(a, b)); }
  static Register dot2(Register u, Register x) { return _mm512_maddubs_epi16(u, x); }
  // AVX-512 has no instruction that moves a sign; x is negated under a mask.
  static Register dot2_signed(Register u, Register x) {
    const Register w = _mm512_xor_si512(u, _mm512_set1_epi8(-128));
    const Register signed_x =
        _mm512_mask_sub_epi8(x, _mm512_movepi8_mask(w), _mm512_setzero_si512(), x);
    return dot2(_mm512_abs_epi8(w), signed_x);
  }
  static Register widen(Register pairs) { return _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)); }
#if defined(__AVX512VNNI__)
  static Register dot4(Register sums, Register u, Register x) {
    return _mm512_dpbusd_epi32(sums, u, x);
  }
#endif
};
#endif

}  // namespace x86

template <class Level>
struct ByteLanes {
  static constexpr std::size_t kParts = IntLanes<Level>::kParts;
  static constexpr std::size_t kBytes = 4 * kLaneCount / kParts;
  using Ops = x86::Integers<kBytes>;
  typename Ops::Register part[kParts];

  static ByteLanes load(const std::uint8_t* from) {
    return each_part<ByteLanes>([&](std::size_t i) { return Ops::load(from + i * kBytes); });
  }
};

// Shifted in 16 bits: what comes from the neighbouring byte is masked out.
template <int kLeft, unsigned kMask, class L>
inline ByteLanes<L> field(const ByteLanes<L>& b) {
  using Ops = typename ByteLanes<L>::Ops;
  constexpr unsigned kOwnBits = (kLeft < 0 ? 0xFFu >> -kLeft : 0xFFu << kLeft) & 0xFFu;
  static_assert((kMask & ~kOwnBits) == 0);
  return each_part<ByteLanes<L>>([&](std::size_t i) {
    auto shifted = b.part[i];
    if constexpr (kLeft > 0) shifted = Ops::template shift_left16<kLeft>(shifted);
    if constexpr (kLeft < 0) shifted = Ops::template shift_right16<-kLeft>(shifted);
    return Ops::masked(shifted, static_cast<char>(kMask));
  });
}
template <class L>
inline ByteLanes<L> merge(const ByteLanes<L>& a, const ByteLanes<L>& b) {
  return each_part<ByteLanes<L>>([&](std::size_t i) { return ByteLanes<L>::Ops::merge(a.part[i], b.part[i]); });
}
template <class L>
inline ByteLanes<L> lookup(const std::uint8_t* table, const ByteLanes<L>& b) {
  return each_part<ByteLanes<L>>([&](std::size_t i) { return ByteLanes<L>::Ops::lookup(table, b.part[i]); });
}

template <class Level, int kLargest, int kZero>
struct Dots {
  static constexpr std::size_t kParts = ByteLanes<Level>::kParts;
  using Ops = typename ByteLanes<Level>::Ops;
  using Register = typename Ops::Register;

  // How the level sums products: in 32 bits at once; in 16 bits first; in 16 bits with signs moved.
  static constexpr bool kDirect = Level::kVnni || sizeof(Register) == 16;
  static constexpr bool kSigned = !kDirect && kLargest > 63;
  static constexpr std::size_t kFit = 32767 / (2 * 127 * kLargest);  // sums of two in 16 bits
  static constexpr std::size_t kTerms = kDirect ? kMostTerms : kSigned ? 1 : std::min(kFit, kMostTerms);
  static_assert(!kSigned || kZero == 128);

  Register sums[kParts];
  Register pairs[kDirect || kSigned ? 1 : kParts];  // 16-bit sums of two products

  // kZero * x_sum is taken off before anything is added.
  void start(const IntLanes<Level>& x_sum) {
    for (std::size_t i = 0; i < kParts; ++i) {
      if constexpr (kSigned || kZero == 0) {
        sums[i] = Register{};
      } else {
        static_assert(std::has_single_bit(static_cast<unsigned>(kZero)));
        constexpr auto kBits = std::countr_zero(static_cast<unsigned>(kZero));
        sums[i] = Ops::subtract32(Register{}, Ops::template shift_left32<kBits>(x_sum.part[i]));
      }
    }
    for (Register& value : pairs) value = Register{};
  }
  void add(const ByteLanes<Level>& u, const std::int8_t* x) {
    std::int32_t four = 0;
    std::memcpy(&four, x, sizeof(four));
    const Register fours = Ops::broadcast32(four);
    for (std::size_t i = 0; i < kParts; ++i) {
      if constexpr (kDirect) {
        sums[i] = Ops::dot4(sums[i], u.part[i], fours);
      } else if constexpr (kSigned) {
        sums[i] = Ops::add32(sums[i], Ops::widen(Ops::dot2_signed(u.part[i], fours)));
      } else {
        pairs[i] = Ops::add16(pairs[i], Ops::dot2(u.part[i], fours));
      }
    }
  }
  void fold() {
    if constexpr (!kDirect && !kSigned) {
      for (std::size_t i = 0; i < kParts; ++i) {
        sums[i] = Ops::add32(sums[i], Ops::widen(pairs[i]));
        pairs[i] = Register{};
      }
    }
  }
  IntLanes<Level> total() const {
    return each_part<IntLanes<Level>>([&](std::size_t i) { return typename IntLanes<Level>::Part(sums[i]); });
  }
};

}  // namespace kinglet::kernels
