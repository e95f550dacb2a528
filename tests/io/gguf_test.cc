// The GGUF header: keys of every type, tensors, what the typed getters refuse.

#include "io/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reading.h"
#include "support/tiny_files.h"

namespace kinglet::io {
namespace {

using test::Bytes;
using test::GgufBuilder;
using testing::ElementsAre;

GgufHeader header_of(const std::string& text) {
  return GgufHeader(File::memory("hostile.file", bytes_of(text)));
}

GgufBuilder every_type() {
  GgufBuilder gguf;
  gguf.raw_key("u8", GgufBuilder::kU8, Bytes().put<std::uint8_t>(200).str())
      .raw_key("i8", GgufBuilder::kI8, Bytes().put<std::int8_t>(-100).str())
      .raw_key("u16", GgufBuilder::kU16, Bytes().put<std::uint16_t>(60000).str())
      .raw_key("i16", GgufBuilder::kI16, Bytes().put<std::int16_t>(-30000).str())
      .u32("u32", 4'000'000'000u)
      .raw_key("i32", GgufBuilder::kI32, Bytes().i32(-2'000'000'000).str())
      .raw_key("u64", GgufBuilder::kU64, Bytes().u64(1ull << 62).str())
      .raw_key("i64", GgufBuilder::kI64, Bytes().put<std::int64_t>(-(1ll << 62)).str())
      .f32("f32", 0.5f)
      .raw_key("f64", GgufBuilder::kF64, Bytes().put(-0.25).str())
      .raw_key("yes", GgufBuilder::kBool, Bytes().u8(1).str())
      .raw_key("no", GgufBuilder::kBool, Bytes().u8(0).str())
      .text("text", "kinglet")
      .text("empty", "")
      .texts("texts", {"a", "", "ccc"})
      .array("numbers", GgufBuilder::kF32, 2, Bytes().f32(1.5f).f32(-2).str())
      .array("bytes", GgufBuilder::kI8, 3, Bytes().u8(1).u8(0xFF).u8(3).str())
      .array("bools", GgufBuilder::kBool, 2, Bytes().u8(1).u8(0).str())
      .array("nothing", GgufBuilder::kU64, 0, "")
      .raw_key("huge", GgufBuilder::kU64, Bytes().u64(UINT64_MAX).str());
  return gguf;
}

TEST(GgufHeader, GivesEveryTypeOfValueBack) {
  const std::string text = every_type().build();
  const GgufHeader header = header_of(text);
  EXPECT_EQ(header.integer("u8"), 200);
  EXPECT_EQ(header.integer("i8"), -100);
  EXPECT_EQ(header.integer("u16"), 60000);
  EXPECT_EQ(header.integer("i16"), -30000);
  EXPECT_EQ(header.integer("u32"), 4'000'000'000);
  EXPECT_EQ(header.integer("i32"), -2'000'000'000);
  EXPECT_EQ(header.integer("u64"), 1ll << 62);
  EXPECT_EQ(header.integer("i64"), -(1ll << 62));
  EXPECT_EQ(header.number("f32"), 0.5);
  EXPECT_EQ(header.number("f64"), -0.25);
  EXPECT_EQ(header.number("i8"), -100.0);
  EXPECT_EQ(header.number("huge"), 18446744073709551616.0);
  EXPECT_EQ(header.boolean("yes"), true);
  EXPECT_EQ(header.boolean("no"), false);
  EXPECT_EQ(header.string("text"), "kinglet");
  EXPECT_EQ(header.string("empty"), "");
  EXPECT_THAT(*header.strings("texts"), ElementsAre("a", "", "ccc"));
  EXPECT_THAT(*header.numbers("numbers"), ElementsAre(1.5f, -2.0f));
  EXPECT_THAT(*header.numbers("bytes"), ElementsAre(1.0f, -1.0f, 3.0f));
  EXPECT_THAT(*header.integers("bytes"), ElementsAre(1, -1, 3));
  EXPECT_THAT(*header.booleans("bools"), ElementsAre(true, false));
  EXPECT_TRUE(header.integers("nothing")->empty());
  EXPECT_EQ(header.version(), 3u);
  EXPECT_EQ(header.alignment(), 32u);
}

TEST(GgufHeader, KeepsTheOrderOfKeys) {
  const std::string text = every_type().build();
  const GgufHeader header = header_of(text);
  ASSERT_EQ(header.keys().size(), 20u);
  EXPECT_EQ(header.keys()[0].name, "u8");
  EXPECT_EQ(header.keys()[19].name, "huge");
}

TEST(GgufHeader, AnswersNothingForAbsentKeys) {
  const std::string text = every_type().build();
  const GgufHeader header = header_of(text);
  EXPECT_FALSE(header.integer("absent"));
  EXPECT_FALSE(header.strings("absent"));
  EXPECT_FALSE(header.has("absent"));
}

TEST(GgufHeader, StaysValidWhenMoved) {
  const std::string text = every_type().build();
  GgufHeader first = header_of(text);
  const GgufHeader second = std::move(first);
  EXPECT_EQ(second.string("text"), "kinglet");
}

TEST(GgufHeader, RefusesAValueOfAnotherTypeByNameAndPlace) {
  const std::string text = every_type().build();
  const GgufHeader header = header_of(text);
  expect_refused([&] { header.integer("f32"); }, "hostile.file", "found f32, allowed an integer");
  expect_refused([&] { header.integer("bytes"); }, "hostile.file", "found array of i8");
  expect_refused([&] { header.integer("huge"); }, "hostile.file", "found 18446744073709551615");
  expect_refused([&] { header.number("yes"); }, "hostile.file", "found bool");
  expect_refused([&] { header.string("u8"); }, "hostile.file", "u8 at byte ");
  expect_refused([&] { header.strings("text"); }, "hostile.file", "allowed an array of strings");
  expect_refused([&] { header.integers("u32"); }, "hostile.file", "allowed an array of integers");
  expect_refused([&] { header.boolean("u8"); }, "hostile.file", "allowed a bool");
}

TEST(GgufHeader, ShowsValuesForPeople) {
  const std::string text = every_type().build();
  const GgufHeader header = header_of(text);
  const auto shown = [&](const char* name) { return header.shown(*header.find(name)); };
  EXPECT_EQ(shown("i8"), "-100");
  EXPECT_EQ(shown("f32"), "0.5");
  EXPECT_EQ(shown("no"), "false");
  EXPECT_EQ(shown("text"), "'kinglet'");
  EXPECT_EQ(shown("texts"), "['a', '', 'ccc'] (3 x string)");
  EXPECT_EQ(shown("nothing"), "[] (0 x u64)");
  EXPECT_EQ(shown("huge"), "18446744073709551615");
}

TEST(GgufHeader, PlacesTensorsOutermostFirst) {
  GgufBuilder gguf;
  gguf.floats("w", {3, 2}, test::ramp(6)).floats("v", {5}, test::ramp(5, 100));
  const std::string text = gguf.build();
  const GgufHeader header = header_of(text);
  ASSERT_EQ(header.tensors().size(), 2u);
  EXPECT_THAT(header.tensors()[0].shape, ElementsAre(2, 3));
  EXPECT_EQ(header.tensors()[0].offset, header.data_offset());
  EXPECT_EQ(header.tensors()[0].nbytes, 24u);
  EXPECT_EQ(header.tensors()[1].offset, header.data_offset() + 32);
  EXPECT_EQ(header.data_offset() % 32, 0u);
  EXPECT_TRUE(header.warnings().empty());
}

TEST(GgufHeader, ReadsVersion2AndOtherAlignments) {
  for (const std::uint32_t alignment : {1u, 8u, 64u, 4096u}) {
    GgufBuilder gguf;
    gguf.version = 2;
    gguf.alignment = alignment;
    gguf.u32("general.alignment", alignment).floats("v", {3}, test::ramp(3)).floats("w", {1}, {7});
    const std::string text = gguf.build();
    const GgufHeader header = header_of(text);
    EXPECT_EQ(header.data_offset() % alignment, 0u);
    float value = 0;
    std::memcpy(&value, text.data() + header.tensors()[1].offset, 4);
    EXPECT_EQ(value, 7.0f) << "alignment " << alignment;
  }
}

TEST(GgufHeader, WarnsOfGapsAndTrailingBytes) {
  GgufBuilder gguf;
  gguf.floats("v", {8}, test::ramp(8));
  const std::string trailing = gguf.build() + std::string(100, 'x');
  ASSERT_EQ(header_of(trailing).warnings().size(), 1u);
  EXPECT_NE(header_of(trailing).warnings()[0].find("100 bytes after"), std::string::npos);

  GgufBuilder gap;
  gap.tensor("v", {8}, 0, "", 64);
  const std::string with_gap = gap.build() + std::string(96, 'x');
  ASSERT_EQ(header_of(with_gap).warnings().size(), 1u);
  EXPECT_NE(header_of(with_gap).warnings()[0].find("1 gaps"), std::string::npos);
}

TEST(GgufHeader, ReadsTensorsInAnyOrderOfOffset) {
  GgufBuilder gguf;
  gguf.tensor("b", {8}, 0, "", 32).tensor("a", {8}, 0, "", 0);
  const std::string text = gguf.build() + std::string(64, 'x');
  const GgufHeader header = header_of(text);
  EXPECT_EQ(header.tensors()[0].name, "b");
  EXPECT_EQ(header.tensors()[0].offset, header.data_offset() + 32);
}

TEST(GgufTypes, GoBothWaysByNumber) {
  for (std::uint32_t number = 0; number < 64; ++number) {
    const auto dtype = dtype_of_ggml(number);
    if (dtype) {
      EXPECT_EQ(ggml_of_dtype(*dtype), number);
    }
  }
  EXPECT_EQ(dtype_of_ggml(8), DType::kQ8_0);
  EXPECT_EQ(dtype_of_ggml(14), DType::kQ6_K);
  EXPECT_EQ(dtype_of_ggml(10), DType::kQ2_K);
  EXPECT_EQ(dtype_of_ggml(11), DType::kQ3_K);
  EXPECT_EQ(dtype_of_ggml(20), DType::kIQ4_NL);
  EXPECT_EQ(dtype_of_ggml(39), DType::kMXFP4);
  EXPECT_EQ(dtype_of_ggml(30), DType::kBF16);
  EXPECT_FALSE(dtype_of_ggml(4));
  EXPECT_FALSE(ggml_of_dtype(DType::kBool));
}

}  // namespace
}  // namespace kinglet::io
