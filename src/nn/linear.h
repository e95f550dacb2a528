#pragma once

// Matrix products and the embedding look-up.

#include <span>
#include <vector>

#include "nn/pass.h"
#include "tensor/weight.h"

namespace kinglet::nn {

// One or more weights that read the same input; their outputs stand side by side, so that q, k and
// v, or gate and up, are one step. Types may differ. Each weight is (out, in), with its bias.
class Linear {
 public:
  Linear() = default;
  explicit Linear(std::vector<Weight> weights);

  // out[t] = W x[t] + bias;  x: (T, in), written by parts; out: (T, sum of out). Ends in sync.
  void forward(const Member& me, const Pass& pass, ConstRows x, Rows out) const;

  std::span<const Weight> weights() const { return weights_; }

 private:
  std::vector<Weight> weights_;
  std::size_t panels_ = 0;  // of all weights
  bool has_integers_ = false;
};

// hidden[t] = row tokens[t] of the embedding (V, D), or the batch's own vector t. Does not end in
// sync.
void embed(const Member& me, const Weight& embedding, const Batch& batch, Rows hidden);

}  // namespace kinglet::nn
