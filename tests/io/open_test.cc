// Which reader gets a file: by content, not by name; and what a file that is no model is told.

#include "io/open.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "reading.h"
#include "support/temp_dir.h"
#include "support/tiny_files.h"
#include "support/zip_builder.h"

namespace kinglet::io {
namespace {

class Open : public testing::Test {
 protected:
  std::string format_of(std::string_view name, std::string_view content) const {
    return open_model_file(folder_.write(name, content)).format;
  }
  void refuses(std::string_view name, std::string_view content, std::string_view says) const {
    const auto path = folder_.write(name, content);
    expect_refused([&] { open_model_file(path); }, name, says);
  }

  test::TempDir folder_;
};

TEST_F(Open, DecidesByContentWhateverTheNameIs) {
  folder_.write("model.blob", blob_content());
  for (const char* name : {"a.gguf", "a.bin", "a.safetensors", "a.json", "a", "a.txt"}) {
    EXPECT_EQ(format_of(name, test::tiny_gguf()), "GGUF v3") << name;
    EXPECT_EQ(format_of(name, test::tiny_safetensors()), "safetensors") << name;
    EXPECT_EQ(format_of(name, test::tiny_llama2c()), "llama2.c v0") << name;
    EXPECT_EQ(format_of(name, test::tiny_json_weights()), "kinglet-json v1") << name;
    EXPECT_EQ(format_of(name, test::tiny_npz()), "NumPy .npz") << name;
  }
}

TEST_F(Open, SaysWhatAWrongFileLooksLike) {
  const std::pair<std::string, const char*> files[] = {
      {"", "the file is empty"},
      {"\n <!doctype HTML>", "an HTML page"},
      {"<html><body>404", "an HTML page"},
      {"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"},
      {std::string("PK\x03\x04", 4) + std::string(60, '\0'), "a ZIP archive"},
      {"\x80\x02}q", "a Python pickle"},
      {"\x80\x04\x95", "a Python pickle"},
      {"lmgg\1\0\0\0", "a GGML file"},
      {"tjgg\3\0\0\0", "a GGJT file"},
      {"FUGG", "a big-endian GGUF"},
      {"\x93NUMPY\1\0", "a NumPy array"},
      {"\x1f\x8b\x08", "a gzip archive"},
      {"%PDF-1.4", "a PDF document"},
      {"hello, this is some text", "not a model file that kinglet reads (start at byte 0: found 'hello, this is s'"},
      {std::string("\x1b[31m\xff\0", 7), "\\x1b[31m\\xff\\x00"},
      {"[1, 2]", "not a JSON object"}};
  for (const auto& [content, says] : files) {
    SCOPED_TRACE(says);
    refuses("file", content, says);
  }
  refuses("short.bin", "", "the file is empty");
  refuses("text.bin", "hello, this is some text, long enough", "dim at byte 0");
}

TEST_F(Open, RefusesWhatIsNotThere) {
  expect_refused([&] { open_model_file(folder_ / "absent"); }, "absent", "No such file");
  expect_refused([&] { open_model_file(folder_.path()); }, "config.json", "No such file");
}

TEST_F(Open, ShowsAHostileFileNameEscaped) {
  refuses("plain", "x", "plain");
  const auto path = folder_.write("\x1b[31mred\nname", "x");
  expect_refused([&] { open_model_file(path); }, "\\x1b[31mred\\x0aname", "not a model file");
}

TEST_F(Open, OpensABareVocabulary) {
  using Kind = TokenizerText::Kind;
  const auto kind_of = [&](const char* name, const char* content) {
    return open_tokenizer_file(folder_.write(name, content)).kind;
  };
  EXPECT_EQ(kind_of("a.json", "{\"model\": {}}"), Kind::kTokenizerJson);
  EXPECT_EQ(kind_of("a.model", "\n\x0e\n\x05<unk>"), Kind::kSentencePiece);
  EXPECT_EQ(kind_of("vocab.txt", "[PAD]\n[UNK]\n"), Kind::kVocabTxt);
  EXPECT_EQ(kind_of("tok.bin", "\x07"), Kind::kLlama2c);
  const auto path = folder_.write("other", "abc");
  expect_refused([&] { open_tokenizer_file(path); }, "other", "not a vocabulary file");
  const auto page = folder_.write("page.json", "<html>");
  expect_refused([&] { open_tokenizer_file(page); }, "page.json", "an HTML page");
  const test::TempDir empty;
  expect_refused([&] { open_tokenizer_file(empty.path()); }, empty.path().native(),
                 "a directory without a tokenizer");
}

}  // namespace
}  // namespace kinglet::io
