#pragma once

// Causal self-attention with grouped key/value heads (GQA, arXiv:2305.13245).
//
// Shapes: T rows in this pass, D model width, H query heads, G key/value heads (G divides H), d
// width of one head, S positions in a sequence's cache after this pass.

#include <cstddef>
#include <limits>

#include "nn/linear.h"
#include "nn/pass.h"
#include "nn/rope.h"

namespace kinglet::nn {

struct Heads {
  std::size_t query = 0;      // H
  std::size_t key_value = 0;  // G
  std::size_t width = 0;      // d
  float scale = 0;            // of the scores: 1 / sqrt(d) in most models
  // A query sees the last `window` keys, its own among them.
  std::size_t window = std::numeric_limits<std::size_t>::max();
};

class Attention {
 public:
  Attention() = default;
  // qkv: ((H + 2G) * d, D); out: (D, H * d).
  Attention(Heads heads, Linear qkv, Linear out, int layer)
      : heads_(heads), qkv_(std::move(qkv)), out_(std::move(out)), layer_(layer) {}

  // Borrowed buffers of the workspace.
  struct Scratch {
    Rows qkv;    // (T, (H + 2G) * d): q, k, v side by side
    Rows mixed;  // (T, H * d)
  };

  // out = W_o attend(rope(W_q x), rope(W_k x), W_v x), hidden = hidden + out;  x, out, hidden: (T, D),
  // x written by parts.
  // Stores this pass's keys and values in each sequence's cache. Ends in sync.
  void forward(const Member& me, const Pass& pass, const Rope& rope, ConstRows x,
               const Scratch& scratch, Rows out, Rows hidden) const;

 private:
  void store(const Member& me, const Pass& pass, ConstRows k, ConstRows v) const;
  void attend(const Member& me, const Pass& pass, ConstRows q, Rows mixed) const;
  void show_probabilities(const Member& me, const Pass& pass, ConstRows q) const;
  kernels::Attend call_for(const KvCache& cache, std::size_t kv_head) const;
  kernels::Query query_for(const Place& place, const float* q, float* out) const;

  Heads heads_;
  Linear qkv_, out_;
  int layer_ = 0;
};

}  // namespace kinglet::nn
