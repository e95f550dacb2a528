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
  // The same, and hidden = hidden + out: what a branch gives to the residual stream.
  void forward_and_add(const Member& me, const Pass& pass, ConstRows x, Rows out, Rows hidden) const;

  std::span<const Weight> weights() const { return weights_; }

 private:
  // after(begin, end): columns [begin, end) of `out` are done. Ends in sync.
  template <class After>
  void run(const Member& me, const Pass& pass, ConstRows x, Rows out, const After& after) const;
  // Panels [begin, end) of one weight.
  static void multiply(const Pass& pass, const Weight& weight, ConstRows x, Rows out, Range panels);

  std::vector<Weight> weights_;
  std::size_t panels_ = 0;  // of all weights
  bool has_integers_ = false, has_bfloats_ = false;
};

// hidden[t] = row tokens[t] of the embedding (V, D), or the batch's own vector t. Does not end in
// sync.
void embed(const Member& me, const Weight& embedding, const Batch& batch, Rows hidden);

}  // namespace kinglet::nn
