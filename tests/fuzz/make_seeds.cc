// Writes seeds for the fuzz targets: kinglet_fuzz_seeds FOLDER makes FOLDER/<target>/<seed>.

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "support/tiny_files.h"
#include "support/zip_builder.h"

namespace {

using kinglet::test::Bytes;
using kinglet::test::GgufBuilder;

void write(const std::filesystem::path& folder, const char* name, const std::string& content) {
  std::filesystem::create_directories(folder);
  std::ofstream(folder / name, std::ios::binary) << content;
}

std::string marked_llama2c(std::int32_t version) {
  Bytes bytes;
  bytes.u32(0x616b3432).i32(version);
  kinglet::test::llama2c_numbers(bytes, {}).u8(1);
  return bytes.i32(4).pad_to_size(256 + 2400).str();
}

// A message or text field of a protocol buffer, under 128 bytes.
std::string field(unsigned number, const std::string& content) {
  return Bytes().u8(static_cast<std::uint8_t>(number << 3 | 2)).u8(static_cast<std::uint8_t>(content.size())).text(content).str();
}

std::string sentencepiece(char model_type) {
  std::string bytes;
  const auto piece = [&](const std::string& text, float score, char type) {
    bytes += field(1, field(1, text) + Bytes().u8(0x15).f32(score).u8(0x18).text({&type, 1}).str());
  };
  piece("<unk>", 0, 2);
  piece("<s>", 0, 3);
  piece("</s>", 0, 3);
  piece("<0x41>", 0, 6);
  for (const char* text : {"a", "b", "ab", "\xE2\x96\x81", "\xE2\x96\x81" "a"}) piece(text, -1.5F, 1);
  piece("ba", -2, 4);
  piece("bb", -3, 5);
  bytes += field(2, {'\x18', model_type, '\x98', '\x02', 1});  // 35: byte_fallback
  return bytes + field(3, {'\x18', 1, '\x20', 1});
}

std::string llama2c_vocabulary() {
  Bytes bytes;
  bytes.u32(5);
  for (const char* token : {"<unk>", "\n<s>\n", "\n</s>\n", "<0x00>", " ", "a", "b", " a", "ab"})
    bytes.f32(-1).u32(static_cast<std::uint32_t>(std::string(token).size())).text(token);
  return bytes.str();
}

std::string gguf_vocabulary(const char* model, const char* pre) {
  GgufBuilder keys;
  keys.text("general.architecture", "llama").text("tokenizer.ggml.model", model).text("tokenizer.ggml.pre", pre);
  keys.texts("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "a", "b", "ab", "\xE2\x96\x81", "\xE2\x96\x81" "a",
                                       "\xC4\xA0", "\xC4\xA0" "a", "<0x41>", "[UNK]", "<m>"});
  keys.array("tokenizer.ggml.scores", GgufBuilder::kF32, 13, kinglet::test::as_text(kinglet::test::ramp(13, 0, -1)));
  Bytes types;
  for (const std::int32_t type : {2, 3, 3, 1, 1, 1, 1, 1, 5, 1, 6, 3, 4}) types.i32(type);
  keys.array("tokenizer.ggml.token_type", GgufBuilder::kI32, 13, types.str());
  keys.texts("tokenizer.ggml.merges", {"a b", "\xC4\xA0 a"});
  keys.u32("tokenizer.ggml.bos_token_id", 1).u32("tokenizer.ggml.unknown_token_id", 0);
  keys.raw_key("tokenizer.ggml.add_space_prefix", GgufBuilder::kBool, "\x01");
  return keys.build();
}

