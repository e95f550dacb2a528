#include "dense/network.h"

#include "vectors.h"

namespace kinglet::dense {
namespace {

TEST(Network, GivesNumPysOutputsAfterEveryLayer) {
  const auto file = vectors("mlp.json");
  const Network network = network_of(file["layers"]);
  Trace trace;
  network.forward(file["input"].get<std::vector<double>>(), trace);
  for (std::size_t i = 0; i < 2; ++i) {
    expect_near(trace.outputs[i], file["hidden"][i].get<std::vector<double>>(), 1e-12);
  }
  expect_near(trace.outputs[2], file["output"].get<std::vector<double>>(), 1e-12);
  expect_near(trace.outputs[2], file["printed"].get<std::vector<double>>(), 5e-9);  // as printed
}

TEST(Network, GivesARowOfABatchTheBitsThatItHasAlone) {
  const auto file = vectors("mlp_batch.json");
  const Network network = network_of(file["layers"]);
  const Matrix input = matrix_of(file["input"]), wanted = matrix_of(file["output"]);
  const Matrix found = network.forward(input);
  expect_near(found.values(), wanted.values(), 1e-12);
  for (std::size_t t = 0; t < input.rows(); ++t) {
    const std::vector<double> alone = network.forward(input.row(t));
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), found.row(t).begin())) << "row " << t;
  }
}

TEST(Network, AddsItsBiases) {
  const Network network{{{Matrix(2, 1, {1, -1}), {0.5, 0.25}, Activation::kRelu},
                         {Matrix(1, 2, {2, 4}), {-1}, Activation::kNone}}};
  EXPECT_EQ(network.forward(std::vector<double>{3}), (std::vector<double>{2 * 3.5 - 1}));
  EXPECT_EQ(network.forward(std::vector<double>{-3}), (std::vector<double>{4 * 3.25 - 1}));
}

}  // namespace
}  // namespace kinglet::dense
