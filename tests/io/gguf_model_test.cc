// A GGUF file as a model: names, configuration, rows of q and k, token ids.

#include "io/gguf_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "io/gguf.h"
#include "reading.h"
#include "support/tiny_files.h"

namespace kinglet::io {
namespace {

using nlohmann::json;
using test::GgufBuilder;
using test::ramp;
using testing::ElementsAre;

ModelFile open(const std::string& text) { return open_text(Format::kGguf, text); }

// The tiny model with one key more.
std::string with_key(const std::function<void(GgufBuilder&)>& add) {
  GgufBuilder gguf = test::tiny_gguf_keys();
  add(gguf);
  return test::add_tiny_gguf_tensors(gguf).build();
}

TEST(GgufModel, HasTheNamesOfSafetensorsFiles) {
  const std::string text = test::tiny_gguf();
  EXPECT_THAT(
      names_of(*open(text).tensors),
      ElementsAre("model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight",
                  "model.layers.0.self_attn.k_proj.weight", "model.layers.0.self_attn.v_proj.weight",
                  "model.layers.0.self_attn.o_proj.weight", "model.layers.0.mlp.gate_proj.weight",
                  "model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.down_proj.weight",
                  "model.layers.0.input_layernorm.weight",
                  "model.layers.0.post_attention_layernorm.weight", "model.norm.weight"));
}

TEST(GgufModel, KeepsTheNameInTheFileForMessages) {
  const std::string text = test::tiny_gguf();
  const ModelFile model = open(text);
  EXPECT_EQ(model.tensors->find("model.norm.weight")->name_in_file, "output_norm.weight");
}

TEST(GgufModel, LeavesNamesThatItDoesNotKnow) {
  GgufBuilder gguf = test::tiny_gguf_keys();
  test::add_tiny_gguf_tensors(gguf);
  gguf.floats("rope_freqs.weight", {2}, {1, 8});
  for (const char* name : {"blk.x.attn_q.weight", "blk.0.ffn_gate_exps.weight", "blk.0.weight",
                           "blk..attn_v.weight", "blk.0.attn_q.scale"}) {
    gguf.floats(name, {2}, {1, 8});
  }
  const std::string text = gguf.build();
  const ModelFile model = open(text);
  for (const char* name : {"rope_freqs.weight", "blk.x.attn_q.weight", "blk.0.ffn_gate_exps.weight",
                           "blk.0.weight", "blk..attn_v.weight", "blk.0.attn_q.scale"}) {
    EXPECT_NE(model.tensors->find(name), nullptr) << name;
  }
}

TEST(GgufModel, HasTheKeysOfAConfigJson) {
  const std::string text = test::tiny_gguf();
  const ModelFile model = open(text);
  const json config = model.config.json();
  EXPECT_EQ(config["model_type"], "llama");
  EXPECT_EQ(config["hidden_size"], 8);
  EXPECT_EQ(config["intermediate_size"], 12);
  EXPECT_EQ(config["num_hidden_layers"], 1);
  EXPECT_EQ(config["num_attention_heads"], 2);
  EXPECT_EQ(config["num_key_value_heads"], 1);
  EXPECT_EQ(config["max_position_embeddings"], 16);
  EXPECT_EQ(config["rms_norm_eps"], static_cast<double>(1e-5f));
  EXPECT_EQ(config["rope_theta"], 10000.0);
  EXPECT_EQ(config["vocab_size"], 6);
  EXPECT_EQ(config["bos_token_id"], 1);
  EXPECT_EQ(config["eos_token_id"], 2);
  EXPECT_EQ(config["tie_word_embeddings"], true);
  EXPECT_FALSE(config.contains("rope_scaling"));
  EXPECT_EQ(model.format, "GGUF v3");
  ASSERT_NE(model.gguf, nullptr);
  EXPECT_EQ(model.gguf->strings("tokenizer.ggml.tokens")->size(), 6u);
}

TEST(GgufModel, IsUntiedWhereItHasAnOutputMatrix) {
  GgufBuilder gguf = test::tiny_gguf_keys();
  test::add_tiny_gguf_tensors(gguf).floats("output.weight", {8, 6}, ramp(48, 500));
  const std::string text = gguf.build();
  const ModelFile model = open(text);
  EXPECT_EQ(model.config.json()["tie_word_embeddings"], false);
  EXPECT_EQ(floats_of(*model.tensors, "lm_head.weight")[1], 501.0f);
}

// By hand, for heads of 4 rows: the file has pairs (0, 2), (1, 3) side by side.
TEST(GgufModel, PutsRowsOfQueryAndKeyInHalfSplitOrder) {
  const std::string text = test::tiny_gguf();
  const ModelFile model = open(text);
  const auto q = floats_of(*model.tensors, "model.layers.0.self_attn.q_proj.weight");
  const auto k = floats_of(*model.tensors, "model.layers.0.self_attn.k_proj.weight");
  const auto v = floats_of(*model.tensors, "model.layers.0.self_attn.v_proj.weight");
  const std::size_t row_in_file[] = {0, 2, 1, 3, 4, 6, 5, 7};
  for (std::size_t row = 0; row < 8; ++row) {
    for (std::size_t column = 0; column < 8; ++column) {
      EXPECT_EQ(q[8 * row + column], 1000.0f + static_cast<float>(8 * row_in_file[row] + column));
      if (row < 4) {
        EXPECT_EQ(k[8 * row + column], 2000.0f + static_cast<float>(8 * row_in_file[row] + column));
        EXPECT_EQ(v[8 * row + column], 3000.0f + static_cast<float>(8 * row + column));
      }
    }
  }
}

TEST(GgufModel, PutsABiasOfQueryInHalfSplitOrder) {
  GgufBuilder gguf = test::tiny_gguf_keys();
  test::add_tiny_gguf_tensors(gguf).floats("blk.0.attn_q.bias", {8}, ramp(8));
  const std::string text = gguf.build();
  const ModelFile model = open(text);
  EXPECT_THAT(floats_of(*model.tensors, "model.layers.0.self_attn.q_proj.bias"),
              ElementsAre(0, 2, 1, 3, 4, 6, 5, 7));
  EXPECT_EQ(model.config.json()["attention_bias"], true);
}

// Any run of rows gives the same as the whole: runs inside a half, across halves, across heads.
TEST(GgufModel, ReadsAnyRunOfPermutedRows) {
  const test::TinyShape shape{.D = 240, .F = 4, .H = 3, .G = 1, .V = 6};  // heads of 80 rows
  GgufBuilder gguf = test::tiny_gguf_keys(shape);
  const std::string text = test::add_tiny_gguf_tensors(gguf, shape).build();
  const ModelFile model = open(text);
  const TensorInfo& q = *model.tensors->find("model.layers.0.self_attn.q_proj.weight");
  const std::string whole = raw_of(*model.tensors, q);
  const std::size_t row_bytes = 240 * 4;
  for (const std::size_t begin : {0, 1, 39, 40, 41, 79, 80, 131, 239}) {
    for (const std::size_t count : {1, 2, 16, 33, 41, 97}) {
      if (begin + count > 240) continue;
      std::string part(count * row_bytes, '\0');
      model.tensors->read_rows(q, begin, std::as_writable_bytes(std::span(part)));
      EXPECT_EQ(part, whole.substr(begin * row_bytes, part.size())) << begin << " + " << count;
    }
  }
  // Row 80 + 1 (head 1, first half, second pair) is row 80 + 2 of the file.
  float value = 0;
  std::memcpy(&value, whole.data() + 81 * row_bytes, 4);
  EXPECT_EQ(value, 1000.0f + 82.0f * 240.0f);
}

TEST(GgufModel, RefusesToReadOutsideATensor) {
  const std::string text = test::tiny_gguf();
  const ModelFile model = open(text);
  std::string rows(2 * 32, '\0');
  const auto out = std::as_writable_bytes(std::span(rows));
  for (const char* name : {"model.layers.0.self_attn.q_proj.weight", "model.embed_tokens.weight"}) {
    const TensorInfo& tensor = *model.tensors->find(name);
    EXPECT_THROW(model.tensors->read_rows(tensor, tensor.shape[0] - 1, out), Error);
    EXPECT_THROW(model.tensors->read_rows(tensor, UINT64_MAX, out), Error);
    EXPECT_THROW(model.tensors->read_rows(tensor, 0, out.first(31)), Error);
  }
  const TensorInfo copy = model.tensors->tensors()[0];
  EXPECT_THROW(model.tensors->read_rows(copy, 0, out), Error) << "not one of tensors()";
}

TEST(GgufModel, LeavesRowsOfQwen2AsTheyAre) {
  GgufBuilder gguf;
  gguf.text("general.architecture", "qwen2")
      .u32("qwen2.block_count", 1)
      .u32("qwen2.embedding_length", 8)
      .u32("qwen2.feed_forward_length", 12)
      .u32("qwen2.attention.head_count", 2)
      .f32("qwen2.attention.layer_norm_rms_epsilon", 1e-6f)
      .f32("qwen2.rope.freq_base", 1e6f)
      .floats("blk.0.attn_q.weight", {8, 8}, ramp(64))
      .floats("blk.0.attn_q.bias", {8}, ramp(8));
  const std::string text = gguf.build();
  const ModelFile model = open(text);
  EXPECT_EQ(floats_of(*model.tensors, "model.layers.0.self_attn.q_proj.weight"), ramp(64));
  EXPECT_EQ(floats_of(*model.tensors, "model.layers.0.self_attn.q_proj.bias"), ramp(8));
  EXPECT_EQ(model.config.json()["rope_theta"], 1e6);
}

TEST(GgufModel, KeepsAnUnknownArchitectureForTheEngineToRefuse) {
  GgufBuilder gguf;
  gguf.text("general.architecture", "mamba").floats("token_embd.weight", {8, 6}, ramp(48));
  const std::string text = gguf.build();
  const ModelFile model = open(text);
  EXPECT_EQ(model.config.json()["model_type"], "mamba");
  EXPECT_NE(model.tensors->find("token_embd.weight"), nullptr);
}

TEST(GgufModel, CallsALlamaWithExpertsByItsOtherName) {
  const std::string text = with_key([](auto& gguf) { gguf.u32("llama.expert_count", 8); });
  EXPECT_EQ(open(text).config.json()["model_type"], "mixtral");
}

TEST(GgufModel, TakesAValuePerLayerWhereAllAgree) {
  GgufBuilder gguf;
  gguf.text("general.architecture", "llama")
      .array("llama.attention.head_count_kv", GgufBuilder::kU32, 2,
             test::Bytes().u32(3).u32(3).str());
  const std::string text = gguf.build();
  EXPECT_EQ(open(text).config.json()["num_key_value_heads"], 3);
}

TEST(GgufModel, ListsEveryTokenThatEndsAText) {
  const std::string text = with_key([](auto& gguf) {
    gguf.u32("tokenizer.ggml.eot_token_id", 4).u32("tokenizer.ggml.eom_token_id", 5);
  });
  const ModelFile model = open(text);
  EXPECT_EQ(model.generation.json()["eos_token_id"], json({2, 4, 5}));
  EXPECT_EQ(model.config.json()["eos_token_id"], 2);
}

TEST(GgufModel, TakesATokenIdOutsideTheVocabularyForNoneAndWarns) {
  const std::string text = with_key([](auto& gguf) {
    gguf.u32("tokenizer.ggml.eot_token_id", 6).u32("tokenizer.ggml.padding_token_id", UINT32_MAX);
  });
  const ModelFile model = open(text);
  EXPECT_EQ(model.generation.json()["eos_token_id"], json({2}));
  EXPECT_FALSE(model.config.json().contains("pad_token_id"));
  ASSERT_EQ(model.warnings.size(), 1u) << "2^32 - 1 is how files say none";
  EXPECT_NE(model.warnings[0].find("eot_token_id is 6"), std::string::npos);
}

TEST(GgufModel, TranslatesRopeScaling) {
  const std::string linear = with_key([](auto& gguf) {
    gguf.text("llama.rope.scaling.type", "linear").f32("llama.rope.scaling.factor", 4);
  });
  EXPECT_EQ(open(linear).config.json()["rope_scaling"],
            json({{"rope_type", "linear"}, {"factor", 4.0}}));
  const std::string yarn = with_key([](auto& gguf) {
    gguf.text("llama.rope.scaling.type", "yarn")
        .f32("llama.rope.scaling.factor", 4)
        .u32("llama.rope.scaling.original_context_length", 2048);
  });
  EXPECT_EQ(open(yarn).config.json()["rope_scaling"],
            json({{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 2048}}));
  const std::string none = with_key([](auto& gguf) { gguf.text("llama.rope.scaling.type", "none"); });
  EXPECT_FALSE(open(none).config.json().contains("rope_scaling"));
}

TEST(GgufModel, SaysHowMuchOfAHeadIsRotated) {
  const std::string half = with_key([](auto& gguf) { gguf.u32("llama.rope.dimension_count", 2); });
  EXPECT_EQ(open(half).config.json()["partial_rotary_factor"], 0.5);
  const std::string all = with_key([](auto& gguf) { gguf.u32("llama.rope.dimension_count", 4); });
  EXPECT_FALSE(open(all).config.json().contains("partial_rotary_factor"));
}

TEST(GgufModel, GivesTheChatTemplate) {
  const std::string text =
      with_key([](auto& gguf) { gguf.text("tokenizer.chat_template", "{{ messages }}"); });
  EXPECT_EQ(open(text).chat_template, "{{ messages }}");
}

TEST(GgufModel, OpensAVocabularyWithoutTensors) {
  GgufBuilder gguf;
  gguf.text("general.architecture", "llama")
      .text("tokenizer.ggml.model", "gpt2")
      .texts("tokenizer.ggml.tokens", {"a", "b"});
  const std::string text = gguf.build();
  const ModelFile model = open(text);
  EXPECT_TRUE(model.tensors->tensors().empty());
  EXPECT_EQ(model.gguf->strings("tokenizer.ggml.tokens")->size(), 2u);
}

}  // namespace
}  // namespace kinglet::io
