#pragma once

// A dense network: layer i computes y = f(W x + b), W (out, in), and its y is the next one's x.
// In double, each sum in the order of its inputs and the bias last, so that a row of a batch has the
// bits that it has alone.

#include <cstddef>
#include <span>
#include <vector>

#include "dense/activation.h"
#include "dense/matrix.h"

namespace kinglet::dense {

struct Layer {
  Matrix weight;             // (out, in)
  std::vector<double> bias;  // (out)
  Activation activation = Activation::kNone;

  std::size_t in() const { return weight.columns(); }
  std::size_t out() const { return weight.rows(); }
};

// What each layer computed for one input: gradients need it.
struct Trace {
  std::vector<std::vector<double>> sums, outputs;  // per layer, (out)
};

struct Network {
  std::vector<Layer> layers;  // at least one; layers[i].out() is layers[i + 1].in()

  std::size_t in() const { return layers.front().in(); }
  std::size_t out() const { return layers.back().out(); }

  // x (in) to (out).
  std::vector<double> forward(std::span<const double> x) const;
  // x (T, in) to (T, out).
  Matrix forward(const Matrix& x) const;
  // The same as forward(x), keeping what every layer gave; trace.outputs.back() is the result.
  void forward(std::span<const double> x, Trace& trace) const;
};

}  // namespace kinglet::dense
