#pragma once

// A dense network with one hidden layer, trained by backpropagation: cross-entropy behind sigmoid
// or softmax, squared error behind none, each + l2 / 2 |all weights and biases|^2 over all examples.
// Adam (arXiv:1412.6980) on batches of 32, with a rate that falls to zero. The same seed gives the
// same bits: one thread, fixed order, random numbers that the C++ standard defines.
//
// Inputs (and, for squared error, targets) are scaled to mean 0 and deviation 1 while training, and
// the scaling is folded into the first (and last) layer afterwards.

#include <cstdint>

#include "dense/network.h"

namespace kinglet::dense {

struct TrainingOptions {
  std::size_t hidden = 16;
  std::size_t epochs = 100;
  double l2 = 0;
  std::uint64_t seed = 0;
};

// x (N, width), targets (N, outputs); `last` is none, sigmoid or softmax.
// Errors (kRuntime): weights that are not finite.
Network train_network(const Matrix& x, const Matrix& targets, Activation last, const TrainingOptions& options);

// A permutation of [0, count) that the seed alone decides.
std::vector<std::size_t> shuffled(std::size_t count, std::uint64_t seed);

}  // namespace kinglet::dense
