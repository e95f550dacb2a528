// Named mixes: which format each tensor gets, and what rows of odd widths get instead.

#include "convert/mixes.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "dtype/format.h"

namespace kinglet::test {
namespace {

DType type_of(const char* mix, const std::string& name, std::vector<std::uint64_t> shape = {512, 512},
              std::size_t layer = 0, std::size_t layers = 32) {
  return type_for(*mix_named(mix), name, shape, layer, layers);
}

TEST(Mixes, AreFoundByName) {
  for (const Mix& mix : mixes()) EXPECT_EQ(mix_named(mix.name), &mix);
  EXPECT_EQ(mix_named("q4_k_x"), nullptr);
}

TEST(Mixes, VectorsStayF32AndTheEndsGetSixBits) {
  for (const Mix& mix : mixes()) {
    const std::string name(mix.name);
    EXPECT_EQ(type_of(name.c_str(), "model.norm.weight", {512}), DType::kF32) << name;
    EXPECT_EQ(type_of(name.c_str(), "model.embed_tokens.weight"), DType::kQ6_K) << name;
    EXPECT_EQ(type_of(name.c_str(), "lm_head.weight"), DType::kQ6_K) << name;
    EXPECT_EQ(type_of(name.c_str(), "model.layers.0.mlp.up_proj.weight"), mix.base) << name;
  }
}

TEST(Mixes, ValuesAndDownProjectionsOfSomeLayersGetMore) {
  std::string raised;
  for (std::size_t layer = 0; layer < 16; ++layer) {
    const DType value = type_of("q4_k_m", "model.layers.0.self_attn.v_proj.weight", {512, 512}, layer, 16);
    EXPECT_EQ(type_of("q4_k_m", "model.layers.0.mlp.down_proj.weight", {512, 512}, layer, 16), value);
    EXPECT_EQ(type_of("q4_k_m", "model.layers.0.self_attn.o_proj.weight", {512, 512}, layer, 16), DType::kQ4_K);
    raised += value == DType::kQ6_K ? '6' : '4';
  }
  EXPECT_EQ(raised, "6644644644644666");
  const std::string value = "model.layers.3.self_attn.v_proj.weight";
  EXPECT_EQ(type_of("q4_k_s", value, {512, 512}, 3), DType::kQ5_K);
  EXPECT_EQ(type_of("q4_k_s", value, {512, 512}, 4), DType::kQ4_K);
  EXPECT_EQ(type_of("q3_k_m", value, {512, 512}, 1), DType::kQ5_K);
  EXPECT_EQ(type_of("q3_k_m", value, {512, 512}, 2), DType::kQ4_K);
  EXPECT_EQ(type_of("q2_k", "model.layers.3.self_attn.o_proj.weight"), DType::kQ3_K);
}

TEST(Mixes, ModelsOfFewLayersHaveNoUnraisedEdges) {
  EXPECT_EQ(type_of("q4_k_m", "model.layers.0.mlp.down_proj.weight", {512, 512}, 0, 1), DType::kQ6_K);
}

// Whatever a mix wants, rows are whole blocks of what it gives.
TEST(Mixes, OddWidthsGetAFormatThatFits) {
  for (const Mix& mix : mixes()) {
    for (const std::uint64_t width : {48u, 576u, 1536u, 33u}) {
      for (const char* name : {"lm_head.weight", "x.self_attn.v_proj.weight", "x.mlp.up_proj.weight"}) {
        const DType dtype = type_for(mix, name, std::vector<std::uint64_t>{64, width}, 0, 30);
        EXPECT_EQ(width % dtype::format_of(dtype).block, 0) << mix.name << ", " << width;
      }
    }
  }
  EXPECT_EQ(fallback_for(DType::kQ4_K, 1536), DType::kQ4_K);
  EXPECT_EQ(fallback_for(DType::kQ4_K, 576), DType::kIQ4_NL);
  EXPECT_EQ(fallback_for(DType::kQ5_K, 576), DType::kQ5_0);
  EXPECT_EQ(fallback_for(DType::kQ6_K, 576), DType::kQ8_0);
  EXPECT_EQ(fallback_for(DType::kQ8_0, 48), DType::kF16);
}

}  // namespace
}  // namespace kinglet::test
