// A vocabulary file by itself, told by its content: JSON opens with a brace; a SentencePiece model
// with the tag of a piece whose parts fill it; a vocab.txt is text with [UNK] on a line; else the
// lengths of a tokenizer.bin have to lead to its end.

#include "base/checked.h"
#include "kinglet/error.h"
#include "tokenizer/factories.h"
#include "tokenizer/protobuf.h"

namespace kinglet {
namespace {

bool looks_like_json(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  const std::size_t first = bytes.find_first_not_of(" \t\r\n");
  return first != bytes.npos && bytes[first] == '{';
}

bool looks_like_sentencepiece(std::string_view bytes) {
  if (!bytes.starts_with('\x0A')) return false;  // field 1, length-delimited
  try {
    const auto piece = ProtobufReader(bytes).next();
    ProtobufReader reader(piece->bytes);
    while (const auto field = reader.next())
      if (field->number > 3) return false;
    return !piece->bytes.empty();
  } catch (const Error&) {
    return false;
  }
}

bool looks_like_vocab_txt(std::string_view bytes) {
  const std::size_t at = bytes.find("[UNK]");
  if (at == bytes.npos || (at > 0 && bytes[at - 1] != '\n')) return false;
  const std::string_view after = bytes.substr(at + 5);
  return after.empty() || after[0] == '\n' || after[0] == '\r';
}

bool looks_like_llama2c(std::string_view bytes) {
  const auto length_at = [&](std::size_t at) {
    std::uint64_t value = 0;
    for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
  };
  std::size_t at = 4;
  for (int tokens = 0; tokens < 3; ++tokens) {
    if (!fits(at, 8, bytes.size())) return false;
    const std::uint64_t length = length_at(at + 4);
    if (length > 1024 || !fits(at + 8, length, bytes.size())) return false;
    at += 8 + length;
  }
  return true;
}

}  // namespace

Tokenizer from_bare_file(const std::string& file, std::string_view bytes,
                         std::optional<std::size_t> vocabulary) {
  if (looks_like_json(bytes)) return from_json(file, bytes);
  if (looks_like_sentencepiece(bytes)) return from_sentencepiece(file, bytes);
  if (looks_like_vocab_txt(bytes)) return from_vocab_txt(file, bytes);
  if (looks_like_llama2c(bytes)) return from_llama2c(file, bytes, vocabulary);
  throw refused(
            "is no vocabulary: neither a tokenizer.json, a SentencePiece model, a vocab.txt nor a "
            "tokenizer.bin")
      .in(file);
}

}  // namespace kinglet
