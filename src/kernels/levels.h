#pragma once

// The instruction-set levels: what each object compiled from this folder may use. A level is a
// type; every kernel is a template on it, so no two objects share a symbol.

#include <cstddef>

#if defined(__x86_64__) || defined(__aarch64__)
#include <xsimd/xsimd.hpp>
#endif

namespace kinglet::kernels {

// kPanels and kTokens: the tile of a product with float weights that fits the registers; kIntegerPanels
// and kIntegerTokens: with integer weights. kGemvPanels, kGemvPanelsOf16Bits, kIntegerGemvPanels: how
// many panels one token keeps in flight, to cover the latency of the multiply-add and of memory.
// kQueries: how many queries attention takes together at most, and kLanesInFlight how many sums of 16
// lanes it keeps running.
struct Scalar {
  static constexpr const char* kName = "scalar";
  static constexpr bool kVnni = false;
  static constexpr std::size_t kPanels = 1, kTokens = 2, kGemvPanels = 1, kGemvPanelsOf16Bits = 1;
  static constexpr std::size_t kIntegerPanels = 1, kIntegerTokens = 2, kIntegerGemvPanels = 1;
  static constexpr std::size_t kQueries = 2, kLanesInFlight = 2;
};

#if defined(__x86_64__)
struct Sse2 {
  using Arch = xsimd::sse2;
  static constexpr const char* kName = "sse2";
  static constexpr bool kVnni = false;
  static constexpr std::size_t kPanels = 1, kTokens = 2, kGemvPanels = 1, kGemvPanelsOf16Bits = 1;
  static constexpr std::size_t kIntegerPanels = 1, kIntegerTokens = 2, kIntegerGemvPanels = 1;
  static constexpr std::size_t kQueries = 2, kLanesInFlight = 2;
};
struct Avx2 {
  using Arch = xsimd::fma3<xsimd::avx2>;
  static constexpr const char* kName = "avx2";
  static constexpr bool kVnni = false;
  static constexpr std::size_t kPanels = 1, kTokens = 6, kGemvPanels = 4, kGemvPanelsOf16Bits = 4;
  static constexpr std::size_t kIntegerPanels = 1, kIntegerTokens = 4, kIntegerGemvPanels = 2;
  static constexpr std::size_t kQueries = 4, kLanesInFlight = 4;
};
struct Avx512 {
  using Arch = xsimd::avx512bw;
  static constexpr const char* kName = "avx512";
  static constexpr bool kVnni = false;
  static constexpr std::size_t kPanels = 2, kTokens = 8, kGemvPanels = 4, kGemvPanelsOf16Bits = 8;
  static constexpr std::size_t kIntegerPanels = 1, kIntegerTokens = 8, kIntegerGemvPanels = 2;
  static constexpr std::size_t kQueries = 8, kLanesInFlight = 8;
};
struct Avx512Vnni : Avx512 {
  static constexpr const char* kName = "avx512vnni";
  static constexpr bool kVnni = true;
  static constexpr std::size_t kIntegerPanels = 2, kIntegerTokens = 6;
};
struct Avx512Bf16 : Avx512Vnni {
  static constexpr const char* kName = "avx512bf16";
};
#elif defined(__aarch64__)
struct Neon {
  using Arch = xsimd::neon64;
  static constexpr const char* kName = "neon";
  static constexpr bool kHasDot = false;
  static constexpr std::size_t kPanels = 1, kTokens = 6, kGemvPanels = 2, kGemvPanelsOf16Bits = 2;
  static constexpr std::size_t kIntegerPanels = 1, kIntegerTokens = 2, kIntegerGemvPanels = 1;
  static constexpr std::size_t kQueries = 4, kLanesInFlight = 4;
};
struct NeonDot : Neon {
  static constexpr const char* kName = "neondot";
  static constexpr bool kHasDot = true;
  static constexpr std::size_t kIntegerPanels = 1, kIntegerTokens = 4, kIntegerGemvPanels = 2;
};
#endif

}  // namespace kinglet::kernels
