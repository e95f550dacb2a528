#include "dense/linear_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "dense/cholesky.h"
#include "kinglet/error.h"

namespace kinglet::dense {
namespace {

// [1, x] for each row of x.
Matrix with_ones(const Matrix& x) {
  Matrix result(x.rows(), x.columns() + 1);
  for (std::size_t n = 0; n < x.rows(); ++n) {
    result(n, 0) = 1;
    std::ranges::copy(x.row(n), result.row(n).begin() + 1);
  }
  return result;
}

// block += sum over the rows a of A with weight[row] * a a^T: the lower triangle. In tiles of rows,
// which stay in the cache while every row of the block passes.
void add_products(const Matrix& a, std::span<const double> weight, std::size_t at_row, std::size_t at_column,
                  Matrix& sums) {
  constexpr std::size_t kTile = 32;
  for (std::size_t begin = 0; begin < a.rows(); begin += kTile) {
    const std::size_t end = std::min(begin + kTile, a.rows());
    for (std::size_t i = 0; i < a.columns(); ++i) {
      const auto out = sums.row(at_row + i).subspan(at_column, i + 1);
      for (std::size_t n = begin; n < end; ++n) add_scaled(weight[n] * a(n, i), a.row(n).first(i + 1), out);
    }
  }
}

Layer layer_of(std::span<const double> weights, std::size_t width, std::size_t outputs, Activation activation) {
  Layer layer{Matrix(outputs, width), std::vector<double>(outputs), activation};
  for (std::size_t c = 0; c < outputs; ++c) {
    const auto row = weights.subspan(c * (width + 1), width + 1);
    layer.bias[c] = row[0];
    std::ranges::copy(row.subspan(1), layer.weight.row(c).begin());
  }
  return layer;
}

// --- logistic ---------------------------------------------------------------------------------

// The objective over all weights, C rows of [bias, weights], flat.
class Logistic {
 public:
  Logistic(const Matrix& x, const Matrix& targets, double l2)
      : a_(with_ones(x)), targets_(targets), l2_(l2), probabilities_(targets.rows(), targets.columns()) {}

  std::size_t outputs() const { return targets_.columns(); }
  std::size_t size() const { return outputs() * a_.columns(); }
  Activation activation() const { return outputs() == 1 ? Activation::kSigmoid : Activation::kSoftmax; }

  // The objective at w; keeps the probabilities there.
  double value(std::span<const double> w) {
    double total = l2_ / 2 * dot(w, w);
    std::vector<double> z(outputs());
    for (std::size_t n = 0; n < a_.rows(); ++n) {
      for (std::size_t c = 0; c < outputs(); ++c) z[c] = dot(weights(w, c), a_.row(n));
      activate(activation(), z, probabilities_.row(n));
      total += outputs() == 1 ? log_one_plus_exp(z[0]) : log_sum_exp(z);
      total -= dot(targets_.row(n), z);
    }
    return total;
  }

  // Of the last point whose value was asked for.
  std::vector<double> gradient(std::span<const double> w) const {
    std::vector<double> result(w.begin(), w.end());
    for (double& value : result) value *= l2_;
    for (std::size_t n = 0; n < a_.rows(); ++n) {
      for (std::size_t c = 0; c < outputs(); ++c) {
        add_scaled(probabilities_(n, c) - targets_(n, c), a_.row(n),
                   std::span(result).subspan(c * a_.columns(), a_.columns()));
      }
    }
    return result;
  }

  Matrix hessian() const {
    const std::size_t width = a_.columns();
    Matrix result(size(), size());
    std::vector<double> curvature(a_.rows());
    for (std::size_t c = 0; c < outputs(); ++c) {
      for (std::size_t d = 0; d <= c; ++d) {
        for (std::size_t n = 0; n < a_.rows(); ++n) {
          const double p = probabilities_(n, c);
          curvature[n] = c == d ? p * (1 - p) : -p * probabilities_(n, d);
        }
        add_products(a_, curvature, c * width, d * width, result);
        if (c != d) mirror(result, c * width, d * width);
      }
    }
    for (std::size_t i = 0; i < size(); ++i) result(i, i) += l2_;
    return result;
  }

