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

}  // namespace kinglet
