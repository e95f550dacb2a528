#pragma once

// Logits as probabilities, in double: log p(i) = x[i] - max - log(sum of exp(x - max)).

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

namespace kinglet {

class Distribution {
 public:
  // logits: (V), V > 0, finite; borrowed.
  explicit Distribution(std::span<const float> logits)
      : logits_(logits), most_(static_cast<double>(*std::max_element(logits.begin(), logits.end()))) {
    double sum = 0, weighted = 0;
    for (const float logit : logits) {
      const double below = static_cast<double>(logit) - most_;
      const double power = std::exp(below);
      sum += power;
      weighted += power * below;
    }
    log_sum_ = std::log(sum);
    entropy_ = std::max(0.0, log_sum_ - weighted / sum);
  }

  double log_probability(std::size_t id) const { return static_cast<double>(logits_[id]) - most_ - log_sum_; }
  double entropy() const { return entropy_; }  // -sum of p log p, nats

  // 1 for the most probable; of equals, the lower id comes first.
  std::size_t rank(std::size_t id) const {
    std::size_t before = 0;
    for (std::size_t i = 0; i < logits_.size(); ++i) {
      before += logits_[i] > logits_[id] || (logits_[i] == logits_[id] && i < id);
    }
    return before + 1;
  }

 private:
  std::span<const float> logits_;
  double most_;
  double log_sum_ = 0, entropy_ = 0;
};

}  // namespace kinglet
