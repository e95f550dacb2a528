#pragma once

// How a panel of 16 output rows lies in memory: what the packers of dtype/ write and the kernels
// read. A lane is an output row, so every order along K can be kept exactly (numerics contract).
//
// Float formats: for each k in [0, K): 16 values, one per row. bf16: for each pair k, k + 1: 16 pairs,
// one per row, as the processors multiply them; an odd K ends with zeros.
//
// Integer formats: a weight is a code of a few bits, w = scale * (u - zero) + minimum with u the code or
// what the format's table says for it. A panel is read front to back, and its codes in whole cache lines:
// for each super-block of 256 along K (the last one may be shorter) three parts
//   codes    for each block of 32 along K the bits of the codes, in the planes that they add up to, the
//            lowest first. Group j is the values k = 4j .. 4j + 3, 64 bytes row by row.
//     8 bits   the groups 0 to 7
//     4 bits   4 x 64 bytes: group i in the low nibbles of the i-th, group i + 4 in the high ones
//     2 bits   2 x 64 bytes: group j in bits 2 (j % 4) and above of the j / 4-th
//     1 bit    64 bytes: group j in bit j
//   factors  for each block: kScales x 16 of the scales, one per row and sub-block of 32 / kScales; then
//            the same of the minima, where the format has them
//   units    where the factors are whole numbers: 16 f16 that the scales' are multiplied by, and 16 for
//            those of the minima

#include <array>
#include <cstddef>
#include <cstdint>

namespace kinglet::dtype {

constexpr std::size_t kLanes = 16;          // rows of a panel
constexpr std::size_t kIntegerBlock = 32;   // of K, in every integer format
constexpr std::size_t kSuperBlock = 256;
constexpr std::size_t kSuperBlocks = kSuperBlock / kIntegerBlock;  // blocks of a whole one

template <class Value>  // float; std::uint16_t tagged by the two structs below
struct FloatPanel {
  using Stored = Value;
  static constexpr bool kInteger = false;
  static constexpr std::size_t bytes(std::size_t k) { return k * kLanes * sizeof(Value); }
};
struct F32Panel : FloatPanel<float> {};
struct F16Panel : FloatPanel<std::uint16_t> {};
struct BF16Panel : FloatPanel<std::uint16_t> {
  static constexpr std::size_t kPair = 2;
  static constexpr std::size_t bytes(std::size_t k) { return (k + 1) / kPair * kPair * kLanes * sizeof(std::uint16_t); }
};

// Where value k of a row stands in its panel.
template <class Panel>
constexpr std::size_t place_in_panel(std::size_t k, std::size_t row) {
  if constexpr (requires { Panel::kPair; }) return (k / 2 * kLanes + row) * 2 + k % 2;
  return k * kLanes + row;
}

// u - zero of a code, and how the kernels get there: u is at most kLargest, which decides whether 16-bit
// sums of two products can overflow.
template <int kBitCount, int kZeroPoint>
struct PlainCodes {
  static constexpr int kBits = kBitCount, kZero = kZeroPoint, kLargest = (1 << kBits) - 1;
  static constexpr int integer(unsigned code) { return static_cast<int>(code) - kZero; }
};
// The table holds u.
template <const std::array<std::uint8_t, 16>& kEntries, int kZeroPoint, int kLargestEntry>
struct TableCodes {
  static constexpr int kBits = 4, kZero = kZeroPoint, kLargest = kLargestEntry;
  static constexpr const std::array<std::uint8_t, 16>& kTable = kEntries;
  static constexpr int integer(unsigned code) { return kTable[code] - kZero; }
};

// What a factor is: an f16 or a float as it is, or a whole number times a unit.
struct HalfFactors {
  using Stored = std::uint16_t;
  static constexpr bool kHasUnits = false;
};
struct FloatFactors {
  using Stored = float;
  static constexpr bool kHasUnits = false;
};
struct ByteFactors {
  using Stored = std::int8_t;
  static constexpr bool kHasUnits = true;
};

enum class Minimum { kNone, kPerScale };

template <class CodesType, class FactorsType, Minimum kMin, std::size_t kScaleCount>
struct IntegerPanel {
  using Codes = CodesType;
  using Factors = FactorsType;
  static constexpr bool kInteger = true;
  static constexpr bool kHasMinimum = kMin == Minimum::kPerScale;
  static constexpr std::size_t kScales = kScaleCount;
  static constexpr std::size_t kKinds = kHasMinimum ? 2 : 1;  // of factors and units

