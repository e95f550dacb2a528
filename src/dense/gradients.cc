#include "dense/gradients.h"

#include <algorithm>
#include <utility>

#include "kinglet/error.h"

namespace kinglet::dense {
namespace {

// dL/dz of the last layer.
std::vector<double> output_gradient(const Layer& last, Loss loss, const Trace& trace,
                                    std::span<const double> target) {
  std::vector<double> gradient = trace.outputs.back();
  for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] -= target[i];
  if (loss == Loss::kSquaredError) {
    for (double& value : gradient) value *= 2;
    to_gradient_by_sums(last.activation, trace.sums.back(), trace.outputs.back(), gradient);
  }
  return gradient;
}

}  // namespace

Gradients::Gradients(const Network& network) : input(network.in()) {
  for (const dense::Layer& layer : network.layers) {
    layers.push_back({Matrix(layer.out(), layer.in()), std::vector<double>(layer.out())});
  }
}

void Gradients::clear() {
  for (Layer& layer : layers) {
    std::ranges::fill(layer.weight.values(), 0.0);
    std::ranges::fill(layer.bias, 0.0);
  }
  std::ranges::fill(input, 0.0);
}

void check_loss(const Network& network, Loss loss) {
  const Activation last = network.layers.back().activation;
  const bool gives_probabilities = last == Activation::kSoftmax || last == Activation::kSigmoid;
  if (loss == Loss::kSquaredError || gives_probabilities) return;
  throw usage_error("cross-entropy needs probabilities")
      .at("activation of the last layer")
      .found(name_of(last))
      .allowed("softmax, sigmoid");
}

double loss_of(const Network& network, Loss loss, const Trace& trace, std::span<const double> target) {
  const std::vector<double>& z = trace.sums.back();
  const std::vector<double>& y = trace.outputs.back();
  double total = 0;
  for (std::size_t i = 0; i < target.size(); ++i) {
    if (loss == Loss::kSquaredError) {
      total += (y[i] - target[i]) * (y[i] - target[i]);
    } else if (network.layers.back().activation == Activation::kSigmoid) {
      total += log_one_plus_exp(z[i]) - target[i] * z[i];
    } else {
      total -= target[i] * z[i];
    }
  }
  const bool is_softmax = network.layers.back().activation == Activation::kSoftmax;
  return loss == Loss::kCrossEntropy && is_softmax ? total + log_sum_exp(z) : total;
}

double add_gradients(const Network& network, Loss loss, std::span<const double> x,
                     std::span<const double> target, Trace& trace, Gradients& sums) {
  network.forward(x, trace);
  std::vector<double> by_sums = output_gradient(network.layers.back(), loss, trace, target);
  for (std::size_t i = network.layers.size(); i-- > 0;) {
    const Layer& layer = network.layers[i];
    const std::span<const double> in = i == 0 ? x : std::span<const double>(trace.outputs[i - 1]);
    std::vector<double> by_inputs(layer.in());
    for (std::size_t n = 0; n < layer.out(); ++n) {
      sums.layers[i].bias[n] += by_sums[n];
      add_scaled(by_sums[n], in, sums.layers[i].weight.row(n));
      add_scaled(by_sums[n], layer.weight.row(n), by_inputs);
    }
    if (i == 0) {
      add_scaled(1, by_inputs, sums.input);
      break;
    }
    to_gradient_by_sums(network.layers[i - 1].activation, trace.sums[i - 1], trace.outputs[i - 1],
                        by_inputs);
    by_sums = std::move(by_inputs);
  }
  return loss_of(network, loss, trace, target);
}

}  // namespace kinglet::dense
