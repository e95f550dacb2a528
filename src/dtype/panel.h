#pragma once

// How a panel of 16 output rows lies in memory: what the packers of dtype/ write and the kernels
// read. A lane is an output row, so every order along K can be kept exactly (numerics contract).
//
// Float formats: for each k in [0, K): 16 values, one per row. bf16: for each pair k, k + 1: 16 pairs,
// one per row, as the processors multiply them; an odd K ends with zeros.
//
// Integer formats: for each block of 32 along K
//   scales   kScales x 16 values of Scale        (one per row and sub-block of 32 / kScales)
//   minima   the same, where the format has them
//   weights  unsigned integers u; the weight's integer is u - kZero
//     bytes    8 groups of 64 bytes: group j holds, row by row, the 4 values k = 4j .. 4j + 3
//     nibbles  4 groups of 64 bytes: group j's low nibbles are bytes group j, its high ones j + 4
// and w = scale * (u - kZero) + minimum.

#include <cstddef>
#include <cstdint>

namespace kinglet::dtype {

constexpr std::size_t kLanes = 16;          // rows of a panel
constexpr std::size_t kIntegerBlock = 32;   // of K, in every integer format

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

enum class Packing { kBytes, kNibbles };
enum class Minimum { kNone, kPerBlock };

// kZero: what the stored unsigned integer is above the weight's own. kLargest: the largest stored
// integer, which decides whether 16-bit sums of two products can overflow.
template <Packing kPack, class ScaleType, Minimum kMin, std::size_t kScaleCount, int kZeroPoint,
          int kLargestValue>
struct IntegerPanel {
  using Scale = ScaleType;  // float, or std::uint16_t for an f16
  static constexpr bool kInteger = true;
  static constexpr bool kNibbles = kPack == Packing::kNibbles;
  static constexpr bool kHasMinimum = kMin == Minimum::kPerBlock;
  static constexpr std::size_t kScales = kScaleCount;
  static constexpr int kZero = kZeroPoint;
  static constexpr int kLargest = kLargestValue;

  static constexpr std::size_t kScaleBytes = kScales * kLanes * sizeof(Scale);
  static constexpr std::size_t kWeightsAt = kScaleBytes * (kHasMinimum ? 2 : 1);
  static constexpr std::size_t kBlockBytes =
      kWeightsAt + kLanes * kIntegerBlock / (kNibbles ? 2 : 1);
  static constexpr std::size_t bytes(std::size_t k) { return k / kIntegerBlock * kBlockBytes; }
};

using Q8_0Panel = IntegerPanel<Packing::kBytes, std::uint16_t, Minimum::kNone, 1, 128, 255>;
using Q4_0Panel = IntegerPanel<Packing::kNibbles, std::uint16_t, Minimum::kNone, 1, 8, 15>;
using Q4_1Panel = IntegerPanel<Packing::kNibbles, std::uint16_t, Minimum::kPerBlock, 1, 0, 15>;
using Q5_0Panel = IntegerPanel<Packing::kBytes, std::uint16_t, Minimum::kNone, 1, 16, 31>;
using Q5_1Panel = IntegerPanel<Packing::kBytes, std::uint16_t, Minimum::kPerBlock, 1, 0, 31>;
using Q4_KPanel = IntegerPanel<Packing::kNibbles, float, Minimum::kPerBlock, 1, 0, 15>;
using Q5_KPanel = IntegerPanel<Packing::kBytes, float, Minimum::kPerBlock, 1, 0, 31>;
using Q6_KPanel = IntegerPanel<Packing::kBytes, float, Minimum::kNone, 2, 32, 63>;
using Q2_KPanel = IntegerPanel<Packing::kBytes, float, Minimum::kPerBlock, 2, 0, 3>;
using Q3_KPanel = IntegerPanel<Packing::kBytes, float, Minimum::kNone, 2, 4, 7>;
// Formats with a table of integers: a panel holds what the table says.
using IQ4_NLPanel = IntegerPanel<Packing::kBytes, std::uint16_t, Minimum::kNone, 1, 128, 255>;
using MXFP4Panel = IntegerPanel<Packing::kBytes, float, Minimum::kNone, 1, 16, 31>;

}  // namespace kinglet::dtype
