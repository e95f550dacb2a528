#include "runtime/token_text.h"

#include <fmt/format.h>

namespace kinglet {

std::string token_text(const Model& model, std::optional<TokenId> before, TokenId id) {
  const Tokenizer* tokenizer = model.tokenizer();
  const auto is_known = [&](TokenId token) {
    return tokenizer != nullptr && token >= 0 && static_cast<std::size_t>(token) < tokenizer->size();
  };
  if (!is_known(id)) return fmt::format("#{}", id);
  constexpr bool kShowSpecial = true;
  const std::string alone = tokenizer->decode({&id, 1}, kShowSpecial);
  if (!before || !is_known(*before)) return alone;
  // Decoders take a space off the start of a text: another token stands there, and is cut off again.
  const TokenId pair[] = {*before, id};
  const std::string first = tokenizer->decode({pair, 1}, kShowSpecial), both = tokenizer->decode(pair, kShowSpecial);
  return both.starts_with(first) ? both.substr(first.size()) : alone;
}

std::vector<std::string> token_texts(const Model& model, std::span<const TokenId> ids) {
  std::vector<std::string> texts;
  std::optional<TokenId> before;
  for (const TokenId id : ids) {
    texts.push_back(token_text(model, before, id));
    before = id;
  }
  return texts;
}

}  // namespace kinglet
