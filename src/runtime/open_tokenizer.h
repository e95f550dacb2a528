#pragma once

// Hands what a file says of its tokenizer to the tokenizer layer, which knows no model files.

#include <filesystem>
#include <optional>

#include "io/open.h"
#include "kinglet/tokenizer.h"

namespace kinglet {

// The tokenizer that a model file brings; nothing where it brings none. Errors (kRefused).
std::optional<Tokenizer> open_tokenizer(const io::ModelFile& file);

// A vocabulary by its path: tokenizer.json, tokenizer.model, vocab.txt, tokenizer.bin, a GGUF file,
// or any model that has one. `vocabulary`: the number of entries, where it is known (tokenizer.bin
// does not say). Errors (kRefused): also where there is none.
Tokenizer open_tokenizer(const std::filesystem::path& path,
                         std::optional<std::size_t> vocabulary = std::nullopt);

// The tokenizer of the model inside the library.
Tokenizer built_in_tokenizer();

}  // namespace kinglet
