#include "convert/gguf_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/text.h"
#include "convert/probe_text.h"
#include "kinglet/error.h"
#include "kinglet/tokenizer.h"
#include "runtime/open_tokenizer.h"
#include "tokenizer/factories.h"

namespace kinglet {
namespace {

using nlohmann::json;

// tokenizer.ggml.token_type.
enum Type : std::int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

struct Words {
  std::string model, pre;
  std::vector<std::string> tokens, merges;
  std::vector<float> scores;
  std::vector<std::int32_t> types;
  std::optional<std::int64_t> bos, eos, unknown, padding;
  bool adds_bos = false, adds_eos = false;
  std::optional<bool> space_prefix;
};

// A member, null where there is none.
const json& member(const json& object, const char* name) {
  static const json kNull;
  const auto found = object.find(name);
  return found == object.end() ? kNull : *found;
}

void add_added_tokens(const json& file, Words& words) {
  for (const json& token : member(file, "added_tokens")) {
    const auto id = token.at("id").get<std::size_t>();
    if (id >= words.tokens.size()) continue;
    words.tokens[id] = token.at("content").get<std::string>();
    words.types[id] = token.value("special", false) ? kControl : kUserDefined;
  }
}

// Room for every row of the embedding; ids without a token are named as GGUF's writers do.
void make_room(std::size_t count, Words& words) {
  for (std::size_t id = 0; id < count; ++id) words.tokens.push_back(fmt::format("[PAD{}]", id));
  words.types.assign(count, kUnused);
}

void add_merges(const json& model, Words& words) {
  for (const json& merge : member(model, "merges")) {
    words.merges.push_back(merge.is_string() ? merge.get<std::string>()
                                             : merge.at(0).get<std::string>() + " " + merge.at(1).get<std::string>());
  }
}

// The names to try for a byte-level BPE, by the marks of its regular expressions.
std::vector<std::string> names_of_cut(const json& file) {
  const std::string cut = member(file, "pre_tokenizer").dump();
  const bool whole_words = member(file["model"], "ignore_merges") == true;
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

Words byte_level(const json& file, std::size_t count) {
  Words words;
  words.model = "gpt2";
  make_room(count, words);
  for (const auto& [piece, id] : file["model"]["vocab"].items()) {
    const auto at = id.get<std::size_t>();
    if (at < count) words.tokens[at] = piece, words.types[at] = kNormal;
  }
  add_added_tokens(file, words);
  add_merges(file["model"], words);
  return words;
}

bool is_byte(std::string_view piece) {
  return piece.size() == 6 && piece.starts_with("<0x") && piece.ends_with('>');
}

// A SentencePiece model that was rewritten as merges: a piece's score is the rank of the merge that
// makes it.
Words merged_pieces(const json& file, std::size_t count) {
  Words words;
  words.model = "llama";
  words.space_prefix = member(file, "normalizer").dump().find("Prepend") != std::string::npos ||
                       member(file, "pre_tokenizer").dump().find("Metaspace") != std::string::npos;
  make_room(count, words);
  words.scores.assign(count, 0.0f);
  for (const auto& [piece, id] : file["model"]["vocab"].items()) {
    const auto at = id.get<std::size_t>();
    if (at >= count) continue;
    words.tokens[at] = piece;
    words.types[at] = is_byte(piece) ? kByte : kNormal;
  }
  const json& vocab = file["model"]["vocab"];
  std::vector<bool> has_score(count);
  float rank = 0;
  for (const json& merge : member(file["model"], "merges")) {
    std::string text = merge.is_string() ? merge.get<std::string>() : merge.at(0).get<std::string>() + merge.at(1).get<std::string>();
    if (merge.is_string()) text.erase(text.find(' '), 1);
    rank -= 1;
    const auto found = vocab.find(text);
    if (found == vocab.end() || found->get<std::size_t>() >= count) continue;
    const auto id = found->get<std::size_t>();
    if (has_score[id]) continue;
    has_score[id] = true;
    words.scores[id] = rank;
  }
  for (std::size_t id = 0; id < count; ++id) {
    if (!has_score[id] && words.types[id] == kNormal) words.scores[id] = rank - 1;
  }
  add_added_tokens(file, words);
  if (const json& unknown = member(file["model"], "unk_token"); unknown.is_string() && vocab.contains(unknown.get<std::string>())) {
    words.unknown = vocab[unknown.get<std::string>()].get<std::int64_t>();
    words.types[static_cast<std::size_t>(*words.unknown)] = kUnknown;
  }
  return words;
}

// tokenizer.bin: spaces are spaces there, and nothing is marked.
Words of_llama2c(const io::TokenizerText& text, std::size_t count) {
  constexpr std::size_t kFirstByte = 3, kBytes = 256;
  Words words;
  words.model = "llama";
  words.space_prefix = true;
  std::string_view rest = std::string_view(text.content).substr(4);  // its reader has checked it
  while (words.tokens.size() < count && rest.size() >= 8) {
    float score = 0;
    std::uint32_t length = 0;
    std::memcpy(&score, rest.data(), sizeof(score));
    std::memcpy(&length, rest.data() + 4, sizeof(length));
    const std::size_t id = words.tokens.size();
    std::string piece;
    for (const char c : rest.substr(8, length)) piece += c == ' ' ? std::string("\xE2\x96\x81") : std::string(1, c);
    const bool is_byte_piece = id >= kFirstByte && id < kFirstByte + kBytes;
    if (is_byte_piece) piece = fmt::format("<0x{:02X}>", id - kFirstByte);
    words.tokens.push_back(std::move(piece));
    words.scores.push_back(score);
    words.types.push_back(is_byte_piece ? kByte : kNormal);
    rest.remove_prefix(std::min<std::size_t>(rest.size(), 8 + length));
  }
  const char* const kNamed[] = {"<unk>", "<s>", "</s>"};
  for (std::size_t id = 0; id < std::min<std::size_t>(3, words.tokens.size()); ++id) {
    words.tokens[id] = kNamed[id];
    words.types[id] = id == 0 ? kUnknown : kControl;
  }
  words.unknown = 0;
  words.bos = 1;
  words.eos = 2;
  words.adds_bos = true;
  return words;
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
    words = of_llama2c(model.tokenizer, count);
  } else if (model.tokenizer.kind == Kind::kTokenizerJson) {
    const json file = json::parse(model.tokenizer.content);  // its reader has checked it
    if (const json& type = member(file["model"], "type"); !type.is_null() && type != "BPE") throw cannot("its model is no BPE");
    const bool is_merged = member(file["model"], "byte_fallback") == true;
    words = is_merged ? merged_pieces(file, count) : byte_level(file, count);
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