 private:
  std::span<const double> weights(std::span<const double> w, std::size_t c) const {
    return w.subspan(c * a_.columns(), a_.columns());
  }
  // A block of the Hessian off its diagonal is wanted whole, and is symmetric.
  void mirror(Matrix& hessian, std::size_t row, std::size_t column) const {
    for (std::size_t i = 0; i < a_.columns(); ++i) {
      for (std::size_t j = 0; j < i; ++j) hessian(row + j, column + i) = hessian(row + i, column + j);
    }
  }

  Matrix a_;  // (N, 1 + width)
  const Matrix& targets_;
  double l2_;
  Matrix probabilities_;  // (N, C)
};

std::vector<double> weights_of(const Layer& layer) {
  std::vector<double> weights;
  for (std::size_t c = 0; c < layer.out(); ++c) {
    weights.push_back(layer.bias[c]);
    weights.insert(weights.end(), layer.weight.row(c).begin(), layer.weight.row(c).end());
  }
  return weights;
}

}  // namespace

Layer fit_ridge(const Matrix& x, const Matrix& targets, double l2) {
  const Matrix a = with_ones(x);
  Matrix squares(a.columns(), a.columns());
  add_products(a, std::vector<double>(a.rows(), 1.0), 0, 0, squares);
  for (std::size_t i = 0; i < a.columns(); ++i) squares(i, i) += l2;
  const Cholesky factor(std::move(squares));
  if (const auto row = factor.dependent_row()) {
    // The bias is row 0, and has N > 0 on its diagonal: never the dependent one.
    throw refused("the features are singular: one follows from those before it, or there are more of them than examples")
        .at(fmt::format("feature {}, L2 {}", *row - 1, l2));
  }
  Matrix right(targets.columns(), a.columns());
  for (std::size_t n = 0; n < a.rows(); ++n) {
    for (std::size_t c = 0; c < targets.columns(); ++c) add_scaled(targets(n, c), a.row(n), right.row(c));
  }
  for (std::size_t c = 0; c < right.rows(); ++c) factor.solve(right.row(c));
  return layer_of(right.values(), x.columns(), targets.columns(), Activation::kNone);
}

Layer fit_logistic(const Matrix& x, const Matrix& targets, double l2, const Layer* start) {
  constexpr int kMaxSteps = 100;
  Logistic problem(x, targets, l2);
  if (problem.size() > kMaxLogisticWeights) {
    throw usage_error("too many weights for logistic regression by Newton's method")
        .found(fmt::format("{}", problem.size()))
        .allowed(fmt::format("up to {}", kMaxLogisticWeights));
  }
  std::vector<double> w = start != nullptr ? weights_of(*start) : std::vector<double>(problem.size());
  double value = problem.value(w);
  for (int step = 0; step < kMaxSteps; ++step) {
    const std::vector<double> gradient = problem.gradient(w);
    std::vector<double> direction = gradient;
    const Cholesky hessian(problem.hessian());
    if (hessian.dependent_row()) break;
    hessian.solve(direction);
    // Twice what a full step gains where the objective is quadratic. Once that is small the step
    // squares the error, and what is left of it is rounding.
    const double gain = dot(gradient, direction);
    const bool is_last = gain <= 1e-12 * (1 + value);
    double length = 1;
    std::vector<double> next = w;
    add_scaled(-length, direction, next);
    double next_value = problem.value(next);
    while (!is_last && !(next_value <= value - 1e-4 * length * gain) && length > 1e-10) {
      length /= 2;
      next = w;
      add_scaled(-length, direction, next);
      next_value = problem.value(next);
    }
    w = std::move(next);
    value = next_value;
    if (is_last) return layer_of(w, x.columns(), problem.outputs(), problem.activation());
  }
  throw runtime_error("logistic regression does not converge: a larger L2 makes it").at("L2").found(fmt::format("{}", l2));
}

}  // namespace kinglet::dense
