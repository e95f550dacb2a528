#pragma once

#include <optional>
#include <string>

#include "io/open.h"

namespace kinglet {

// The source's vocabulary as llama2.c's tokenizer.bin (tokenizer/from_llama2c.cc has the format); nothing where that
// cannot say it: no SentencePiece vocabulary, special tokens elsewhere, or text that it would cut differently.
std::optional<std::string> llama2c_vocabulary(const io::ModelFile& model);

}  // namespace kinglet
