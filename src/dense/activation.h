#pragma once

// What stands behind a dense layer's sums z, in double and the same on every machine:
//
//   none z   relu max(z, 0)   sigmoid 1 / (1 + e^-z)   tanh   gelu z (1 + erf(z / sqrt 2)) / 2
//   silu z sigmoid(z)         softmax e^(z - max) / their sum, over the layer

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace kinglet::dense {

enum class Activation : std::uint8_t { kNone, kRelu, kSigmoid, kTanh, kGelu, kSilu, kSoftmax };

const char* name_of(Activation activation);
std::optional<Activation> activation_named(std::string_view name);
std::string activation_names();  // "none, relu, ..."

// out = f(sums); out may be sums itself.
void activate(Activation activation, std::span<const double> sums, std::span<double> out);

// Turns the gradient of a loss by the outputs into that by the sums, in place.
void to_gradient_by_sums(Activation activation, std::span<const double> sums,
                         std::span<const double> outputs, std::span<double> gradient);

double sigmoid(double z);
double log_sum_exp(std::span<const double> z);  // without overflow
double log_one_plus_exp(double z);              // log(1 + e^z), without overflow

}  // namespace kinglet::dense
