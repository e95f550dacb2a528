// The readers on files that other programs wrote (../shared/data; skipped where it is absent).

#include <gtest/gtest.h>

#include <filesystem>

#include "io/gguf.h"
#include "reading.h"

namespace kinglet::io {
namespace {

class RealFiles : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(data_)) GTEST_SKIP() << data_ << " is not here";
  }
  const std::filesystem::path data_ =
      std::filesystem::path(KINGLET_SOURCE_DIR) / ".." / "shared" / "data";
};

TEST_F(RealFiles, OneModelInTwoFormatsHasEqualTensors) {
  const ModelFile bin = open_model_file(data_ / "models/stories260K/stories260K.bin");
  const ModelFile gguf = open_model_file(data_ / "models/stories260K/stories260K.gguf");
  EXPECT_EQ(bin.format, "llama2.c v0");
  EXPECT_EQ(gguf.format, "GGUF v3");
  ASSERT_EQ(bin.tensors->tensors().size(), 47u);
  for (const TensorInfo& tensor : bin.tensors->tensors()) {
    const TensorInfo* other = gguf.tensors->find(tensor.name);
    ASSERT_NE(other, nullptr) << tensor.name;
    EXPECT_EQ(tensor.shape, other->shape) << tensor.name;
    EXPECT_TRUE(raw_of(*bin.tensors, tensor) == raw_of(*gguf.tensors, *other)) << tensor.name;
  }
  EXPECT_TRUE(floats_of(*gguf.tensors, "lm_head.weight") ==
              floats_of(*gguf.tensors, "model.embed_tokens.weight"));
  EXPECT_TRUE(bin.warnings.empty());
  EXPECT_TRUE(gguf.warnings.empty());
}

TEST_F(RealFiles, FindsTheTokenizerOfALlama2cFile) {
  const ModelFile bin = open_model_file(data_ / "models/stories260K/stories260K.bin");
  EXPECT_EQ(bin.tokenizer.kind, TokenizerText::Kind::kLlama2c);
  EXPECT_TRUE(bin.tokenizer.file.ends_with("tok512.bin")) << bin.tokenizer.file;
  EXPECT_EQ(bin.tokenizer.content.size(), 6227u);
}

TEST_F(RealFiles, ReadsEveryGgufVocabulary) {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data_ / "tokenizers")) {
    if (entry.path().extension() != ".gguf") continue;
    const ModelFile model = open_model_file(entry.path());
    EXPECT_GT(model.gguf->strings("tokenizer.ggml.tokens")->size(), 100u) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 7u);
}

TEST_F(RealFiles, KnowsEveryBareVocabularyByItsContent) {
  using Kind = TokenizerText::Kind;
  const std::filesystem::path folder = data_ / "tokenizers";
  EXPECT_EQ(open_tokenizer_file(folder / "gpt2/tokenizer.json").kind, Kind::kTokenizerJson);
  EXPECT_EQ(open_tokenizer_file(folder / "llama2/tokenizer.model").kind, Kind::kSentencePiece);
  EXPECT_EQ(open_tokenizer_file(folder / "t5like/spiece.model").kind, Kind::kSentencePiece);
  EXPECT_EQ(open_tokenizer_file(folder / "llama2/tokenizer.bin").kind, Kind::kLlama2c);
  EXPECT_EQ(open_tokenizer_file(folder / "bert/vocab.txt").kind, Kind::kVocabTxt);
  EXPECT_EQ(open_tokenizer_file(folder / "gpt2").kind, Kind::kTokenizerJson) << "a directory";
}

}  // namespace
}  // namespace kinglet::io
