#include "convert/llama2c_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "convert/probe_text.h"
#include "convert/words.h"
#include "kinglet/tokenizer.h"
#include "runtime/open_tokenizer.h"
#include "tokenizer/factories.h"

namespace kinglet {
namespace {

constexpr std::size_t kFirstByte = 3, kBytes = 256;
constexpr std::string_view kMark = "\xE2\x96\x81";  // SentencePiece's for a space

std::optional<Words> words_of(const io::ModelFile& model, std::size_t count) {
  if (model.gguf != nullptr) return words_of_gguf(*model.gguf);
  if (model.tokenizer.kind != io::TokenizerText::Kind::kTokenizerJson) return {};
  const auto file = nlohmann::json::parse(model.tokenizer.content);  // its reader has checked it
  if (member_of(member_of(file, "model"), "byte_fallback") != true) return {};
  return words_of_merged_pieces(file, count);
}

// Ids 0 to 2 are unknown, BOS and EOS there, and the bytes follow.
bool has_its_places(const Words& words, std::size_t count) {
  if (words.tokens.size() != count || count < kFirstByte + kBytes) return false;
  for (std::size_t byte = 0; byte < kBytes; ++byte) {
    if (words.tokens[kFirstByte + byte] != fmt::format("<0x{:02X}>", byte)) return false;
  }
  return words.types[0] == kUnknown && words.types[1] == kControl && words.types[2] == kControl;
}

std::string with_spaces(std::string piece) {
  for (std::size_t at = piece.find(kMark); at != piece.npos; at = piece.find(kMark, at)) {
    piece.replace(at, kMark.size(), " ");
  }
  return piece;
}

void put(std::string& out, const auto& value) {
  char bytes[sizeof(value)];
  std::memcpy(bytes, &value, sizeof(value));
  out.append(bytes, sizeof(value));
}

// As llama2.c's own export spells them.
std::string spelling(const Words& words, std::size_t id) {
  if (id == 1) return "\n<s>\n";
  if (id == 2) return "\n</s>\n";
  return with_spaces(words.tokens[id]);
}

std::string text_of(const Words& words) {
  std::uint32_t longest = 0;
  std::string pieces;
  for (std::size_t id = 0; id < words.tokens.size(); ++id) {
    const std::string piece = spelling(words, id);
    const auto length = static_cast<std::uint32_t>(piece.size());
    longest = std::max(longest, length);
    put(pieces, words.scores[id]);
    put(pieces, length);
    pieces += piece;
  }
  std::string out;
  put(out, longest);
  return out + pieces;
}

}  // namespace

std::optional<std::string> llama2c_vocabulary(const io::ModelFile& model) {
  if (model.tokenizer.kind == io::TokenizerText::Kind::kLlama2c) return model.tokenizer.content;
  const auto count = static_cast<std::size_t>(model.config.integer("vocab_size", 1));
  const std::optional<Words> words = words_of(model, count);
  const std::optional<Tokenizer> source = open_tokenizer(model);
  if (!words || !source || !has_its_places(*words, count)) return {};
  std::string text = text_of(*words);
  const Tokenizer made = from_llama2c("tokenizer.bin", text, count);
  constexpr EncodeOptions kWhole = {SpecialTokens::kAsText, Affixes::kAdded};
  if (made.encode(kProbeText, kWhole) != source->encode(kProbeText, kWhole)) return {};
  return text;
}

}  // namespace kinglet
