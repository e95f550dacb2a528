#pragma once

// The one observer of a forward pass: it is shown every named activation as it is made, and may
// change it. Or it brings a clock. The names are those of `kinglet run --dump`, listed in
// tools/README.md.

#include <functional>

#include "tensor/rows.h"

namespace kinglet::nn {

class Recorder;

struct Activation {
  const char* name;  // "q_rope"
  int layer = -1;    // -1: the name stands alone ("embed", "logits")
};

struct Tap {
  // Called by one thread while the others wait. Must not throw.
  std::function<void(const Activation&, Rows)> see;
  // Where set, called for each row of the pass and each layer with the attention weights (H, S).
  std::function<void(int layer, std::size_t row, ConstRows probabilities)> see_attention;
  // Where set, told by every member at the end of each step.
  Recorder* recorder = nullptr;
};

}  // namespace kinglet::nn
