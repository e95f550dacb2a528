#include "dense/training.h"

#include <algorithm>

#include "vectors.h"

namespace kinglet::dense {
namespace {

struct Data {
  Matrix x, targets;
};

// Is x0 * x1 positive? No line tells.
Data exclusive_or(std::size_t rows) {
  Data data{Matrix(rows, 2, random_values(2 * rows, 21)), Matrix(rows, 1)};
  for (std::size_t n = 0; n < rows; ++n) {
    data.targets(n, 0) = data.x(n, 0) * data.x(n, 1) > 0 ? 1 : 0;
    data.x(n, 1) = 100 + 10 * data.x(n, 1);  // on another scale, far from 0
  }
  return data;
}

TEST(Training, LearnsWhatNoLineTells) {
  const Data data = exclusive_or(300);
  const Network network = train_network(data.x, data.targets, Activation::kSigmoid, {.l2 = 1e-3});
  std::size_t right = 0;
  for (std::size_t n = 0; n < data.x.rows(); ++n) {
    right += (network.forward(data.x.row(n))[0] > 0.5) == (data.targets(n, 0) > 0.5) ? 1 : 0;
  }
  EXPECT_GE(right, 285u);  // a line gets some 150
}

TEST(Training, FitsNumbersOnTheirOwnScale) {
  Data data{Matrix(200, 1), Matrix(200, 1)};
  for (std::size_t n = 0; n < 200; ++n) {
    data.x(n, 0) = 0.1 * (static_cast<double>(n) - 100);
    data.targets(n, 0) = 1000 + 50 * data.x(n, 0) * data.x(n, 0);
  }
  const Network network = train_network(data.x, data.targets, Activation::kNone, {});
  double squares = 0, spread = 0;
  for (std::size_t n = 0; n < 200; ++n) {
    const double off = network.forward(data.x.row(n))[0] - data.targets(n, 0);
    squares += off * off;
    spread += (data.targets(n, 0) - 2666.75) * (data.targets(n, 0) - 2666.75);
  }
  EXPECT_LT(squares, 0.01 * spread);
}

TEST(Training, TheSeedDecidesEveryBit) {
  const Data data = exclusive_or(70);
  const auto weights = [&](std::uint64_t seed) {
    return train_network(data.x, data.targets, Activation::kSigmoid, {.hidden = 3, .epochs = 4, .seed = seed})
        .layers[1]
        .weight;
  };
  EXPECT_EQ(weights(5), weights(5));
  EXPECT_NE(weights(5), weights(6));
}

TEST(Training, L2KeepsWeightsSmall) {
  const Data data = exclusive_or(70);
  const auto squares = [&](double l2) {
    const Network network = train_network(data.x, data.targets, Activation::kSigmoid, {.l2 = l2});
    return dot(network.layers[1].weight.values(), network.layers[1].weight.values());
  };
  EXPECT_LT(squares(10), 0.5 * squares(1e-3));
}

TEST(Shuffled, IsAPermutationThatTheSeedDecides) {
  std::vector<std::size_t> order = shuffled(100, 3);
  EXPECT_EQ(order, shuffled(100, 3));
  EXPECT_NE(order, shuffled(100, 4));
  std::ranges::sort(order);
  for (std::size_t i = 0; i < order.size(); ++i) EXPECT_EQ(order[i], i);
}

}  // namespace
}  // namespace kinglet::dense
