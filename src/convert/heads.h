#pragma once

// Heads of attention, and their rows' order in formats that keep the pairs that RoPE turns side by side
// (io/head_order.h).

#include <cstdint>

#include "convert/plan.h"

namespace kinglet {

struct Heads {
  std::uint64_t count = 0, count_kv = 0, width = 0;
};
Heads heads_of(const Metadata& config);

// The rows of q and k, and their biases', change places in the target. Errors (kRefused): a tensor that does not
// divide into heads.
void interleave_heads(const io::ModelFile& model, Plan& plan);

}  // namespace kinglet
