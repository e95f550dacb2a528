#pragma once

// Checkpoints of llama2.c (github.com/karpathy/llama2.c, export.py), little-endian. In all of them
// the header holds seven i32: dim D, hidden_dim F, n_layers L, n_heads H, n_kv_heads G, vocab_size V,
// seq_len S. d = D / H. All tensors of one kind lie together, layer after layer.
//
//   v0  the seven numbers; V negative: the classifier is not shared with the embedding
//       f32: embedding (V, D), attention norms (L, D), wq (L, D, D), wk (L, G*d, D), wv, wo (L, D, D),
//       mlp norms (L, D), w1 (L, F, D), w2 (L, D, F), w3 (L, F, D), final norm (D),
//       two tables of RoPE (S, d/2), not used, classifier (V, D) unless shared
//   v1  u32 magic 0x616b3432, i32 version 1, the seven, u8 shared classifier, zeros up to byte 256
//       f32: attention norms, mlp norms, final norm, embedding, wq, wk, wv, wo, w1, w2, w3, classifier
//   v2  as v1, and i32 group size behind the u8
//       f32: the norms as in v1; then each matrix, in v1's order, as i8 values followed by one f32
//       scale for each group of values
//
// v2 is presented as f32, value times scale (one rounding): groups of any size with f32 scales are
// none of kinglet's formats. Rows of q and k are put in kinglet's order (head_order.h). The RoPE
// base is 10000 and eps 1e-5, as in its run.c; BOS ends a text there, so 1 and 2 both end it here.

#include <string>

#include "base/file.h"
#include "io/hf_directory.h"
#include "io/open.h"

namespace kinglet::io {

// Whether the file starts as v1 and v2 do; v0 has no mark: whether its numbers could be a model's.
bool has_llama2c_magic(const File& file);
bool could_be_llama2c_v0(const File& file);

// `folder` is searched for tokenizer.bin, then tok<V>.bin. Errors (kRefused): a header out of range, a
// file shorter than the header says.
ModelFile open_llama2c(File file, const Folder& folder);

}  // namespace kinglet::io
