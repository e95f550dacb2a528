#include "convert/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "io/gguf.h"

namespace kinglet {
namespace {

using nlohmann::json;

void add_added_tokens(const json& file, Words& words) {
  for (const json& token : member_of(file, "added_tokens")) {
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
  for (const json& merge : member_of(model, "merges")) {
    words.merges.push_back(merge.is_string() ? merge.get<std::string>()
                                             : merge.at(0).get<std::string>() + " " + merge.at(1).get<std::string>());
  }
}

bool is_byte(std::string_view piece) {
  return piece.size() == 6 && piece.starts_with("<0x") && piece.ends_with('>');
}

}  // namespace

const json& member_of(const json& object, const char* name) {
  static const json kNull;
  const auto found = object.find(name);
  return found == object.end() ? kNull : *found;
}

Words words_of_byte_level(const json& file, std::size_t count) {
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

Words words_of_merged_pieces(const json& file, std::size_t count) {
  Words words;
  words.model = "llama";
  words.space_prefix = member_of(file, "normalizer").dump().find("Prepend") != std::string::npos ||
                       member_of(file, "pre_tokenizer").dump().find("Metaspace") != std::string::npos;
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
  for (const json& merge : member_of(file["model"], "merges")) {
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
  if (const json& unknown = member_of(file["model"], "unk_token"); unknown.is_string() && vocab.contains(unknown.get<std::string>())) {
    words.unknown = vocab[unknown.get<std::string>()].get<std::int64_t>();
    words.types[static_cast<std::size_t>(*words.unknown)] = kUnknown;
  }
  return words;
}

Words words_of_llama2c(const io::TokenizerText& text, std::size_t count) {
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

std::optional<Words> words_of_gguf(const io::GgufHeader& header) {
  const auto tokens = header.strings("tokenizer.ggml.tokens");
  const auto scores = header.numbers("tokenizer.ggml.scores");
  const auto types = header.integers("tokenizer.ggml.token_type");
  if (header.string("tokenizer.ggml.model") != "llama" || !tokens || !scores || !types) return {};
  Words words;
  words.model = "llama";
  words.tokens.assign(tokens->begin(), tokens->end());
  words.scores = *scores;
  words.types.assign(types->begin(), types->end());
  return words;
}

}  // namespace kinglet
