#pragma once

// A GGUF file as a model: its keys under the names of an HF config.json, its tensors under those of
// safetensors files (tables in gguf_model.cc), rows of q and k in kinglet's order (head_order.h).
//
// An architecture that the tables do not know keeps its tensor names; `model_type` is then GGUF's
// name of it. `rope_freqs.weight` (divisors of the rotary frequencies) keeps its name everywhere.

#include "base/file.h"
#include "io/open.h"

namespace kinglet::io {

// Errors (kRefused): malformed, or keys and tensors that contradict each other.
ModelFile open_gguf(File file);

}  // namespace kinglet::io
