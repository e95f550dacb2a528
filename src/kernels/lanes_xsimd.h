#pragma once

// The lanes as one or more xsimd batches. What xsimd lacks is in namespace `native`: the same functions
// for every processor, each on one batch. Included by lanes.h.

#include <cstdint>
#include <utility>

#include "kernels/lanes.h"
#if defined(__x86_64__)
#include "kernels/lanes_x86.h"
#elif defined(__aarch64__)
#include "kernels/lanes_neon.h"
#endif

namespace kinglet::kernels {

template <class Level>
struct Lanes {
  using Part = xsimd::batch<float, typename Level::Arch>;
  static constexpr std::size_t kWidth = Part::size;
  static constexpr std::size_t kParts = kLaneCount / kWidth;
  Part part[kParts];

  static Lanes broadcast(float x) {
    Lanes out;
    for (Part& value : out.part) value = Part(x);
    return out;
  }
  static Lanes load(const float* from) {
    Lanes out;
    for (std::size_t i = 0; i < kParts; ++i) out.part[i] = Part::load_unaligned(from + i * kWidth);
    return out;
  }
  static Lanes load_half(const std::uint16_t* from) {
    Lanes out;
    for (std::size_t i = 0; i < kParts; ++i) out.part[i] = native::load_half(from + i * kWidth, Part());
    return out;
  }
  static Lanes load_bfloat_first(const std::uint32_t* from) {
    Lanes out;
    for (std::size_t i = 0; i < kParts; ++i) out.part[i] = native::load_bfloat_first(from + i * kWidth, Part());
    return out;
  }
  static Lanes load_bfloat_second(const std::uint32_t* from) {
    Lanes out;
    for (std::size_t i = 0; i < kParts; ++i) out.part[i] = native::load_bfloat_second(from + i * kWidth, Part());
    return out;
  }
  static Lanes load_bytes(const std::int8_t* from) {
    Lanes out;
    for (std::size_t i = 0; i < kParts; ++i) out.part[i] = native::load_bytes(from + i * kWidth, Part());
    return out;
  }
  void store_bytes(std::int8_t* to) const { native::store_bytes(*this, to); }
  void store(float* to) const {
    for (std::size_t i = 0; i < kParts; ++i) part[i].store_unaligned(to + i * kWidth);
  }
  void store_half(std::uint16_t* to) const {
    for (std::size_t i = 0; i < kParts; ++i) native::store_half(part[i], to + i * kWidth);
  }
};

template <class Level>
struct IntLanes {
  using Part = xsimd::batch<std::int32_t, typename Level::Arch>;
  static constexpr std::size_t kWidth = Part::size;
  static constexpr std::size_t kParts = kLaneCount / kWidth;
  Part part[kParts];

  static IntLanes broadcast(std::int32_t x) {
    IntLanes out;
    for (Part& value : out.part) value = Part(x);
    return out;
  }
};

// Where a register holds all lanes and the processor masks them; lanes_common.h has the rest.
#if defined(__AVX512F__)
template <class L>
  requires(Lanes<L>::kParts == 1)
inline Lanes<L> load_first(const float* from, std::size_t n, float fill) {
  return {{native::load_first(from, n, fill, typename Lanes<L>::Part())}};
}
template <class L>
  requires(Lanes<L>::kParts == 1)
inline void store_first(const Lanes<L>& x, float* to, std::size_t n) {
  native::store_first(x.part[0], to, n);
}
#endif

// One result per part; `Result` is Lanes or IntLanes.
template <class Result, class Function>
inline Result each_part(const Function& function) {
  Result out;
  for (std::size_t i = 0; i < Result::kParts; ++i) out.part[i] = function(i);
  return out;
}

template <class L>
inline Lanes<L> operator+(const Lanes<L>& a, const Lanes<L>& b) {
  return each_part<Lanes<L>>([&](std::size_t i) { return a.part[i] + b.part[i]; });
}
template <class L>
inline Lanes<L> operator-(const Lanes<L>& a, const Lanes<L>& b) {
  return each_part<Lanes<L>>([&](std::size_t i) { return a.part[i] - b.part[i]; });
}
template <class L>
inline Lanes<L> operator*(const Lanes<L>& a, const Lanes<L>& b) {
  return each_part<Lanes<L>>([&](std::size_t i) { return a.part[i] * b.part[i]; });
}
template <class L>
inline Lanes<L> operator/(const Lanes<L>& a, const Lanes<L>& b) {
  return each_part<Lanes<L>>([&](std::size_t i) { return native::divide(a.part[i], b.part[i]); });
}
// Not xsimd::fma, which is a multiplication and an addition on AVX-512 (8.1) and on SSE2.
template <class L>
inline Lanes<L> fma(const Lanes<L>& a, const Lanes<L>& b, const Lanes<L>& c) {
  return each_part<Lanes<L>>([&](std::size_t i) { return native::fma(a.part[i], b.part[i], c.part[i]); });
}
template <class L>
inline Lanes<L> select_less(const Lanes<L>& a, const Lanes<L>& b, const Lanes<L>& x,
                            const Lanes<L>& y) {
  return each_part<Lanes<L>>(
      [&](std::size_t i) { return xsimd::select(a.part[i] < b.part[i], x.part[i], y.part[i]); });
}
template <class L>
inline Lanes<L> absolute(const Lanes<L>& a) {
  return each_part<Lanes<L>>([&](std::size_t i) { return xsimd::abs(a.part[i]); });
}

// Part by part down to one, then inside it: the tree 8-4-2-1.
template <class L>
inline float sum(Lanes<L> x) {
  for (std::size_t half = Lanes<L>::kParts / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) x.part[i] = x.part[i] + x.part[i + half];
  }
  return native::sum(x.part[0]);
}
template <class L>
inline float largest(Lanes<L> x) {
  for (std::size_t half = Lanes<L>::kParts / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) {
      x.part[i] = xsimd::select(x.part[i] < x.part[i + half], x.part[i + half], x.part[i]);
    }
  }
  return native::largest(x.part[0]);
}

template <class L>
inline IntLanes<L> operator+(const IntLanes<L>& a, const IntLanes<L>& b) {
  return each_part<IntLanes<L>>([&](std::size_t i) { return a.part[i] + b.part[i]; });
}
template <class L>
inline Lanes<L> to_float(const IntLanes<L>& a) {
  return each_part<Lanes<L>>([&](std::size_t i) { return xsimd::to_float(a.part[i]); });
}
template <class L>
inline Lanes<L> add_exponent(const Lanes<L>& x, const Lanes<L>& shifted) {
  return each_part<Lanes<L>>([&](std::size_t i) { return native::add_exponent(x.part[i], shifted.part[i]); });
}

}  // namespace kinglet::kernels
