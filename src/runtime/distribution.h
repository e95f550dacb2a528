#pragma once

// One row of logits as a distribution over the vocabulary.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "kernels/dispatch.h"
#include "kinglet/tokenizer.h"

namespace kinglet {

struct Distribution {
  std::span<const float> logits;  // (V), borrowed
  kernels::Exponentials exponentials;
  double log_sum;  // of exp(logits)

  explicit Distribution(std::span<const float> row)
      : logits(row),
        exponentials(kernels::active().exponentials(row.data(), row.size())),
        log_sum(static_cast<double>(exponentials.top) + std::log(exponentials.sum)) {}

  double log_probability(TokenId id) const {
    return static_cast<double>(logits[static_cast<std::size_t>(id)]) - log_sum;
  }
  double entropy() const {  // nats
    return std::max(0.0, std::log(exponentials.sum) - exponentials.weighted / exponentials.sum);
  }
  // 1 for the most probable; of equals, the lower id comes first.
  std::size_t rank(TokenId id) const {
    const auto place = logits.begin() + id;
    const float own = *place;
    const auto above = std::count_if(logits.begin(), logits.end(), [own](float x) { return x > own; });
    return static_cast<std::size_t>(1 + above + std::count(logits.begin(), place, own));
  }
  TokenId best() const {
    return static_cast<TokenId>(
        std::find(logits.begin(), logits.end(), exponentials.top) - logits.begin());
  }
};

// KL(p || q) in nats, by terms that are small where the two agree. scratch: (V).
inline double kl_divergence(const Distribution& p, const Distribution& q, std::span<float> scratch) {
  const std::size_t n = p.logits.size();
  for (std::size_t i = 0; i < n; ++i) scratch[i] = p.logits[i] - p.exponentials.top;
  kernels::active().exp(scratch.data(), n, scratch.data());
  const double shift = p.log_sum - q.log_sum;
  double total = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double log_ratio = static_cast<double>(p.logits[i]) - static_cast<double>(q.logits[i]) - shift;
    total += static_cast<double>(scratch[i]) * log_ratio;
  }
  return std::max(0.0, total / p.exponentials.sum);
}

}  // namespace kinglet
