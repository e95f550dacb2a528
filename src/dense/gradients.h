#pragma once

// Reverse mode: the gradients of a loss by every weight, bias and input of a dense network, from
// the last layer back. With d = dL/dz of a layer (z its sums, x its inputs):
//
//   dL/dW = d x^T    dL/db = d    dL/dx = W^T d, times the slope of the layer below gives its d
//
// Losses of an output y and its target t:
//   squared error   sum (y - t)^2
//   cross-entropy   softmax: -sum t log y; sigmoid: -sum t log y + (1 - t) log(1 - y); d is y - t
//                   for both (t sums to 1 under softmax), computed from z, so that neither log
//                   nor slope can vanish.

#include <cstdint>
#include <span>
#include <vector>

#include "dense/network.h"

namespace kinglet::dense {

enum class Loss : std::uint8_t { kSquaredError, kCrossEntropy };

struct Gradients {
  struct Layer {
    Matrix weight;             // (out, in)
    std::vector<double> bias;  // (out)
  };
  std::vector<Layer> layers;
  std::vector<double> input;  // (in)

  // Zeros of the network's shapes.
  explicit Gradients(const Network& network);
  void clear();
};

// Throws (kUsage) unless the loss can stand behind the network's last layer.
void check_loss(const Network& network, Loss loss);

// The loss at x, from a trace of it.
double loss_of(const Network& network, Loss loss, const Trace& trace, std::span<const double> target);

// Adds the gradients at x to `sums` and gives the loss there. `trace` is scratch; on return it is
// that of x. x (in), target (out).
double add_gradients(const Network& network, Loss loss, std::span<const double> x,
                     std::span<const double> target, Trace& trace, Gradients& sums);

}  // namespace kinglet::dense
