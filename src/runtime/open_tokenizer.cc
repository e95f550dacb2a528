#include "runtime/open_tokenizer.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "io/gguf.h"
#include "io/zip.h"
#include "kinglet/error.h"
#include "runtime/built_in.h"
#include "tokenizer/factories.h"

namespace kinglet {
namespace {

// The keys tokenizer.ggml.* as the tokenizer layer takes them. The views live as long as `header`.
Tokenizer from_header(const io::GgufHeader& header) {
  const auto name = [](const char* key) { return std::string("tokenizer.ggml.") + key; };
  const auto integer = [&](const char* key) { return header.integer(name(key)); };
  const auto boolean = [&](const char* key) { return header.boolean(name(key)); };
  const auto charsmap = header.integers(name("precompiled_charsmap"));

  GgufVocabulary vocabulary;
  vocabulary.model = header.string(name("model")).value_or("");
  vocabulary.pre = header.string(name("pre")).value_or("");
  vocabulary.tokens = header.strings(name("tokens")).value_or(std::vector<std::string_view>());
  vocabulary.scores = header.numbers(name("scores")).value_or(std::vector<float>());
  vocabulary.token_type = header.integers(name("token_type")).value_or(std::vector<std::int64_t>());
  vocabulary.merges = header.strings(name("merges")).value_or(std::vector<std::string_view>());
  if (charsmap) vocabulary.precompiled_charsmap.assign(charsmap->begin(), charsmap->end());

  vocabulary.bos_token_id = integer("bos_token_id");
  vocabulary.eos_token_id = integer("eos_token_id");
  vocabulary.unknown_token_id = integer("unknown_token_id");
  vocabulary.eot_token_id = integer("eot_token_id");
  vocabulary.eom_token_id = integer("eom_token_id");
  vocabulary.padding_token_id = integer("padding_token_id");
  vocabulary.mask_token_id = integer("mask_token_id");
  vocabulary.cls_token_id = integer("cls_token_id");
  vocabulary.seperator_token_id = integer("seperator_token_id");
  vocabulary.add_bos_token = boolean("add_bos_token");
  vocabulary.add_eos_token = boolean("add_eos_token");
  vocabulary.add_sep_token = boolean("add_sep_token");
  vocabulary.add_space_prefix = boolean("add_space_prefix");
  vocabulary.remove_extra_whitespaces = boolean("remove_extra_whitespaces");
  vocabulary.normalizer_lowercase = boolean("normalizer.lowercase");
  vocabulary.normalizer_strip_accents = boolean("normalizer.strip_accents");
  return from_gguf(header.file(), vocabulary);
}

std::optional<Tokenizer> from_text(const io::TokenizerText& text,
                                   std::optional<std::size_t> vocabulary) {
  using Kind = io::TokenizerText::Kind;
  switch (text.kind) {
    case Kind::kNone: return std::nullopt;
    case Kind::kTokenizerJson: return from_json(text.file, text.content);
    case Kind::kSentencePiece: return from_sentencepiece(text.file, text.content);
    case Kind::kLlama2c: return from_llama2c(text.file, text.content, vocabulary);
    case Kind::kVocabTxt: return from_vocab_txt(text.file, text.content);
  }
  return std::nullopt;
}

// A model file rather than a bare vocabulary. A tokenizer.bin and a llama2.c checkpoint both begin
// with numbers, so there the reader of models decides: it checks the file's size to the byte.
bool is_model(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return false;
  const File file = File::open(path);
  std::string start(std::min<std::uint64_t>(file.size(), 4096), '\0');
  file.read(0, std::as_writable_bytes(std::span(start)));
  if (start.starts_with("GGUF") || start.starts_with(io::kZipStart)) return true;
  if (start.find("\"kinglet-json\"") != std::string::npos) return true;
  if (path.extension() != ".bin") return false;
  try {
    io::open_model_file(path);
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

std::optional<Tokenizer> open_tokenizer(const io::ModelFile& file) {
  if (file.gguf != nullptr && file.gguf->has("tokenizer.ggml.tokens")) {
    return from_header(*file.gguf);
  }
  std::optional<std::size_t> vocabulary;
  if (file.config.has("vocab_size")) {
    vocabulary = static_cast<std::size_t>(file.config.integer("vocab_size"));
  }
  return from_text(file.tokenizer, vocabulary);
}

Tokenizer open_tokenizer(const std::filesystem::path& path, std::optional<std::size_t> vocabulary) {
  if (is_model(path)) {
    if (auto tokenizer = open_tokenizer(io::open_model_file(path))) return *std::move(tokenizer);
    throw refused("the model brings no tokenizer").in(printable(path.native()));
  }
  return *from_text(io::open_tokenizer_file(path), vocabulary);
}

Tokenizer built_in_tokenizer() { return *open_tokenizer(open_built_in()); }

}  // namespace kinglet
