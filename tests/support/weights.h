#pragma once

// Weights for tests: random blocks of every weight format, and a second reading of each format's
// definition, made of loops over single weights and shared with no code of dtype/. (The layouts are
// those of the GGUF block formats; the heads of the files in dtype/ draw them.)

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "dtype/format.h"
#include "support/oracle.h"
#include "tensor/dtype.h"

namespace kinglet::test {

constexpr DType kFloatFormats[] = {DType::kF32, DType::kF16, DType::kBF16};
constexpr DType kIntegerFormats[] = {DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0,
                                     DType::kQ5_1, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K,
                                     DType::kQ2_K, DType::kQ3_K, DType::kIQ4_NL, DType::kMXFP4};

// The value of an f16 by its definition: sign, exponent, fraction.
inline double half_value(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
  double value = 0;
  if (exponent == 31) {
    value = fraction == 0 ? INFINITY : NAN;
  } else if (exponent == 0) {
    value = std::ldexp(fraction, -24);
  } else {
    value = std::ldexp(1024 + fraction, exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

inline double half_at(const std::byte* at) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, at, 2);
  return half_value(bits);
}

// Where the f16 scales of a block stand.
inline std::vector<std::size_t> scale_places(DType dtype) {
  switch (dtype) {
    case DType::kQ8_0: case DType::kQ4_0: case DType::kQ5_0: case DType::kIQ4_NL: return {0};
    case DType::kQ4_1: case DType::kQ5_1: case DType::kQ4_K: case DType::kQ5_K: return {0, 2};
    case DType::kQ6_K: return {208};
    case DType::kQ2_K: return {80, 82};
    case DType::kQ3_K: return {108};
    default: return {};
  }
}

// Random bytes whose scales, and floats, are between 2^-6 and 2 in magnitude, of either sign.
inline std::vector<std::byte> random_blocks(DType dtype, std::size_t values, Random& random) {
  const dtype::Format& format = dtype::format_of(dtype);
  std::vector<std::byte> bytes(dtype::row_bytes(dtype, values));
  const auto half = [&] {
    const std::uint64_t sign_and_fraction = random.next() & 0x83FF;  // in this order everywhere
    return static_cast<std::uint16_t>(sign_and_fraction | (9 + random.below(7)) << 10);
  };
  if (format.block > 1) {
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next());
    for (std::size_t at = 0; at < bytes.size(); at += format.block_bytes) {
      for (const std::size_t place : scale_places(dtype)) {
        const std::uint16_t bits = half();
        std::memcpy(bytes.data() + at + place, &bits, 2);
      }
      if (dtype == DType::kMXFP4) bytes[at] = static_cast<std::byte>(122 + random.below(7));
    }
    return bytes;
  }
  for (std::size_t i = 0; i < values; ++i) {
    const float value = random.uniform(-1.0f, 1.0f);
    const std::uint32_t wide = std::bit_cast<std::uint32_t>(value);
    const std::uint16_t narrow = dtype == DType::kF16 ? half() : static_cast<std::uint16_t>(wide >> 16);
    if (dtype == DType::kF32) std::memcpy(bytes.data() + 4 * i, &wide, 4);
    if (dtype != DType::kF32) std::memcpy(bytes.data() + 2 * i, &narrow, 2);
  }
  return bytes;
}

// One row of an integer format: w[i] = scale[i / per_scale] * q[i] + minimum[i / per_scale].
struct IntegerRow {
  std::vector<int> q;
  std::size_t per_scale = 32;
  std::vector<float> scale, minimum;  // minimum: empty in formats that have none

