#include "dense/network.h"

#include <algorithm>
#include <utility>

namespace kinglet::dense {

void Network::forward(std::span<const double> x, Trace& trace) const {
  trace.sums.resize(layers.size());
  trace.outputs.resize(layers.size());
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Layer& layer = layers[i];
    std::vector<double>& sums = trace.sums[i];
    sums.resize(layer.out());
    for (std::size_t n = 0; n < layer.out(); ++n) sums[n] = dot(layer.weight.row(n), x) + layer.bias[n];
    trace.outputs[i].resize(layer.out());
    activate(layer.activation, sums, trace.outputs[i]);
    x = trace.outputs[i];
  }
}

std::vector<double> Network::forward(std::span<const double> x) const {
  Trace trace;
  forward(x, trace);
  return std::move(trace.outputs.back());
}

Matrix Network::forward(const Matrix& x) const {
  Matrix result(x.rows(), out());
  Trace trace;
  for (std::size_t t = 0; t < x.rows(); ++t) {
    forward(x.row(t), trace);
    std::copy(trace.outputs.back().begin(), trace.outputs.back().end(), result.row(t).begin());
  }
  return result;
}

}  // namespace kinglet::dense
