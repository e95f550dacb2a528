#pragma once

// The part of a text that one token stands for, as a reader of the text sees it.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kinglet/model.h"

namespace kinglet {

// What `id` adds to the text after token `before` (none: at its start): raw bytes, which may be a part
// of a character; special tokens as they are spelt. "#17" where the model has no tokenizer, or no such
// entry.
std::string token_text(const Model& model, std::optional<TokenId> before, TokenId id);

// Of every token of a text.
std::vector<std::string> token_texts(const Model& model, std::span<const TokenId> ids);

}  // namespace kinglet
