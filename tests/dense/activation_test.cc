#include "dense/activation.h"

#include <cmath>
#include <limits>

#include "vectors.h"

namespace kinglet::dense {
namespace {

double of(Activation activation, double z) {
  activate(activation, std::span(&z, 1), std::span(&z, 1));
  return z;
}

// The oracle is the C library in long double. 4e-15: in erf, e^-x^2 carries the rounding of x^2 (up to
// 36) into its relative error.
TEST(Activation, IsItsDefinition) {
  for (int i = -4000; i <= 4000; ++i) {
    const double z = i / 200.0;
    const long double w = z;
    const auto close = [&](Activation activation, long double wanted) {
      EXPECT_NEAR(of(activation, z), static_cast<double>(wanted), 4e-15 * std::max(1.0, std::abs(z)))
          << name_of(activation) << " at " << z;
    };
    close(Activation::kNone, w);
    close(Activation::kRelu, std::max(w, 0.0L));
    close(Activation::kSigmoid, 1 / (1 + std::exp(-w)));
    close(Activation::kTanh, std::tanh(w));
    close(Activation::kGelu, 0.5L * w * (1 + std::erf(w * std::sqrt(0.5L))));
    close(Activation::kSilu, w / (1 + std::exp(-w)));
  }
}

TEST(Activation, TanhOfSmallNumbersKeepsItsDigits) {
  for (const double z : {1e-12, 1e-5, -0.01, 0.2499, 0.2501}) {
    EXPECT_NEAR(of(Activation::kTanh, z) / std::tanh(z), 1, 4e-16) << z;
  }
}

TEST(Activation, DoesNotOverflow) {
  for (const double z : {-1e300, 1e300}) {
    EXPECT_EQ(of(Activation::kSigmoid, z), z > 0 ? 1 : 0);
    EXPECT_EQ(of(Activation::kTanh, z), z > 0 ? 1 : -1);
    EXPECT_EQ(of(Activation::kGelu, z), z > 0 ? z : 0);
    EXPECT_EQ(of(Activation::kSilu, z), z > 0 ? z : 0);
    EXPECT_EQ(log_one_plus_exp(z), z > 0 ? z : 0);
  }
}

TEST(Activation, LetsNaNThrough) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const char* name : {"none", "relu", "sigmoid", "tanh", "gelu", "silu"}) {
    EXPECT_TRUE(std::isnan(of(*activation_named(name), nan))) << name;
  }
}

TEST(Activation, SoftmaxIsNumPys) {
  const auto file = vectors("softmax.json");
  for (const auto& example : {file, file["stability"]}) {
    const auto logits = example["logits"].get<std::vector<double>>();
    std::vector<double> found(logits.size());
    activate(Activation::kSoftmax, logits, found);
    expect_near(found, example["probabilities"].get<std::vector<double>>(), 1e-15);
  }
}

TEST(Activation, HasAName) {
  EXPECT_EQ(activation_named("gelu"), Activation::kGelu);
  EXPECT_STREQ(name_of(Activation::kSoftmax), "softmax");
  EXPECT_EQ(activation_named("elu"), std::nullopt);
  EXPECT_EQ(activation_names(), "none, relu, sigmoid, tanh, gelu, silu, softmax");
}

}  // namespace
}  // namespace kinglet::dense
