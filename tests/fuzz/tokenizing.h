#pragma once

// What the tokenizer targets do with what they opened: everything, where only an Error may stop it.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "kinglet/error.h"
#include "kinglet/tokenizer.h"

namespace kinglet::fuzz {

inline void use(const Tokenizer& tokenizer, std::string_view text) {
  for (const SpecialTokens special : {SpecialTokens::kAsText, SpecialTokens::kParsed}) {
    const EncodeOptions options{special, Affixes::kAdded};
    const auto ids = tokenizer.encode(text, options);
    const auto tokens = tokenizer.encode_with_offsets(text, options);
    if (ids.size() != tokens.size()) std::abort();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const Token& token = tokens[i];
      if (ids[i] != token.id || token.begin > token.end || token.end > text.size()) std::abort();
    }
    tokenizer.decode(ids);
    tokenizer.decode(ids, true);
    TextStream stream(tokenizer);
    for (const TokenId id : ids) stream.push(id);
    stream.finish();
  }
}

// `open` gives a Tokenizer, or throws an Error.
template <class Open>
int open_and_use(const Open& open, std::string_view text) {
  try {
    use(open(), text);
  } catch (const Error&) {
  }
  return 0;
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace kinglet::fuzz
