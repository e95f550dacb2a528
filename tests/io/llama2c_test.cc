// llama2.c checkpoints of the three versions.

#include "io/llama2c.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "reading.h"
#include "support/temp_dir.h"
#include "support/tiny_files.h"

namespace kinglet::io {
namespace {

using nlohmann::json;
using test::Bytes;
using test::ramp;
using test::TinyShape;

ModelFile open(const std::string& text) { return open_text(Format::kLlama2c, text); }

Bytes marked_header(std::int32_t version, bool is_shared, std::int32_t group = 0) {
  Bytes bytes;
  bytes.u32(0x616b3432).i32(version);
  test::llama2c_numbers(bytes, {});
  bytes.u8(is_shared ? 1 : 0);
  if (version == 2) bytes.i32(group);
  return bytes.pad_to_size(256);
}

std::string version1(bool is_shared) {
  const TinyShape s;
  Bytes bytes = marked_header(1, is_shared);
  bytes.floats(ramp(8, 8000)).floats(ramp(8, 8100)).floats(ramp(8, 8200));  // norms
  bytes.floats(ramp(48, 0));                                                // embedding
  bytes.floats(ramp(64, 1000)).floats(ramp(32, 2000)).floats(ramp(32, 3000)).floats(ramp(64, 4000));
  bytes.floats(ramp(96, 5000)).floats(ramp(96, 7000)).floats(ramp(96, 6000));  // w1, w2, w3
  if (!is_shared) bytes.floats(ramp(48, 10000));
  return bytes.str();
}

// One quantised matrix: values -> i8 ramp, then a scale per group.
void quantised(Bytes& bytes, std::size_t values, std::size_t group, float scale) {
  for (std::size_t i = 0; i < values; ++i) bytes.u8(static_cast<std::uint8_t>(i % 256));
  for (std::size_t g = 0; g < values / group; ++g) bytes.f32(scale + static_cast<float>(g));
}

float dequantised(std::size_t i, std::size_t group, float scale) {
  const auto q = static_cast<std::int8_t>(static_cast<std::uint8_t>(i % 256));
  return static_cast<float>(q) * (scale + static_cast<float>(i / group));
}

std::string version2(std::int32_t group, bool is_shared) {
  Bytes bytes = marked_header(2, is_shared, group);
  bytes.floats(ramp(8, 8000)).floats(ramp(8, 8100)).floats(ramp(8, 8200));
  const auto size = static_cast<std::size_t>(group);
  float scale = 0.1f;
  for (const std::size_t values : {48, 64, 32, 32, 64, 96, 96, 96}) {
    quantised(bytes, values, size, scale);
    scale += 0.1f;
  }
  if (!is_shared) quantised(bytes, 48, size, 0.9f);
  return bytes.str();
}

void expect_tiny_tensors(const ModelFile& model) {
  const TensorSource& t = *model.tensors;
  EXPECT_EQ(floats_of(t, "model.embed_tokens.weight"), ramp(48, 0));
  EXPECT_EQ(floats_of(t, "model.layers.0.input_layernorm.weight"), ramp(8, 8000));
  EXPECT_EQ(floats_of(t, "model.layers.0.post_attention_layernorm.weight"), ramp(8, 8100));
  EXPECT_EQ(floats_of(t, "model.norm.weight"), ramp(8, 8200));
  EXPECT_EQ(floats_of(t, "model.layers.0.self_attn.v_proj.weight"), ramp(32, 3000));
  EXPECT_EQ(floats_of(t, "model.layers.0.self_attn.o_proj.weight"), ramp(64, 4000));
  EXPECT_EQ(floats_of(t, "model.layers.0.mlp.gate_proj.weight"), ramp(96, 5000));
  EXPECT_EQ(floats_of(t, "model.layers.0.mlp.up_proj.weight"), ramp(96, 6000));
  EXPECT_EQ(floats_of(t, "model.layers.0.mlp.down_proj.weight"), ramp(96, 7000));
  // Half-split order, by hand: rows 0, 2, 1, 3 of each head of 4.
  const auto q = floats_of(t, "model.layers.0.self_attn.q_proj.weight");
  const auto k = floats_of(t, "model.layers.0.self_attn.k_proj.weight");
  const float row_in_file[] = {0, 2, 1, 3, 4, 6, 5, 7};
  for (std::size_t row = 0; row < 8; ++row) EXPECT_EQ(q[8 * row], 1000 + 8 * row_in_file[row]);
  for (std::size_t row = 0; row < 4; ++row) EXPECT_EQ(k[8 * row], 2000 + 8 * row_in_file[row]);
}

TEST(Llama2c, ReadsVersion0) {
  const std::string text = test::tiny_llama2c();
  const ModelFile model = open(text);
  expect_tiny_tensors(model);
  EXPECT_EQ(model.tensors->find("lm_head.weight"), nullptr);
  EXPECT_EQ(model.format, "llama2.c v0");
  EXPECT_TRUE(model.warnings.empty());
}

TEST(Llama2c, ReadsTheClassifierOfVersion0BehindTheRopeTables) {
  const std::string text = test::tiny_llama2c({}, false);
  const ModelFile model = open(text);
  expect_tiny_tensors(model);
  EXPECT_EQ(floats_of(*model.tensors, "lm_head.weight"), ramp(48, 10000));
  EXPECT_EQ(model.config.json()["vocab_size"], 6);
  EXPECT_EQ(model.config.json()["tie_word_embeddings"], false);
}

TEST(Llama2c, ReadsVersion1) {
  for (const bool is_shared : {true, false}) {
    const std::string text = version1(is_shared);
    const ModelFile model = open(text);
    expect_tiny_tensors(model);
    EXPECT_EQ(model.tensors->find("lm_head.weight") == nullptr, is_shared);
    EXPECT_EQ(model.format, "llama2.c v1");
    EXPECT_TRUE(model.warnings.empty());
  }
}

TEST(Llama2c, ReadsVersion2AsTheProductOfValueAndScale) {
  for (const std::int32_t group : {1, 2, 4}) {
    const auto size = static_cast<std::size_t>(group);
    const std::string text = version2(group, false);
    const ModelFile model = open(text);
    EXPECT_TRUE(model.warnings.empty());
    EXPECT_EQ(floats_of(*model.tensors, "model.norm.weight"), ramp(8, 8200));
    EXPECT_EQ(model.tensors->find("lm_head.weight")->dtype, DType::kF32);
    const auto check = [&](const char* name, std::size_t values, float scale) {
      const auto read = floats_of(*model.tensors, name);
      ASSERT_EQ(read.size(), values);
      for (std::size_t i = 0; i < values; ++i) {
        EXPECT_EQ(read[i], dequantised(i, size, scale)) << name << " " << i << " of group " << group;
      }
    };
    float scale = 0.1f;
    check("model.embed_tokens.weight", 48, scale);
    for (int skipped = 0; skipped < 3; ++skipped) scale += 0.1f;
    check("model.layers.0.self_attn.v_proj.weight", 32, scale);
    check("lm_head.weight", 48, 0.9f);
    // Permuted and dequantised: row 1 is row 2 of the file.
    const auto q = floats_of(*model.tensors, "model.layers.0.self_attn.q_proj.weight");
    EXPECT_EQ(q[8], dequantised(16, size, 0.2f));
    std::string row(32, '\0');
    model.tensors->read_rows(*model.tensors->find("model.layers.0.self_attn.v_proj.weight"), 3,
                             std::as_writable_bytes(std::span(row)));
    float value = 0;
    std::memcpy(&value, row.data() + 4, 4);
    EXPECT_EQ(value, dequantised(25, size, scale)) << "one row alone";
  }
}

TEST(Llama2c, HasTheConfigurationOfItsRunProgram) {
  const std::string text = test::tiny_llama2c();
  const json config = open(text).config.json();
  EXPECT_EQ(config["model_type"], "llama");
  EXPECT_EQ(config["hidden_size"], 8);
  EXPECT_EQ(config["intermediate_size"], 12);
  EXPECT_EQ(config["num_key_value_heads"], 1);
  EXPECT_EQ(config["max_position_embeddings"], 16);
  EXPECT_EQ(config["rope_theta"], 10000.0);
  EXPECT_EQ(config["rms_norm_eps"], 1e-5);
  EXPECT_EQ(config["eos_token_id"], json({1, 2})) << "BOS ends a text, as in run.c";
}

TEST(Llama2c, WarnsOfBytesBehindTheLastTensor) {
  const std::string text = test::tiny_llama2c() + "abc";
  ASSERT_EQ(open(text).warnings.size(), 1u);
  EXPECT_NE(open(text).warnings[0].find("3 bytes after"), std::string::npos);
}

TEST(Llama2c, FindsTheTokenizerBesideTheFile) {
  const test::TempDir folder;
  const auto path = folder.write("model.bin", test::tiny_llama2c());
  EXPECT_EQ(open_model_file(path).tokenizer.kind, TokenizerText::Kind::kNone);
  folder.write("tok6.bin", "by size");
  EXPECT_EQ(open_model_file(path).tokenizer.content, "by size");
  folder.write("tokenizer.bin", "by name");
  EXPECT_EQ(open_model_file(path).tokenizer.content, "by name");
}

}  // namespace
}  // namespace kinglet::io