  double weight(std::size_t i) const {
    const std::size_t sub = i / per_scale;
    const double product = static_cast<double>(scale[sub]) * q[i];  // keeps the sign of a zero
    return minimum.empty() ? product : product + double{minimum[sub]};
  }
};

namespace detail {

inline int byte_at(const std::byte* at, std::size_t i) { return std::to_integer<int>(at[i]); }
inline int bit_of(const std::byte* at, std::size_t i) { return (byte_at(at, i / 8) >> (i % 8)) & 1; }
inline int signed_byte(const std::byte* at, std::size_t i) {
  const int byte = byte_at(at, i);
  return byte < 128 ? byte : byte - 256;
}
// Weight i of 32 whose low nibbles come first, then the high ones.
inline int nibble_of_32(const std::byte* at, std::size_t i) {
  return i < 16 ? byte_at(at, i) & 15 : byte_at(at, i - 16) >> 4;
}
// Weight i of 256: each 32 bytes hold 32 low nibbles, then 32 high ones.
inline int nibble_of_256(const std::byte* at, std::size_t i) {
  const int byte = byte_at(at, i / 64 * 32 + i % 32);
  return i % 64 < 32 ? byte & 15 : byte >> 4;
}

inline int scale_of_8(const std::byte* s, std::size_t b) {
  return b < 4 ? byte_at(s, b) & 63 : (byte_at(s, b + 4) & 15) + 16 * (byte_at(s, b - 4) >> 6);
}
inline int minimum_of_8(const std::byte* s, std::size_t b) {
  return b < 4 ? byte_at(s, b + 4) & 63 : (byte_at(s, b + 4) >> 4) + 16 * (byte_at(s, b) >> 6);
}

// Weight i of a q6_k block: 128 weights take 64 bytes of low and 32 bytes of high bits.
inline int q6_k(const std::byte* block, std::size_t i) {
  const std::size_t half = i / 128, quarter = i % 128 / 32, at = i % 32;
  const int low_byte = byte_at(block, 64 * half + at + (quarter % 2) * 32);
  const int low = quarter < 2 ? low_byte & 15 : low_byte >> 4;
  const int high = (byte_at(block, 128 + 32 * half + at) >> (2 * quarter)) & 3;
  return low + 16 * high - 32;
}

// Weight i of a q2_k or q3_k block: its two bits stand in one of the 32 bytes of its half.
inline int two_bits_of_256(const std::byte* at, std::size_t i) {
  return byte_at(at, 32 * (i / 128) + i % 32) >> (2 * (i % 128 / 32)) & 3;
}

// Scale b of a q3_k block: the low four bits in 8 bytes of two nibbles, the high two in 4 of four.
inline int q3_k_scale(const std::byte* s, std::size_t b) {
  const int low = b < 8 ? byte_at(s, b) % 16 : byte_at(s, b - 8) / 16;
  const int high = byte_at(s, 8 + b % 4) >> (2 * (b / 4)) & 3;
  return low + 16 * high - 32;
}

inline int iq4_nl(int code) {
  const int table[] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
  return table[code];
}

// Twice a 4-bit float: sign, two bits of exponent, one of fraction.
inline int mxfp4(int code) {
  const int exponent = code / 2 % 4, fraction = code % 2;
  const int magnitude = exponent == 0 ? fraction : (2 + fraction) << (exponent - 1);
  return code < 8 ? magnitude : -magnitude;
}

inline int integer_at(DType dtype, const std::byte* block, std::size_t i) {
  switch (dtype) {
    case DType::kQ8_0: return signed_byte(block, 2 + i);
    case DType::kQ4_0: return nibble_of_32(block + 2, i) - 8;
    case DType::kQ4_1: return nibble_of_32(block + 4, i);
    case DType::kQ5_0: return nibble_of_32(block + 6, i) + 16 * bit_of(block + 2, i) - 16;
    case DType::kQ5_1: return nibble_of_32(block + 8, i) + 16 * bit_of(block + 4, i);
    case DType::kQ4_K: return nibble_of_256(block + 16, i);
    case DType::kQ5_K:
      return nibble_of_256(block + 48, i) + 16 * ((byte_at(block + 16, i % 32) >> (i / 32)) & 1);
    case DType::kQ2_K: return two_bits_of_256(block + 16, i);
    case DType::kQ3_K: return two_bits_of_256(block + 32, i) + 4 * bit_of(block, 8 * (i % 32) + i / 32) - 4;
    case DType::kIQ4_NL: return iq4_nl(nibble_of_32(block + 2, i));
    case DType::kMXFP4: return mxfp4(nibble_of_32(block + 1, i));
    default: return q6_k(block, i);
  }
}

}  // namespace detail

// The integers, scales and minima of `values` weights, block by block.
inline IntegerRow read_integers(DType dtype, const std::byte* bytes, std::size_t values) {
  const dtype::Format& format = dtype::format_of(dtype);
  const bool is_k = format.block == 256;
  const bool has_minimum = scale_places(dtype).size() == 2;
  IntegerRow row;
  const bool of_16 = dtype == DType::kQ6_K || dtype == DType::kQ2_K || dtype == DType::kQ3_K;
  row.per_scale = of_16 ? 16 : 32;
  for (std::size_t i = 0; i < values; ++i) {
    const std::byte* block = bytes + i / format.block * format.block_bytes;
    const std::size_t within = i % format.block;
    row.q.push_back(detail::integer_at(dtype, block, within));
    if (i % row.per_scale != 0) continue;
    const std::size_t sub = within / row.per_scale;
    if (dtype == DType::kMXFP4) {  // a power of two alone
      row.scale.push_back(static_cast<float>(std::ldexp(1.0, detail::byte_at(block, 0) - 128)));
      continue;
    }
    const std::vector<std::size_t> places = scale_places(dtype);
    const double d = half_at(block + places[0]);
    double scale = d;
    if (dtype == DType::kQ6_K) scale = d * detail::signed_byte(block + 192, sub);
    if (dtype == DType::kQ3_K) scale = d * detail::q3_k_scale(block + 96, sub);
    if (dtype == DType::kQ2_K) scale = d * (detail::byte_at(block, sub) % 16);
    if (is_k && row.per_scale == 32) scale = d * detail::scale_of_8(block + 4, sub);
    row.scale.push_back(static_cast<float>(scale));
    if (!has_minimum) continue;
    const double m = half_at(block + places[1]);
    double minimum = m;
    if (dtype == DType::kQ2_K) minimum = -(m * (detail::byte_at(block, sub) / 16));
    if (is_k && row.per_scale == 32) minimum = -(m * detail::minimum_of_8(block + 4, sub));
    row.minimum.push_back(static_cast<float>(minimum));
  }
  return row;
}

}  // namespace kinglet::test