void write_vocabularies(const std::filesystem::path& folder) {
  const std::string head = R"({"added_tokens":[{"id":9,"content":"<s>","special":true}],)";
  const std::string bpe =
      R"("model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"\u0120":3},"merges":["a b",["\u0120","a"]]}})";
  write(folder / "tokenizer_json", "byte_level",
        head + R"("normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":true},)"
               R"("decoder":{"type":"ByteLevel"},)" + bpe);
  write(folder / "tokenizer_json", "split",
        head + R"("normalizer":{"type":"Replace","pattern":{"Regex":" +"},"content":"_"},"pre_tokenizer":{"type":"Split",)"
               R"j("pattern":{"Regex":"\\p{L}+|\\s+(?!\\S)"},"behavior":"Isolated","invert":false},)j" + bpe);
  write(folder / "tokenizer_json", "unigram",
        R"({"pre_tokenizer":{"type":"Metaspace"},"decoder":{"type":"Metaspace"},"post_processor":{"type":)"
        R"("TemplateProcessing","single":[{"SpecialToken":{"id":"?"}},{"Sequence":{"id":"A"}}],)"
        R"("special_tokens":{"?":{"ids":[0]}}},"model":{"type":"Unigram","unk_id":0,"vocab":[["?",0],["a",-1.5]]}})");
  write(folder / "tokenizer_json", "word_piece",
        R"({"normalizer":{"type":"BertNormalizer"},"pre_tokenizer":{"type":"BertPreTokenizer"},"decoder":{"type":)"
        R"("WordPiece"},"model":{"type":"WordPiece","unk_token":"?","vocab":{"?":0,"a":1,"##a":2}}})");
  write(folder / "tokenizer_sentencepiece", "unigram", sentencepiece(1));
  write(folder / "tokenizer_sentencepiece", "bpe", sentencepiece(2));
  write(folder / "tokenizer_llama2c", "tiny", llama2c_vocabulary());
  write(folder / "tokenizer_vocab_txt", "tiny", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\nab\n##b\n.\n");
  for (const char* model : {"llama", "t5", "bert"})
    write(folder / "tokenizer_gguf", model, gguf_vocabulary(model, ""));
  for (const char* pre : {"gpt-2", "llama-bpe", "qwen2", "gpt-4o", "falcon", "deepseek-v3"})
    write(folder / "tokenizer_gguf", pre, gguf_vocabulary("gpt2", pre));
  for (char first = 0; first < 28; ++first)
    write(folder / "tokenizer_encode", std::to_string(int{first}).c_str(),
          std::string(1, first) + "a ab <s>[M] \xC3\xA9" "e\xCC\x81 12.\n");
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: kinglet_fuzz_seeds FOLDER\n");
    return 2;
  }
  using namespace kinglet::test;
  const std::filesystem::path folder = arguments[1];

  GgufBuilder keys = tiny_gguf_keys();
  keys.u32("general.alignment", 64).text("llama.rope.scaling.type", "yarn");
  keys.f32("llama.rope.scaling.factor", 2).array("a", GgufBuilder::kBool, 1, "\x01");
  keys.alignment = 64;
  write(folder / "gguf", "tiny", tiny_gguf());
  write(folder / "gguf", "keys", keys.build());
  write(folder / "gguf", "aligned", add_tiny_gguf_tensors(keys).build());
  GgufBuilder quantised;
  quantised.text("general.architecture", "qwen2").tensor("a", {32}, 8, std::string(34, 'q'));
  write(folder / "gguf", "quantised", quantised.build());

  write(folder / "safetensors", "tiny", tiny_safetensors());
  write(folder / "llama2c", "v0", tiny_llama2c());
  write(folder / "llama2c", "v0_untied", tiny_llama2c({}, false));
  write(folder / "llama2c", "v1", marked_llama2c(1));
  write(folder / "llama2c", "v2", marked_llama2c(2));
  write(folder / "json_weights", "tiny", tiny_json_weights());
  write(folder / "npz", "tiny", tiny_npz());
  write(folder / "npz", "zip64", tiny_npz({.is_64 = true}));

  write_vocabularies(folder);

  const std::string config = tiny_config().dump();
  const std::string index = R"({"weight_map":{"a":"1.safetensors","b":"1.safetensors"}})";
  const std::string tokenizer = R"({"chat_template":[{"name":"default","template":"x"}]})";
  write(folder / "hf_directory", "all",
        config + '\x1e' + index + '\x1e' + tokenizer + '\x1e' + R"({"eos_token_id":[1]})");
  write(folder / "hf_directory", "two", config + '\x1e' + index);
}
