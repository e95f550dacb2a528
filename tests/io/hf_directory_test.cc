// Hugging Face directories: what is read, in which order, and what of it is refused.

#include "io/hf_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "io/hf_writer.h"
#include "reading.h"
#include "support/temp_dir.h"
#include "support/tiny_files.h"

namespace kinglet::io {
namespace {

using nlohmann::json;
using test::TempDir;
using testing::ElementsAre;
using Kind = TokenizerText::Kind;

std::string one_tensor(const std::string& name, float value) {
  return test::safetensors_file(
      "{\"" + name + R"(":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
      test::as_text(test::ramp(1, value)));
}

class HfDirectory : public testing::Test {
 protected:
  void write(std::string_view name, std::string_view content) { folder_.write(name, content); }
  void write_config() { write("config.json", test::tiny_config().dump()); }
  void write_index(const json& weight_map) {
    write("model.safetensors.index.json", json({{"weight_map", weight_map}}).dump());
  }
  ModelFile open() const { return open_model_file(folder_.path()); }
  void refuses(std::string_view file, std::string_view says) const {
    expect_refused([&] { open(); }, file, says);
  }

  TempDir folder_;
};

TEST_F(HfDirectory, ReadsConfigAndWeights) {
  write_config();
  write("model.safetensors", test::tiny_safetensors());
  const ModelFile model = open();
  EXPECT_EQ(model.config.integer("hidden_size"), 8);
  EXPECT_THAT(names_of(*model.tensors), ElementsAre("a", "b"));
  EXPECT_EQ(model.tokenizer.kind, Kind::kNone);
  EXPECT_TRUE(model.generation.json().empty());
  EXPECT_TRUE(model.chat_template.empty());
}

TEST_F(HfDirectory, ReadsShards) {
  write_config();
  write_index({{"x", "1.safetensors"}, {"y", "2.safetensors"}});
  write("1.safetensors", one_tensor("x", 1));
  write("2.safetensors", one_tensor("y", 2));
  const ModelFile model = open();
  EXPECT_THAT(floats_of(*model.tensors, "x"), ElementsAre(1));
  EXPECT_THAT(floats_of(*model.tensors, "y"), ElementsAre(2));
}

TEST_F(HfDirectory, FollowsLinksAsInTheHubsCache) {
  const TempDir blobs;
  write_config();
  std::filesystem::create_symlink(blobs.write("0123abcd", test::tiny_safetensors()),
                                  folder_ / "model.safetensors");
  EXPECT_EQ(open().tensors->tensors().size(), 2u);
}

TEST_F(HfDirectory, TakesTheFirstTokenizerThatIsThere) {
  write_config();
  write("model.safetensors", test::tiny_safetensors());
  write("tokenizer.bin", "bin");
  EXPECT_EQ(open().tokenizer.kind, Kind::kLlama2c);
  write("vocab.txt", "a\nb\n");
  EXPECT_EQ(open().tokenizer.kind, Kind::kVocabTxt);
  write("tokenizer.model", "spm");
  EXPECT_EQ(open().tokenizer.kind, Kind::kSentencePiece);
  write("tokenizer.json", "{}");
  const ModelFile model = open();
  EXPECT_EQ(model.tokenizer.kind, Kind::kTokenizerJson);
  EXPECT_EQ(model.tokenizer.content, "{}");
  EXPECT_TRUE(model.tokenizer.file.ends_with("/tokenizer.json"));
}

TEST_F(HfDirectory, FindsTheChatTemplate) {
  write_config();
  write("model.safetensors", test::tiny_safetensors());
  write("tokenizer_config.json", R"({"chat_template": "from config"})");
  EXPECT_EQ(open().chat_template, "from config");
  write("tokenizer_config.json",
        R"({"chat_template": [{"name": "tool", "template": "t"}, {"name": "default", "template": "d"}]})");
  EXPECT_EQ(open().chat_template, "d");
  write("tokenizer_config.json", R"({"chat_template": 7})");
  refuses("tokenizer_config.json", "chat_template");
  write("chat_template.jinja", "own file");
  EXPECT_EQ(open().chat_template, "own file");
}

TEST_F(HfDirectory, ReadsFromMemoryWhatItReadsFromDisk) {
  const std::string config = test::tiny_config().dump(), weights = test::tiny_safetensors();
  const MemoryFile files[] = {{"config.json", bytes_of(config)},
                              {"model.safetensors", bytes_of(weights)}};
  const ModelFile model = open_model_memory("built in", files);
  EXPECT_EQ(floats_of(*model.tensors, "a"), test::ramp(6));
  EXPECT_EQ(model.file, "built in");
  expect_refused([&] { open_model_memory("built in", std::span(files).first(1)); }, "built in",
                 "without weights");
}

TEST_F(HfDirectory, OpensOneSafetensorsFileWithTheConfigBesideIt) {
  const auto path = folder_.write("other.safetensors", test::tiny_safetensors());
  EXPECT_TRUE(open_model_file(path).config.json().empty());
  write_config();
  EXPECT_EQ(open_model_file(path).config.integer("hidden_size"), 8);
}

TEST_F(HfDirectory, RefusesAMissingOrBrokenConfig) {
  write("model.safetensors", test::tiny_safetensors());
  refuses("config.json", "No such file");
  struct Case {
    const char* content;
    const char* says;
  };
  const std::string nested(100'000, '[');
  for (const Case& c : {Case{"", "empty"}, Case{"[1]", "not a JSON object"},
                        Case{"{\"a\": 1,", "line 1, column 8"}, Case{"{\"a\":\n NaN}", "line 2"},
                        Case{"{\"a\": 1} x", "not valid JSON"}, Case{"{\"a\":1,\"a\":2}", "duplicate"},
                        Case{"\xff\xfe{\0}\0", "UTF-16"}, Case{"\xef\xbb\xbf{}", "byte order mark"},
                        Case{"{\"a\": \"\xc3\x28\"}", "not valid JSON"},
                        Case{nested.c_str(), "nested deeper than 64"}}) {
    write("config.json", c.content);
    refuses("config.json", c.says);
  }
}

TEST_F(HfDirectory, RefusesADirectoryWithoutWeights) {
  write_config();
  refuses(folder_.path().native(), "without weights");
  write("pytorch_model.bin", "x");
  refuses(folder_.path().native(), "PyTorch pickle");
}

// Names that lead elsewhere are refused before anything of theirs is opened.
TEST_F(HfDirectory, RefusesShardNamesThatAreNotPlain) {
  write_config();
  const std::string names[] = {"../x.safetensors", "a/../../x.safetensors", "/etc/x.safetensors",
                               "a\\x.safetensors", std::string("x\0.safetensors", 14), "", ".", "..",
                               "config.json", "sub/x.safetensors", "https://x/y.safetensors",
                               ".safetensors", std::string(100'000, 'x') + ".safetensors"};
  for (const std::string& name : names) {
    write_index({{"x", name}});
    refuses("model.safetensors.index.json", "shard name must be a plain file name");
  }
}

TEST_F(HfDirectory, RefusesABrokenIndex) {
  write_config();
  for (const char* index :
       {"{}", "[]", R"({"weight_map": []})", R"({"weight_map": {}})", R"({"weight_map": {"x": 1}})",
        R"({"weight_map": {"x": null}})", R"({"weight_map": {"x": "a", "x": "b"}})", ""}) {
    write("model.safetensors.index.json", index);
    refuses("model.safetensors.index.json", "");
  }
}

TEST_F(HfDirectory, RefusesAnIndexThatContradictsItsShards) {
  write_config();
  write("1.safetensors", one_tensor("x", 1));
  write("2.safetensors", one_tensor("y", 2));
  write_index({{"x", "2.safetensors"}, {"y", "2.safetensors"}});
  refuses("index.json", "'x' is not in its shard");
  write_index({{"x", "1.safetensors"}, {"y", "1.safetensors"}});
  refuses("index.json", "'y' is not in its shard");
  write_index({{"x", "1.safetensors"}, {"y", "2.safetensors"}, {"ghost", "1.safetensors"}});
  refuses("index.json", "'ghost' is not in its shard");
  write_index({{"x", "1.safetensors"}, {"z", "2.safetensors"}});
  refuses("index.json", "'y' is in a shard that the index does not name");
  write("2.safetensors", one_tensor("x", 2));
  write_index({{"x", "1.safetensors"}, {"y", "2.safetensors"}});
  refuses("2.safetensors", "two tensors have the name 'x'");
}

TEST_F(HfDirectory, RefusesMissingAndTooManyShards) {
  write_config();
  json weight_map;
  for (int i = 0; i < 1024; ++i) weight_map[std::to_string(i)] = std::to_string(i) + ".safetensors";
  write_index(weight_map);
  refuses("0.safetensors", "No such file");
  weight_map["one more"] = "x.safetensors";
  write_index(weight_map);
  refuses("index.json", "too many shards");
}

TEST_F(HfDirectory, RefusesWhatIsNoRegularFile) {
  write_config();
  const auto weights = folder_ / "model.safetensors";
  ASSERT_EQ(::mkfifo(weights.c_str(), 0600), 0);
  refuses("model.safetensors", "a FIFO");
  std::filesystem::remove(weights);
  std::filesystem::create_directory(weights);
  refuses("model.safetensors", "a directory");
  std::filesystem::remove(weights);
  std::filesystem::create_symlink("model.safetensors", weights);
  refuses("model.safetensors", "cannot open");  // a loop
  std::filesystem::remove(weights);
  std::filesystem::create_symlink("nowhere", weights);
  refuses("model.safetensors", "No such file");
  std::filesystem::remove(weights);
  std::filesystem::create_symlink("/dev/zero", weights);
  refuses("model.safetensors", "a device");
}

TEST_F(HfDirectory, WritesTheFilesThatItReads) {
  write_config();
  write("model.safetensors", test::tiny_safetensors());
  write("generation_config.json", R"({"eos_token_id": [1, 2]})");
  write("tokenizer.json", "{\"model\": {}}");
  write("chat_template.jinja", "{{ x }}");
  const ModelFile model = open();
  const TempDir other;
  for (const NamedText& file : hf_files(model, model.config.json())) other.write(file.name, file.text);
  std::filesystem::copy(folder_ / "model.safetensors", other.path());
  const ModelFile copy = open_model_file(other.path());
  EXPECT_EQ(copy.config.json(), model.config.json());
  EXPECT_EQ(copy.generation.json(), model.generation.json());
  EXPECT_EQ(copy.tokenizer.content, model.tokenizer.content);
  EXPECT_EQ(copy.chat_template, model.chat_template);
}

}  // namespace
}  // namespace kinglet::io
