#pragma once

// The gated MLP of Llama-type models (SwiGLU, arXiv:2002.05202):
// out = W_down (silu(W_gate x) * W_up x), which the residual stream takes.

#include "nn/linear.h"
#include "nn/pass.h"

namespace kinglet::nn {

class GatedMlp {
 public:
  GatedMlp() = default;
  // gate_up: gate (F, D) and up (F, D) side by side; down: (D, F).
  GatedMlp(Linear gate_up, Linear down, int layer)
      : gate_up_(std::move(gate_up)), down_(std::move(down)), layer_(layer) {}

  // Also hidden = hidden + out.  x, out, hidden: (T, D), x written by parts; gate_up: (T, 2F). Ends in
  // sync.
  void forward(const Member& me, const Pass& pass, ConstRows x, Rows gate_up, Rows out,
               Rows hidden) const;

 private:
  Linear gate_up_, down_;
  int layer_ = 0;
};

}  // namespace kinglet::nn
