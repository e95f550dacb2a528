#include "dense/linear_fit.h"

#include <fmt/format.h>

#include "kinglet/error.h"
#include "vectors.h"

namespace kinglet::dense {
namespace {

Matrix column_of(const nlohmann::json& values) { return Matrix(values.size(), 1, values.get<std::vector<double>>()); }

// [bias, weights] of an output, as NumPy has them.
std::vector<double> weights_of(const Layer& layer, std::size_t output) {
  std::vector<double> weights{layer.bias[output]};
  weights.insert(weights.end(), layer.weight.row(output).begin(), layer.weight.row(output).end());
  return weights;
}

TEST(Ridge, HasNumPysWeights) {
  const auto file = vectors("ridge.json");
  const Matrix x = matrix_of(file["X"]), y = column_of(file["y"]);
  for (const auto& [key, l2] : {std::pair{"weights", 0.0}, {"weights_l2_1", 1.0}, {"weights_l2_10", 10.0}}) {
    const Layer layer = fit_ridge(x, y, l2);
    expect_near(weights_of(layer, 0), file[key].get<std::vector<double>>(), 1e-12);
    EXPECT_EQ(layer.activation, Activation::kNone);
  }
  expect_near(weights_of(fit_ridge(x, y, 0), 0), file["printed"].get<std::vector<double>>(), 5e-9);  // as printed
}

TEST(Ridge, FitsEachOutputAsIfItWereAlone) {
  const auto file = vectors("ridge.json");
  const Matrix x = matrix_of(file["X"]), y = column_of(file["y"]);
  Matrix both(y.rows(), 2);
  for (std::size_t n = 0; n < y.rows(); ++n) {
    both(n, 0) = -y(n, 0);
    both(n, 1) = y(n, 0);
  }
  EXPECT_EQ(weights_of(fit_ridge(x, both, 1), 1), weights_of(fit_ridge(x, y, 1), 0));
}

TEST(Ridge, RefusesSingularFeaturesUnlessL2IsGiven) {
  const std::vector<double> values = random_values(20, 3);
  Matrix x(20, 3);
  for (std::size_t n = 0; n < x.rows(); ++n) {
    x(n, 0) = values[n];
    x(n, 1) = static_cast<double>(n);
    x(n, 2) = 2 * values[n] - static_cast<double>(n) + 3;
  }
  const Matrix y(20, 1, random_values(20, 4));
  try {
    fit_ridge(x, y, 0);
    ADD_FAILURE() << "was fitted";
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kRefused);
    EXPECT_NE(std::string(error.what()).find("feature 2"), std::string::npos) << error.what();
  }
  EXPECT_NO_THROW(fit_ridge(x, y, 0.1));
  EXPECT_THROW(fit_ridge(Matrix(3, 5, random_values(15, 5)), Matrix(3, 1), 0), Error);  // more features than examples
}

class LogisticWithL2 : public testing::TestWithParam<const char*> {};

// NumPy's gradient there is under 1e-12, and the objective's curvature at least 0.1.
TEST_P(LogisticWithL2, HasNumPysWeights) {
  const auto file = vectors("logistic.json");
  const Matrix x = matrix_of(file["X"]);
  const auto two = file["two"].get<std::vector<double>>();
  const auto three = file["three"].get<std::vector<std::size_t>>();
  Matrix of_three(x.rows(), 3);
  for (std::size_t n = 0; n < x.rows(); ++n) of_three(n, three[n]) = 1;
  const double l2 = std::stod(GetParam());

  const Layer binary = fit_logistic(x, Matrix(x.rows(), 1, two), l2);
  EXPECT_EQ(binary.activation, Activation::kSigmoid);
  expect_near(weights_of(binary, 0), file[fmt::format("two_l2_{}", GetParam())][0].get<std::vector<double>>(), 1e-10);

  const Layer many = fit_logistic(x, of_three, l2);
  EXPECT_EQ(many.activation, Activation::kSoftmax);
  for (std::size_t c = 0; c < 3; ++c) {
    expect_near(weights_of(many, c), file[fmt::format("three_l2_{}", GetParam())][c].get<std::vector<double>>(), 1e-10);
  }
  // Wherever the search starts.
  const Layer start = fit_logistic(x, of_three, 100);
  expect_near(weights_of(fit_logistic(x, of_three, l2, &start), 1), weights_of(many, 1), 1e-10);
}

INSTANTIATE_TEST_SUITE_P(, LogisticWithL2, testing::Values("0.1", "1", "10"),
                         [](const auto& l2) { return "l2_" + std::to_string(l2.index); });

// The optimum without L2 is infinitely far away; with little of it Newton's full steps overshoot.
TEST(LogisticFit, ConvergesWhereClassesAreSeparable) {
  const std::size_t rows = 40;
  Matrix x(rows, 2, random_values(2 * rows, 8)), targets(rows, 1);
  for (std::size_t n = 0; n < rows; ++n) {
    targets(n, 0) = x(n, 0) > 0 ? 1 : 0;
    x(n, 1) *= 1e4;  // on another scale, and far from 0
    x(n, 1) += 1e5;
  }
  for (const double l2 : {1e-9, 1e-3, 1e3}) {
    const Layer layer = fit_logistic(x, targets, l2);
    // The gradient of the objective by the bias and weights is 0 there.
    std::vector<double> gradient = weights_of(layer, 0);
    for (double& value : gradient) value *= l2;
    for (std::size_t n = 0; n < rows; ++n) {
      const double off = sigmoid(dot(layer.weight.row(0), x.row(n)) + layer.bias[0]) - targets(n, 0);
      gradient[0] += off;
      gradient[1] += off * x(n, 0);
      gradient[2] += off * x(n, 1);
    }
    EXPECT_NEAR(gradient[0], 0, 1e-6) << l2;
    EXPECT_NEAR(gradient[1], 0, 1e-6) << l2;
    EXPECT_NEAR(gradient[2], 0, 1e-6 * 1e5) << l2;  // its terms are that much larger
  }
}

TEST(LogisticFit, RefusesMoreWeightsThanNewtonCanHold) {
  const Matrix x(4, kMaxLogisticWeights, random_values(4 * kMaxLogisticWeights, 1));
  EXPECT_THROW(fit_logistic(x, Matrix(4, 1, {0, 1, 0, 1}), 1), Error);
}

}  // namespace
}  // namespace kinglet::dense