  static constexpr std::size_t kGroupBytes = 4 * kLanes;
  static constexpr bool kHasNibbles = Codes::kBits >= 4 && Codes::kBits < 8;
  static constexpr bool kHasTwoBits = Codes::kBits % 4 >= 2;
  static constexpr bool kHasOneBit = Codes::kBits % 2 == 1;
  static constexpr std::size_t kTwoBitsAt = kHasNibbles ? 4 * kGroupBytes : 0;
  static constexpr std::size_t kOneBitAt = kTwoBitsAt + (kHasTwoBits ? 2 * kGroupBytes : 0);

  static constexpr std::size_t kCodeBytes = kLanes * kIntegerBlock * Codes::kBits / 8;
  static constexpr std::size_t kKindBytes = kScales * kLanes * sizeof(typename Factors::Stored);
  static constexpr std::size_t kFactorBytes = kKinds * kKindBytes;
  static constexpr std::size_t kUnitBytes = Factors::kHasUnits ? kKinds * kLanes * sizeof(std::uint16_t) : 0;

  // Of a super-block of so many blocks.
  static constexpr std::size_t super_bytes(std::size_t blocks) {
    constexpr std::size_t kLine = 64;
    return (blocks * (kCodeBytes + kFactorBytes) + kUnitBytes + kLine - 1) / kLine * kLine;
  }
  static constexpr std::size_t bytes(std::size_t k) {
    const std::size_t rest = k % kSuperBlock / kIntegerBlock;
    return k / kSuperBlock * super_bytes(kSuperBlocks) + (rest > 0 ? super_bytes(rest) : 0);
  }
};

// iq4_nl: the table of ggml + 128. mxfp4: twice a 4-bit float, + 16.
constexpr std::array<std::uint8_t, 16> kIQ4_NLTable = {1,   24,  45,  63,  79,  93,  106, 118,
                                                       129, 141, 153, 166, 181, 197, 217, 241};
constexpr std::array<std::uint8_t, 16> kMXFP4Table = {16, 17, 18, 19, 20, 22, 24, 28,
                                                      16, 15, 14, 13, 12, 10, 8,  4};

using Q8_0Panel = IntegerPanel<PlainCodes<8, 128>, HalfFactors, Minimum::kNone, 1>;
using Q4_0Panel = IntegerPanel<PlainCodes<4, 8>, HalfFactors, Minimum::kNone, 1>;
using Q4_1Panel = IntegerPanel<PlainCodes<4, 0>, HalfFactors, Minimum::kPerScale, 1>;
using Q5_0Panel = IntegerPanel<PlainCodes<5, 16>, HalfFactors, Minimum::kNone, 1>;
using Q5_1Panel = IntegerPanel<PlainCodes<5, 0>, HalfFactors, Minimum::kPerScale, 1>;
using Q4_KPanel = IntegerPanel<PlainCodes<4, 0>, ByteFactors, Minimum::kPerScale, 1>;
using Q5_KPanel = IntegerPanel<PlainCodes<5, 0>, ByteFactors, Minimum::kPerScale, 1>;
using Q6_KPanel = IntegerPanel<PlainCodes<6, 32>, ByteFactors, Minimum::kNone, 2>;
using Q2_KPanel = IntegerPanel<PlainCodes<2, 0>, ByteFactors, Minimum::kPerScale, 2>;
using Q3_KPanel = IntegerPanel<PlainCodes<3, 4>, ByteFactors, Minimum::kNone, 2>;
using IQ4_NLPanel = IntegerPanel<TableCodes<kIQ4_NLTable, 128, 255>, HalfFactors, Minimum::kNone, 1>;
using MXFP4Panel = IntegerPanel<TableCodes<kMXFP4Table, 16, 31>, FloatFactors, Minimum::kNone, 1>;

}  // namespace kinglet::dtype
