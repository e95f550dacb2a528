// BERT's vocab.txt: one entry a line, its number is the id. What the entries mean is BERT's:
// lower-cased unless an entry has an upper-case letter outside "[...]".

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "kinglet/error.h"
#include "tokenizer/bert.h"
#include "tokenizer/factories.h"

namespace kinglet {
namespace {

constexpr std::array<std::string_view, 5> kSpecial{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

bool has_capital(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

BertVocabulary read_lines(std::string_view bytes) {
  BertVocabulary bert;
  TokenId next = 0;
  bool is_cased = false;
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    std::string_view line = bytes.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool is_special = std::find(kSpecial.begin(), kSpecial.end(), line) != kSpecial.end();
    bert.vocabulary.set(next++, line, is_special ? TokenKind::kControl : TokenKind::kNormal);
    is_cased |= has_capital(line) && !line.starts_with('[');
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
  }
  if (is_cased) bert.normalizer.lowercase = bert.normalizer.strip_accents = norm::Bert::Do::kNo;
  bert.vocabulary.build_index();
  bert.unknown = bert.vocabulary.find("[UNK]");
  if (bert.unknown < 0) throw refused("is no vocabulary of BERT: it has no [UNK]");
  if (const TokenId id = bert.vocabulary.find("[CLS]"); id >= 0) bert.cls = id;
  if (const TokenId id = bert.vocabulary.find("[SEP]"); id >= 0) bert.sep = id;
  return bert;
}

}  // namespace

Tokenizer from_vocab_txt(const std::string& file, std::string_view bytes) {
  try {
    return Tokenizer(bert_pipeline(read_lines(bytes)));
  } catch (Error& error) {
    throw error.in(file);
  }
}

}  // namespace kinglet
