#pragma once

// The number formats that a tensor in a file may have. Their layouts are in dtype/.

#include <cstdint>

namespace kinglet {

enum class DType : std::uint8_t {
  kF32, kF16, kBF16,
  kQ8_0, kQ4_0, kQ4_1, kQ5_0, kQ5_1,
  kQ4_K, kQ5_K, kQ6_K, kQ2_K, kQ3_K,
  kIQ4_NL, kMXFP4,
  // Found in files, not usable as weights; listed so that inspect can name them and sizes check.
  kF64, kI8, kI16, kI32, kI64, kU8, kU16, kU32, kU64, kBool,
};

}  // namespace kinglet
