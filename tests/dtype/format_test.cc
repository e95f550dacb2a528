// Weight formats: unpacking is the format's definition, and a panel gives back every row's values.

#include "dtype/format.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "dtype/half.h"
#include "dtype/list.h"
#include "dtype/pack_panel.h"
#include "support/oracle.h"
#include "support/weights.h"

namespace kinglet::test {
namespace {

constexpr std::size_t kRows = dtype::kLanes;

class FormatTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  static DType type() { return static_cast<DType>(GetParam()); }
  static std::vector<float> unpacked(const std::byte* bytes, std::size_t values) {
    std::vector<float> out(values);
    dtype::format_of(type()).unpack(bytes, values, out.data());
    return out;
  }
};

TEST_P(FormatTest, UnpackingIsTheDefinitionRoundedOnce) {
  Random random(1);
  constexpr std::size_t kValues = 1024;
  const std::vector<std::byte> bytes = random_blocks(type(), kValues, random);
  const std::vector<float> got = unpacked(bytes.data(), kValues);
  std::vector<float> want(kValues);
  for (std::size_t i = 0; i < kValues; ++i) {
    const std::byte* at = bytes.data() + i * dtype::format_of(type()).block_bytes;
    if (type() == DType::kF32) std::memcpy(&want[i], at, 4);
    if (type() == DType::kF16) want[i] = static_cast<float>(half_at(at));
    if (type() == DType::kBF16) std::memcpy(reinterpret_cast<std::byte*>(&want[i]) + 2, at, 2);
  }
  if (type() > DType::kBF16) {
    const IntegerRow row = read_integers(type(), bytes.data(), kValues);
    for (std::size_t i = 0; i < kValues; ++i) want[i] = static_cast<float>(row.weight(i));
  }
  EXPECT_TRUE(same_bits(got, want));
}

// 16 rows may be packed by another way than fewer.
TEST_P(FormatTest, APanelGivesBackEveryRowAndZerosForTheRowsItLacks) {
  Random random(2);
  const std::size_t block = dtype::format_of(type()).block;
  for (const std::size_t k : {block, 3 * block, std::max<std::size_t>(block, 320) / block * block}) {
    const std::size_t row_bytes = dtype::row_bytes(type(), k);
    for (std::size_t rows = 1; rows <= kRows; ++rows) {
      std::vector<std::byte> data;
      for (std::size_t row = 0; row < rows; ++row) {
        const std::vector<std::byte> blocks = random_blocks(type(), k, random);
        data.insert(data.end(), blocks.begin(), blocks.end());
      }
      std::vector<std::byte> panel(dtype::panel_bytes(type(), k), std::byte{0xEE});
      dtype::pack_panel(type(), data.data(), rows, k, panel.data());
      for (std::size_t row = 0; row < rows; ++row) {
        std::vector<float> got(k);
        dtype::unpack_panel_row(type(), panel.data(), row, k, got.data());
        EXPECT_TRUE(same_bits(got, unpacked(data.data() + row * row_bytes, k)))
            << "row " << row << " of " << rows << ", k " << k;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, FormatTest, ::testing::Range<std::size_t>(0, dtype::kWeightFormats),
                         [](const auto& type) {
                           return dtype::name_of(static_cast<DType>(type.param));
                         });

TEST(HalfTest, EveryHalfIsItsDefinitionAndComesBack) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = dtype::float_from_half(half);
    const double want = half_value(half);
    if (std::isnan(want)) {
      EXPECT_TRUE(std::isnan(value)) << bits;
      EXPECT_TRUE(std::isnan(dtype::float_from_half(dtype::half_from_float(value)))) << bits;
    } else {
      ASSERT_EQ(static_cast<double>(value), want) << bits;
      ASSERT_EQ(dtype::half_from_float(value), half) << bits;
    }
  }
}

// Between two neighbours: below the middle down, above it up, at it to the even one.
TEST(HalfTest, RoundingIsToTheNearestAndAtTheMiddleToEven) {
  for (std::uint32_t bits = 0; bits < 0x7BFF; ++bits) {
    const auto low = static_cast<std::uint16_t>(bits), high = static_cast<std::uint16_t>(bits + 1);
    const auto middle = static_cast<float>((half_value(low) + half_value(high)) / 2);
    ASSERT_EQ(dtype::half_from_float(std::nextafter(middle, 0.0f)), low) << bits;
    ASSERT_EQ(dtype::half_from_float(std::nextafter(middle, INFINITY)), high) << bits;
    ASSERT_EQ(dtype::half_from_float(middle), bits % 2 == 0 ? low : high) << bits;
    ASSERT_EQ(dtype::half_from_float(-middle), (bits % 2 == 0 ? low : high) | 0x8000) << bits;
  }
  EXPECT_EQ(dtype::half_from_float(65519.0f), 0x7BFF);
  EXPECT_EQ(dtype::half_from_float(65520.0f), 0x7C00);
}

TEST(HalfTest, BfloatsRoundToTheNearestAndAtTheMiddleToEven) {
  for (std::uint32_t bits = 0; bits < 0x7F7F; ++bits) {
    const std::uint32_t middle = bits << 16 | 0x8000;
    const auto even = static_cast<std::uint16_t>(bits + bits % 2);
    ASSERT_EQ(dtype::bfloat_from_float(std::bit_cast<float>(middle)), even) << bits;
    ASSERT_EQ(dtype::bfloat_from_float(std::bit_cast<float>(middle - 1)), bits) << bits;
    ASSERT_EQ(dtype::bfloat_from_float(std::bit_cast<float>(middle + 1)), bits + 1) << bits;
  }
  EXPECT_TRUE(std::isnan(dtype::float_from_bfloat(dtype::bfloat_from_float(NAN))));
}

}  // namespace
}  // namespace kinglet::test
