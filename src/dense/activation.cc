#include "dense/activation.h"

#include <algorithm>
#include <cmath>

#include "dense/matrix.h"
#include "nn/elementary.h"

namespace kinglet::dense {
namespace {

struct Named {
  const char* name;
  Activation activation;
};
constexpr Named kActivations[] = {
    {"none", Activation::kNone},       {"relu", Activation::kRelu}, {"sigmoid", Activation::kSigmoid},
    {"tanh", Activation::kTanh},       {"gelu", Activation::kGelu}, {"silu", Activation::kSilu},
    {"softmax", Activation::kSoftmax},
};

constexpr double kSqrtHalf = 0.70710678118654752440;
constexpr double kTwoOverSqrtPi = 1.12837916709551257390;

// Below -700 it is 0 for all that is done with it here; what is not a number stays so.
double exponential(double x) {
  if (!(x >= -700)) return x < -700 ? 0.0 : x;
  return nn::exponential(std::min(x, 700.0));
}

// By e^-2|z|, which cannot overflow; near 0, where that loses digits, by the series of sinh and cosh.
double hyperbolic_tangent(double z) {
  if (std::abs(z) > 0.25) {
    const double e = exponential(-2 * std::abs(z));
    return std::copysign((1 - e) / (1 + e), z);
  }
  const double square = z * z;
  double sinh = 1, cosh = 1;
  for (int k = 7; k >= 1; --k) {
    sinh = 1 + square / (2 * k * (2 * k + 1)) * sinh;
    cosh = 1 + square / (2 * k * (2 * k - 1)) * cosh;
  }
  return z * sinh / cosh;
}

// 2 / sqrt(pi) e^-x^2 (x + 2 x^3 / 3 + 4 x^5 / (3 * 5) + ...): all terms of one sign.
double error_function(double x) {
  if (std::abs(x) >= 6) return std::copysign(1.0, x);  // 1 - erf(6) is 2e-17
  double term = x, sum = x;
  for (int k = 1; k < 200 && std::abs(term) > 1e-18 * std::abs(sum); ++k) {
    term *= 2 * x * x / (2 * k + 1);
    sum += term;
  }
  return kTwoOverSqrtPi * exponential(-x * x) * sum;
}

double normal_distribution(double z) { return 0.5 * (1 + error_function(z * kSqrtHalf)); }
double normal_density(double z) { return 0.5 * kTwoOverSqrtPi * kSqrtHalf * exponential(-0.5 * z * z); }

double activated(Activation activation, double z) {
  switch (activation) {
    case Activation::kRelu: return z < 0 ? 0.0 : z;
    case Activation::kSigmoid: return sigmoid(z);
    case Activation::kTanh: return hyperbolic_tangent(z);
    case Activation::kGelu: return z * normal_distribution(z);
    case Activation::kSilu: return z * sigmoid(z);
    case Activation::kNone:
    case Activation::kSoftmax: break;
  }
  return z;
}

// df/dz at z, where f(z) is y.
double slope(Activation activation, double z, double y) {
  switch (activation) {
    case Activation::kRelu: return z > 0 ? 1.0 : 0.0;
    case Activation::kSigmoid: return y * (1 - y);
    case Activation::kTanh: return 1 - y * y;
    case Activation::kGelu: return normal_distribution(z) + z * normal_density(z);
    case Activation::kSilu: return sigmoid(z) * (1 + z * (1 - sigmoid(z)));
    case Activation::kNone:
    case Activation::kSoftmax: break;
  }
  return 1;
}

void softmax(std::span<const double> z, std::span<double> out) {
  const double largest = *std::max_element(z.begin(), z.end());
  double total = 0;
  for (std::size_t i = 0; i < z.size(); ++i) total += out[i] = exponential(z[i] - largest);
  for (double& p : out) p /= total;
}

}  // namespace

const char* name_of(Activation activation) {
  for (const Named& known : kActivations) {
    if (known.activation == activation) return known.name;
  }
  return "";
}

std::optional<Activation> activation_named(std::string_view name) {
  for (const Named& known : kActivations) {
    if (name == known.name) return known.activation;
  }
  return std::nullopt;
}

std::string activation_names() {
  std::string names;
  for (const Named& known : kActivations) names += std::string(names.empty() ? "" : ", ") + known.name;
  return names;
}

void activate(Activation activation, std::span<const double> sums, std::span<double> out) {
  if (activation == Activation::kSoftmax) return softmax(sums, out);
  for (std::size_t i = 0; i < sums.size(); ++i) out[i] = activated(activation, sums[i]);
}

void to_gradient_by_sums(Activation activation, std::span<const double> sums,
                         std::span<const double> outputs, std::span<double> gradient) {
  if (activation == Activation::kSoftmax) {
    const double mean = dot(gradient, outputs);
    for (std::size_t i = 0; i < sums.size(); ++i) gradient[i] = outputs[i] * (gradient[i] - mean);
    return;
  }
  for (std::size_t i = 0; i < sums.size(); ++i) gradient[i] *= slope(activation, sums[i], outputs[i]);
}

double sigmoid(double z) {
  const double e = exponential(-std::abs(z));
  return z >= 0 ? 1 / (1 + e) : e / (1 + e);
}

double log_sum_exp(std::span<const double> z) {
  const double largest = *std::max_element(z.begin(), z.end());
  double total = 0;
  for (const double value : z) total += exponential(value - largest);
  return largest + nn::logarithm(total);
}

double log_one_plus_exp(double z) {
  return std::max(z, 0.0) + nn::logarithm(1 + exponential(-std::abs(z)));
}

}  // namespace kinglet::dense
