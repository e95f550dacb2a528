#pragma once

// kinglet-json, a model in one readable file:
//
//   {"format": "kinglet-json", "version": 1,
//    "config": {the keys of an HF config.json},
//    "tensors": {"model.embed_tokens.weight": [[0.1, 0.2], [0.3, 0.4]],
//                "model.norm.weight": {"dtype": "f32", "shape": [8], "offset": 0}},
//    "blob": "model.blob", "tokenizer": {a tokenizer.json},
//    "generation": {a generation_config.json}, "chat_template": "Jinja"}
//
// A tensor is nested lists of numbers, read as f32 (or f64), or a place in the blob, a file beside this one
// (a plain name) that holds the numbers as they lie in memory, little-endian. All but format,
// version, config and tensors may be absent; other fields are refused.

#include "base/file.h"
#include "io/hf_directory.h"
#include "io/open.h"

namespace kinglet::io {

// `folder` is where the blob is. Errors (kRefused): malformed, ragged, not finite, outside the blob;
// a message names the place as tensors["x"][3][1].
ModelFile open_json_weights(File file, const Folder& folder,
                            TextNumbers numbers = TextNumbers::kF32);

}  // namespace kinglet::io
