#include "dense/gradients.h"

#include <cmath>

#include "kinglet/error.h"
#include "vectors.h"

namespace kinglet::dense {
namespace {

TEST(Gradients, AreNumPys) {
  const auto file = vectors("backprop.json");
  const Network network{{{matrix_of(file["W1"]), {0, 0, 0}, Activation::kRelu},
                         {matrix_of(file["W2"]), {0}, Activation::kSigmoid}}};
  Gradients gradients(network);
  Trace trace;
  const double loss = add_gradients(network, Loss::kSquaredError, file["input"].get<std::vector<double>>(),
                                    file["target"].get<std::vector<double>>(), trace, gradients);
  const double output = file["output"][0];
  EXPECT_NEAR(trace.outputs.back()[0], output, 1e-12);
  EXPECT_NEAR(loss, (output - 1) * (output - 1), 1e-12);
  expect_near(gradients.layers[0].weight.values(), matrix_of(file["dW1"]).values(), 1e-12);
  expect_near(gradients.layers[0].bias, file["db1"].get<std::vector<double>>(), 1e-12);
  expect_near(gradients.layers[1].weight.values(), matrix_of(file["dW2"]).values(), 1e-12);
  expect_near(gradients.layers[1].bias, file["db2"].get<std::vector<double>>(), 1e-12);
}

TEST(Gradients, CrossEntropyIsNumPys) {
  const auto file = vectors("softmax.json");
  const auto logits = file["logits"].get<std::vector<double>>();
  const Network network{{{Matrix(3, 1, logits), {0, 0, 0}, Activation::kSoftmax}}};
  std::vector<double> target(3);
  target[file["target"].get<std::size_t>()] = 1;
  Gradients gradients(network);
  Trace trace;
  const double loss = add_gradients(network, Loss::kCrossEntropy, std::vector<double>{1}, target, trace, gradients);
  EXPECT_NEAR(loss, file["cross_entropy"].get<double>(), 1e-12);
  EXPECT_NEAR(loss, file["printed_loss"].get<double>(), 5e-5);  // as printed
  EXPECT_NEAR(gradients.layers[0].bias[0], file["probabilities"][0].get<double>() - 1, 1e-12);
}

struct Case {
  Activation hidden, last;
  Loss loss;
};

class GradientsOf : public testing::TestWithParam<Case> {};

// Central differences of step h are off by h^2 times the third derivative, and by rounding over h:
// with h = 1e-5 both stay below 1e-9 here. Two examples, since gradients add up.
TEST_P(GradientsOf, AreTheSlopesOfTheLoss) {
  constexpr double kStep = 1e-5, kTolerance = 1e-8;
  const auto [hidden, last, loss] = GetParam();
  Network network{{{Matrix(5, 3, random_values(15, 1)), random_values(5, 2), hidden},
                   {Matrix(4, 5, random_values(20, 3)), random_values(4, 4), hidden},
                   {Matrix(3, 4, random_values(12, 5)), random_values(3, 6), last}}};
  Matrix x(2, 3, random_values(6, 7));
  const Matrix targets(2, 3, {0.2, 0.5, 0.3, 1, 0, 0});
  Trace trace;
  const auto total = [&] {
    double sum = 0;
    for (std::size_t t = 0; t < 2; ++t) {
      network.forward(x.row(t), trace);
      sum += loss_of(network, loss, trace, targets.row(t));
    }
    return sum;
  };
  const auto slope = [&](double& parameter) {
    const double kept = parameter;
    parameter = kept + kStep;
    const double above = total();
    parameter = kept - kStep;
    const double below = total();
    parameter = kept;
    return (above - below) / (2 * kStep);
  };

  Gradients gradients(network);
  double sum = 0;
  for (std::size_t t = 0; t < 2; ++t) {
    sum += add_gradients(network, loss, x.row(t), targets.row(t), trace, gradients);
  }
  EXPECT_DOUBLE_EQ(sum, total());
  for (std::size_t i = 0; i < 3; ++i) {
    Layer& layer = network.layers[i];
    for (std::size_t k = 0; k < layer.weight.values().size(); ++k) {
      EXPECT_NEAR(gradients.layers[i].weight.values()[k], slope(layer.weight.values()[k]), kTolerance)
          << "layer " << i << " weight " << k;
    }
    for (std::size_t n = 0; n < layer.out(); ++n) {
      EXPECT_NEAR(gradients.layers[i].bias[n], slope(layer.bias[n]), kTolerance) << "layer " << i << " bias " << n;
    }
  }
  gradients.clear();
  add_gradients(network, loss, x.row(1), targets.row(1), trace, gradients);
  for (std::size_t j = 0; j < 3; ++j) EXPECT_NEAR(gradients.input[j], slope(x.row(1)[j]), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(
    , GradientsOf,
    testing::Values(Case{Activation::kTanh, Activation::kNone, Loss::kSquaredError},
                    Case{Activation::kRelu, Activation::kSigmoid, Loss::kSquaredError},
                    Case{Activation::kGelu, Activation::kSoftmax, Loss::kSquaredError},
                    Case{Activation::kSilu, Activation::kSoftmax, Loss::kCrossEntropy},
                    Case{Activation::kSigmoid, Activation::kSigmoid, Loss::kCrossEntropy},
                    Case{Activation::kNone, Activation::kTanh, Loss::kSquaredError}),
    [](const auto& example) {
      return std::string(name_of(example.param.hidden)) + "_" + name_of(example.param.last) +
             (example.param.loss == Loss::kCrossEntropy ? "_cross_entropy" : "_squared_error");
    });

TEST(Gradients, OfCrossEntropyWantProbabilities) {
  const Network network{{{Matrix(2, 1), {0, 0}, Activation::kTanh}}};
  EXPECT_NO_THROW(check_loss(network, Loss::kSquaredError));
  EXPECT_THROW(check_loss(network, Loss::kCrossEntropy), Error);
}

TEST(Gradients, CrossEntropyOfHopelessAnswersIsFinite) {
  for (const Activation last : {Activation::kSoftmax, Activation::kSigmoid}) {
    const Network network{{{Matrix(2, 1, {1e4, -1e4}), {0, 0}, last}}};
    Gradients gradients(network);
    Trace trace;
    const double loss = add_gradients(network, Loss::kCrossEntropy, std::vector<double>{1},
                                      std::vector<double>{0, 1}, trace, gradients);
    EXPECT_NEAR(loss, 2e4, 1e-9) << name_of(last);
    EXPECT_NEAR(gradients.layers[0].bias[1], -1, 1e-15) << name_of(last);
  }
}

}  // namespace
}  // namespace kinglet::dense
