// Digests that were recorded once: the same on every processor, at every level, of every model and
// weight format, as long as kNumericsVersion is the same. CMakeLists.txt runs this once per level.

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "dtype/format.h"
#include "dtype/list.h"
#include "kinglet/generate.h"
#include "support/bytes.h"
#include "support/temp_dir.h"
#include "support/tiny_files.h"
#include "support/weights.h"

namespace kinglet::test {
namespace {

// Of a greedy run: the prompt's rows in one pass, then 5 more passes of one row.
std::string digest_of(const Model& model, std::vector<TokenId> prompt, CacheKind cache = CacheKind::kF16) {
  Request request;
  request.prompt = std::move(prompt);
  request.tokens = 6;
  request.sampling.temperature = 0;
  request.ignore_end_ids = true;
  return generate(model, {request}, {.cache = cache, .digest = true}).results[0].digest;
}

TEST(Digests, OfTheBuiltInModel) {
  const Model model = Model::built_in();
  EXPECT_EQ(digest_of(model, model.tokenizer()->encode("Once upon a time")),
            "1:a39d6e61e44dd54373b6a311ec8fa3039fc7958d46ca6f18e7545a7656b9df69");
}

TEST(Digests, OfTheTinyModels) {
  const std::pair<const char*, const char*> recorded[] = {
      {"tiny-linear-rope",
       "1:5b4e68038e4023d98f2a5b17e0d4796070d7bbfdeaea5752a50279011c986812"},
      {"tiny-llama",
       "1:66c96fe4ba1147c866a897e588bf464c1cf6ce8e87440973d4c605ef38c457f0"},
      {"tiny-llama3-rope",
       "1:70c812cad722c3521814510e75a2d6fe589e61b122b244d3652d583734a7bd6c"},
      {"tiny-mistral-window",
       "1:b01fdfbce3036ffab5f5c51489f281f4b653f30df19bb7f526bf9e0bd22adf5b"},
      {"tiny-qwen2",
       "1:75c833a5de667981b6e763ab96a909fbcf1edc89c3b850d6c8ed51d4f9749cc3"},
      {"tiny-qwen2-window",
       "1:87c89669261f5954792c8dcba8ebbee185c7f2b794f90df926312a68f064682c"},
      {"tiny-untied-bf16",
       "1:7c85b4e9b4a7ccc218ad9075bff025fc669b27a1d7d268c7929142ab7df5f33d"},
  };
  const std::filesystem::path models = std::filesystem::path(KINGLET_SOURCE_DIR) / "tests/models";
  for (const auto& [name, digest] : recorded) {
    EXPECT_EQ(digest_of(Model::open(models / name), {1, 2, 3, 4, 5, 6, 7, 8, 9}), digest) << name;
  }
}

// A prompt of more than one chunk of attention, so that chunks are merged.
TEST(Digests, OfEveryTypeOfCache) {
  const Model model = Model::built_in();
  std::vector<TokenId> prompt;
  for (TokenId id = 0; id < 150; ++id) prompt.push_back(300 + id * 7 % 211);
  EXPECT_EQ(digest_of(model, prompt, CacheKind::kF16), "1:05342bcef903bb7e7bd8955d76052ac8d8347d5d2b118ede30712a36922abad0");
  EXPECT_EQ(digest_of(model, prompt, CacheKind::kF32), "1:a18148a0c348e904e9bc0372929bce6f94831065b42b53d6510f59d12d9f1648");
  EXPECT_EQ(digest_of(model, prompt, CacheKind::kQ8_0), "1:d88491909c44094d6c4184fddd4a64aec4809b1e64a511cb784334adb599a38f");
}

// `--math bf16`: its own bits, and they too are the same everywhere.
TEST(Digests, WithActivationsRoundedToBfloat) {
  const std::filesystem::path models = std::filesystem::path(KINGLET_SOURCE_DIR) / "tests/models";
  const auto digest = [&](const char* name, Math math) {
    return digest_of(Model::open(models / name, {.tokenizer = {}, .math = math}), {1, 2, 3, 4, 5, 6, 7, 8, 9});
  };
  EXPECT_EQ(digest("tiny-untied-bf16", Math::kBfloat), "1:b1a3a40ccdb236a34e02cf67babd5f6cf37d886c9561a1083ca179e537c7784e");
  EXPECT_EQ(digest("tiny-llama", Math::kBfloat), digest("tiny-llama", Math::kExact)) << "it has no bf16 weights";
}

TEST(Digests, WithActivationsRoundedToBfloatForAnyThreadsAndChunk) {
  const std::filesystem::path file = std::filesystem::path(KINGLET_SOURCE_DIR) / "tests/models/tiny-untied-bf16";
  const Model model = Model::open(file, {.tokenizer = {}, .math = Math::kBfloat});
  Request request;
  for (TokenId id = 1; id < 40; ++id) request.prompt.push_back(id);
  request.tokens = 3;
  request.sampling.temperature = 0;
  request.ignore_end_ids = true;
  const auto digest = [&](std::size_t threads, std::size_t chunk) {
    return generate(model, {request}, {.threads = threads, .chunk = chunk, .digest = true}).results[0].digest;
  };
  const std::string first = digest(1, 64);
  for (const std::size_t threads : {1, 2, 3}) {
    for (const std::size_t chunk : {1, 5, 16}) EXPECT_EQ(digest(threads, chunk), first) << threads << ", " << chunk;
  }
}

// A model of one layer, all of whose matrices are random weights of one type.
std::string random_gguf(DType dtype, std::uint32_t type) {
  const TinyShape s = {.D = 256, .F = 256, .H = 4, .G = 2};
  GgufBuilder gguf = tiny_gguf_keys(s);
  Random random(type);
  const auto matrix = [&](const char* name, std::uint64_t out, std::uint64_t in) {
    const std::vector<std::byte> blocks = random_blocks(dtype, out * in, random);
    gguf.tensor(name, {in, out}, type, {reinterpret_cast<const char*>(blocks.data()), blocks.size()});
  };
  const std::uint64_t kv_width = s.G * s.d();
  matrix("token_embd.weight", s.V, s.D);
  matrix("blk.0.attn_q.weight", s.D, s.D);
  matrix("blk.0.attn_k.weight", kv_width, s.D);
  matrix("blk.0.attn_v.weight", kv_width, s.D);
  matrix("blk.0.attn_output.weight", s.D, s.D);
  matrix("blk.0.ffn_gate.weight", s.F, s.D);
  matrix("blk.0.ffn_up.weight", s.F, s.D);
  matrix("blk.0.ffn_down.weight", s.D, s.F);
  // Small, so that scores and gates are of the order of 1 in most formats.
  const std::vector<float> norm(s.D, 0x1p-8f);
  gguf.floats("blk.0.attn_norm.weight", {s.D}, norm);
  gguf.floats("blk.0.ffn_norm.weight", {s.D}, norm);
  gguf.floats("output_norm.weight", {s.D}, norm);
  return gguf.build();
}

TEST(Digests, OfEveryWeightFormat) {
  struct Recorded {
    DType dtype;
    std::uint32_t type;  // its number in GGUF files
    const char* digest;
  };
  const Recorded recorded[] = {
      {DType::kF32, 0,
       "1:822f28dcee05f05f3f14e5a87d9686e4033541f2b1f684a89ca17cd0a7c01fbf"},
      {DType::kF16, 1,
       "1:9a7e9c9c7f0865153f296cf3fc9cd66115eefb7c61591b892aac49a59484fd4f"},
      {DType::kBF16, 30,
       "1:d3ed9e3e3cea71541b670e8c4cbebbaae2fd9a3c767d5af448e44cc3be6e944f"},
      {DType::kQ8_0, 8,
       "1:fa12996a4f23c9b11fd53de6aaf00849e2a26a9cc658d3c4287aaad3b254e59a"},
      {DType::kQ4_0, 2,
       "1:2db07eea6878ffc26e7f7b99dde317d758583df852f8a7fdf6ad4c257c0c459e"},
      {DType::kQ4_1, 3,
       "1:d2b31b72d00beb427d6d3054220edd568aabe0c31bf362fee30fb6cbb3c84100"},
      {DType::kQ5_0, 6,
       "1:87893bafbd55122604c4b8114cc925f5a45ccc0c0542a4f24fbdf1f3e4f88cfa"},
      {DType::kQ5_1, 7,
       "1:eba20e037f8b7f9828e83600cf084e37d79de8828fb1390b93a4df1757b52212"},
      {DType::kQ4_K, 12,
       "1:5422e7cbfc1be47db1b320c06d831b14cf48b8a5b6ffc01f671fa0be21db8fb4"},
      {DType::kQ5_K, 13,
       "1:18d24fd42084cf38af759d70b4b8512241571481ce1d53dcde78b600f1a87deb"},
      {DType::kQ6_K, 14,
       "1:86a427524aefba48e55ac0fd38f66c9f81fc781a13fd8458dd45e47e3a3371bd"},
      {DType::kQ2_K, 10,
       "1:7b1f5f464c054969f393366f23005fe035251a8cc299f524b0b50c384618090a"},
      {DType::kQ3_K, 11,
       "1:7389de2e31c6f2513d63940ab2643c16caa30b438087510c38d30720e3335175"},
      {DType::kIQ4_NL, 20,
       "1:a902a7f6310f8a630048bcb08569ab517ea734d39bfbef3b4cb1f3740ccd9585"},
      {DType::kMXFP4, 39,
       "1:a64482de3adfaba421c64eea953d06b6fcc683a10e445c0bda86f2d65c0e6bc4"},
  };
  static_assert(std::size(recorded) == dtype::kWeightFormats);
  const TempDir directory;
  for (const auto& [dtype, type, digest] : recorded) {
    const Model model = Model::open(directory.write("model.gguf", random_gguf(dtype, type)));
    EXPECT_EQ(digest_of(model, {1, 3, 4, 5, 3, 3, 4, 2, 0, 5}), digest) << dtype::name_of(dtype);
  }
}

}  // namespace
}  // namespace kinglet::test
