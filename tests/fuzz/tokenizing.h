#pragma once

// What the tokenizer targets do with what they opened: everything, where only an Error may stop it.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "kinglet/error.h"
#include "kinglet/tokenizer.h"
#include "tokenizer/utf8.h"

namespace kinglet::fuzz {

inline void must(bool holds) {
  if (!holds) std::abort();
}

// Ids are entries; tokens stand in the text's order; what the caches of the first call answer the
// second with is what was made anew.
inline std::vector<TokenId> encode(const Tokenizer& tokenizer, std::string_view text,
                                   const EncodeOptions& options) {
  const auto ids = tokenizer.encode(text, options);
  must(tokenizer.encode(text, options) == ids);
  const auto tokens = tokenizer.encode_with_offsets(text, options);
  must(ids.size() == tokens.size());
  std::size_t begin = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Token& token = tokens[i];
    must(ids[i] == token.id && ids[i] >= 0 && static_cast<std::size_t>(ids[i]) < tokenizer.size());
    must(begin <= token.begin && token.begin <= token.end && token.end <= text.size());
    begin = token.begin;
  }
  return ids;
}

inline void use(const Tokenizer& tokenizer, std::string_view text) {
  for (const SpecialTokens special : {SpecialTokens::kAsText, SpecialTokens::kParsed}) {
    const auto ids = encode(tokenizer, text, {special, Affixes::kAdded});
    tokenizer.decode(ids, true);
    TextStream stream(tokenizer);
    std::string streamed;
    for (const TokenId id : ids) streamed += stream.push(id);
    streamed += stream.finish();
    must(streamed == well_formed(tokenizer.decode(ids)));
  }
}

// One printable line.
inline void check_message(const Error& error) {
  for (const char* c = error.what(); *c != '\0'; ++c) must(static_cast<unsigned char>(*c) >= 0x20);
}

// `open` gives a Tokenizer, or refuses. A text may be too much for the file's expressions.
template <class Open>
int open_and_use(const Open& open, std::string_view text) {
  try {
    use(open(), text);
  } catch (const Error& error) {
    must(error.fault() == Fault::kRefused || error.fault() == Fault::kUsage);
    check_message(error);
  }
  return 0;
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace kinglet::fuzz
