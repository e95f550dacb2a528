#include "convert/gguf_vocabulary.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "base/text.h"
#include "convert/probe_text.h"
#include "convert/words.h"
#include "kinglet/error.h"
#include "kinglet/tokenizer.h"
#include "runtime/open_tokenizer.h"
#include "tokenizer/factories.h"

namespace kinglet {
namespace {

using nlohmann::json;

// The names to try for a byte-level BPE, by the marks of its regular expressions.
std::vector<std::string> names_of_cut(const json& file) {
  const std::string cut = member_of(file, "pre_tokenizer").dump();
  const bool whole_words = member_of(file["model"], "ignore_merges") == true;
  const auto has = [&](std::string_view text) { return cut.find(text) != cut.npos; };
  if (has("p{Lu}")) return has("{1,3}") ? std::vector<std::string>{"gpt-4o"} : std::vector<std::string>{"tekken"};
  if (has("p{N}{1,3}")) {
    if (has("\xE4\xB8\x80")) return {"deepseek-v3"};
    return whole_words ? std::vector<std::string>{"llama-bpe", "smaug-bpe"} : std::vector<std::string>{"dbrx"};
  }
  if (has("p{L}+|\\\\p{N}|")) return {"qwen2", "stablelm2"};
  if (has("\"Digits\"")) return {"smollm", "deepseek-coder"};
  return {"gpt-2", "olmo", "falcon"};
}

GgufVocabulary view_of(const Words& words) {
  GgufVocabulary view;
  view.model = words.model;
  view.pre = words.pre;
  view.tokens.assign(words.tokens.begin(), words.tokens.end());
  view.scores = words.scores;
  view.token_type.assign(words.types.begin(), words.types.end());
  view.merges.assign(words.merges.begin(), words.merges.end());
  view.bos_token_id = words.bos;
  view.eos_token_id = words.eos;
  view.unknown_token_id = words.unknown;
  view.add_bos_token = words.adds_bos;
  view.add_eos_token = words.adds_eos;
  view.add_space_prefix = words.space_prefix;
  return view;
}

bool agrees(const Tokenizer& source, const Words& words) {
  const Tokenizer made = from_gguf("the tokenizer of the target", view_of(words));
  constexpr EncodeOptions kWhole = {SpecialTokens::kAsText, Affixes::kAdded};
  return made.encode(kProbeText, kWhole) == source.encode(kProbeText, kWhole);
}

void take_ids(const io::ModelFile& model, const Tokenizer& source, Words& words) {
  const auto named = [&](const char* key) -> std::optional<std::int64_t> {
    for (const Metadata* from : {&model.config, &model.generation}) {
      if (!from->has(key)) continue;
      const auto ids = from->integers(key);
      if (!ids.empty() && ids.front() >= 0) return ids.front();
    }
    return std::nullopt;
  };
  if (!words.bos) words.bos = named("bos_token_id");
  if (source.adds_bos() && source.bos_id()) words.bos = *source.bos_id();
  if (!words.eos) words.eos = named("eos_token_id");
  if (!words.eos && source.eos_id()) words.eos = *source.eos_id();
  words.padding = named("pad_token_id");
  words.adds_bos = source.adds_bos();
}

void write(const Words& words, GgufKeys& keys) {
  const auto id = [&](const char* name, const std::optional<std::int64_t>& value) {
    if (value) keys.u32(std::string("tokenizer.ggml.") + name, static_cast<std::uint64_t>(*value));
  };
  keys.string("tokenizer.ggml.model", words.model);
  keys.string("tokenizer.ggml.pre", words.pre);
  keys.strings("tokenizer.ggml.tokens", words.tokens);
  if (!words.scores.empty()) keys.f32s("tokenizer.ggml.scores", words.scores);
  keys.i32s("tokenizer.ggml.token_type", words.types);
  if (!words.merges.empty()) keys.strings("tokenizer.ggml.merges", words.merges);
  id("bos_token_id", words.bos);
  id("eos_token_id", words.eos);
  id("unknown_token_id", words.unknown);
  id("padding_token_id", words.padding);
  keys.boolean("tokenizer.ggml.add_bos_token", words.adds_bos);
  keys.boolean("tokenizer.ggml.add_eos_token", words.adds_eos);
  if (words.space_prefix) keys.boolean("tokenizer.ggml.add_space_prefix", *words.space_prefix);
}

}  // namespace

void add_vocabulary(const io::ModelFile& model, GgufKeys& keys) {
  using Kind = io::TokenizerText::Kind;
  const std::optional<Tokenizer> source = open_tokenizer(model);
  if (!source) return;
  const auto count = static_cast<std::size_t>(model.config.integer("vocab_size"));
  Words words;
  std::vector<std::string> cuts = {"default"};
  const auto cannot = [&](std::string problem) {
    return refused("a GGUF file cannot say this tokenizer: " + std::move(problem)).in(model.tokenizer.file);
  };
  if (model.tokenizer.kind == Kind::kLlama2c) {
    words = words_of_llama2c(model.tokenizer, count);
  } else if (model.tokenizer.kind == Kind::kTokenizerJson) {
    const json file = json::parse(model.tokenizer.content);  // its reader has checked it
    if (const json& type = member_of(file["model"], "type"); !type.is_null() && type != "BPE") throw cannot("its model is no BPE");
    const bool is_merged = member_of(file["model"], "byte_fallback") == true;
    words = is_merged ? words_of_merged_pieces(file, count) : words_of_byte_level(file, count);
    if (!is_merged) cuts = names_of_cut(file);
  } else {
    throw cannot("only tokenizer.json and tokenizer.bin are understood");
  }
  take_ids(model, *source, words);
  for (const std::string& cut : cuts) {
    words.pre = cut;
    if (agrees(*source, words)) return write(words, keys);
  }
  throw cannot(fmt::format("text would be cut differently (tried {})", fmt::join(cuts, ", ")));
}

}  // namespace kinglet
