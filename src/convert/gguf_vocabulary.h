#pragma once

// The keys tokenizer.ggml.* for a model whose tokenizer comes from a file of its own. The tokenizer
// that they make is compared with the source's on text before anything is written.

#include "convert/gguf_keys.h"
#include "io/open.h"

namespace kinglet {

// Nothing is added where the model has no tokenizer. Errors (kRefused): GGUF has no words for this
// tokenizer.
void add_vocabulary(const io::ModelFile& model, GgufKeys& keys);

}  // namespace kinglet
