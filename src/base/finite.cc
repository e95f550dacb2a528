#include "base/finite.h"

#include <algorithm>
#include <array>

namespace kinglet {

// NaN and infinities are what a difference with itself shows. Several sums, so that the compiler can
// use vectors.
bool all_finite(std::span<const float> values) {
  std::array<float, 16> differences = {};
  std::size_t i = 0;
  for (; i + differences.size() <= values.size(); i += differences.size()) {
    for (std::size_t j = 0; j < differences.size(); ++j) differences[j] += values[i + j] - values[i + j];
  }
  for (; i < values.size(); ++i) differences[0] += values[i] - values[i];
  return std::all_of(differences.begin(), differences.end(), [](float sum) { return sum == 0; });
}

}  // namespace kinglet
