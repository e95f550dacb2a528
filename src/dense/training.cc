#include "dense/training.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <utility>

#include "dense/gradients.h"
#include "kinglet/error.h"

namespace kinglet::dense {
namespace {

constexpr std::size_t kBatch = 32;
constexpr double kRate = 0.01;

// In [0, 1), a multiple of 2^-53. The library's distributions differ between implementations.
double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

void shuffle(std::vector<std::size_t>& order, std::mt19937_64& random) {
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[static_cast<std::size_t>(uniform(random) * static_cast<double>(i))]);
  }
}

// Each column to mean 0 and deviation 1; a column without deviation stays at 0.
struct Scaling {
  std::vector<double> mean, deviation;

  explicit Scaling(const Matrix& x) : mean(x.columns()), deviation(x.columns()) {
    const auto count = static_cast<double>(x.rows());
    for (std::size_t n = 0; n < x.rows(); ++n) add_scaled(1 / count, x.row(n), mean);
    for (std::size_t n = 0; n < x.rows(); ++n) {
      for (std::size_t i = 0; i < mean.size(); ++i) {
        deviation[i] += (x(n, i) - mean[i]) * (x(n, i) - mean[i]) / count;
      }
    }
    for (double& value : deviation) value = value > 0 ? std::sqrt(value) : 1;
  }

  Matrix scaled(Matrix x) const {
    for (std::size_t n = 0; n < x.rows(); ++n) {
      for (std::size_t i = 0; i < mean.size(); ++i) x(n, i) = (x(n, i) - mean[i]) / deviation[i];
    }
    return x;
  }
};

// A layer for scaled inputs becomes one for the inputs themselves.
void fold_inputs(const Scaling& scaling, Layer& layer) {
  for (std::size_t n = 0; n < layer.out(); ++n) {
    for (std::size_t i = 0; i < layer.in(); ++i) {
      layer.weight(n, i) /= scaling.deviation[i];
      layer.bias[n] -= layer.weight(n, i) * scaling.mean[i];
    }
  }
}

void fold_outputs(const Scaling& scaling, Layer& layer) {
  for (std::size_t n = 0; n < layer.out(); ++n) {
    for (double& weight : layer.weight.row(n)) weight *= scaling.deviation[n];
    layer.bias[n] = layer.bias[n] * scaling.deviation[n] + scaling.mean[n];
  }
}

// Uniform in +-sqrt(6 / (in + out)): what keeps the size of activations and gradients (Glorot and
// Bengio, 2010).
Layer random_layer(std::size_t in, std::size_t out, Activation activation, std::mt19937_64& random) {
  Layer layer{Matrix(out, in), std::vector<double>(out), activation};
  const double bound = std::sqrt(6 / static_cast<double>(in + out));
  for (double& weight : layer.weight.values()) weight = bound * (2 * uniform(random) - 1);
  return layer;
}

class Adam {
 public:
  explicit Adam(const Network& network) : mean_(network), square_(network) {}

  void step(const Gradients& gradients, double rate, Network& network) {
    mean_left_ *= kMeanDecay;
    square_left_ *= kSquareDecay;
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
      Layer& layer = network.layers[i];
      Gradients::Layer &mean = mean_.layers[i], &square = square_.layers[i];
      const Gradients::Layer& gradient = gradients.layers[i];
      update(gradient.weight.values(), rate, mean.weight.values(), square.weight.values(), layer.weight.values());
      update(gradient.bias, rate, mean.bias, square.bias, layer.bias);
    }
  }

 private:
  void update(std::span<const double> gradient, double rate, std::span<double> mean, std::span<double> square,
              std::span<double> values) const {
    for (std::size_t i = 0; i < values.size(); ++i) {
      mean[i] += (1 - kMeanDecay) * (gradient[i] - mean[i]);
      square[i] += (1 - kSquareDecay) * (gradient[i] * gradient[i] - square[i]);
      values[i] -= rate * (mean[i] / (1 - mean_left_)) / (std::sqrt(square[i] / (1 - square_left_)) + 1e-8);
    }
  }

  static constexpr double kMeanDecay = 0.9, kSquareDecay = 0.999;

  Gradients mean_, square_;
  double mean_left_ = 1, square_left_ = 1;  // of the zeros that the two means began with
};

// sums / rows + l2 * weights / examples: the mean gradient of one example.
void to_mean_gradient(const Network& network, double rows, double l2_share, Gradients& sums) {
  const auto turn = [&](std::span<const double> weights, std::span<double> gradient) {
    for (std::size_t i = 0; i < weights.size(); ++i) gradient[i] = gradient[i] / rows + l2_share * weights[i];
  };
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    turn(network.layers[i].weight.values(), sums.layers[i].weight.values());
    turn(network.layers[i].bias, sums.layers[i].bias);
  }
}

void train(const Matrix& x, const Matrix& targets, Loss loss, const TrainingOptions& options,
           std::mt19937_64& random, Network& network) {
  std::vector<std::size_t> order(x.rows());
  std::iota(order.begin(), order.end(), std::size_t{0});
  Gradients gradients(network);
  Adam adam(network);
  Trace trace;
  for (std::size_t epoch = 0; epoch < options.epochs; ++epoch) {
    shuffle(order, random);
    const double left = 1 - static_cast<double>(epoch) / static_cast<double>(options.epochs);
    for (std::size_t begin = 0; begin < order.size(); begin += kBatch) {
      const std::size_t end = std::min(begin + kBatch, order.size());
      gradients.clear();
      for (std::size_t n = begin; n < end; ++n) {
        add_gradients(network, loss, x.row(order[n]), targets.row(order[n]), trace, gradients);
      }
      to_mean_gradient(network, static_cast<double>(end - begin), options.l2 / static_cast<double>(x.rows()), gradients);
      adam.step(gradients, kRate * left, network);
    }
  }
}

}  // namespace

std::vector<std::size_t> shuffled(std::size_t count, std::uint64_t seed) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::mt19937_64 random(seed);
  shuffle(order, random);
  return order;
}

Network train_network(const Matrix& x, const Matrix& targets, Activation last, const TrainingOptions& options) {
  std::mt19937_64 random(options.seed);
  Network network;
  network.layers.push_back(random_layer(x.columns(), options.hidden, Activation::kTanh, random));
  network.layers.push_back(random_layer(options.hidden, targets.columns(), last, random));
  const Scaling inputs(x);
  if (last == Activation::kNone) {
    const Scaling outputs(targets);
    train(inputs.scaled(x), outputs.scaled(targets), Loss::kSquaredError, options, random, network);
    fold_outputs(outputs, network.layers.back());
  } else {
    train(inputs.scaled(x), targets, Loss::kCrossEntropy, options, random, network);
  }
  fold_inputs(inputs, network.layers.front());
  for (const Layer& layer : network.layers) {
    const auto is_finite = [](double value) { return std::isfinite(value); };
    if (std::ranges::all_of(layer.weight.values(), is_finite) && std::ranges::all_of(layer.bias, is_finite)) continue;
    throw runtime_error("training ended in weights that are not finite");
  }
  return network;
}

}  // namespace kinglet::dense
