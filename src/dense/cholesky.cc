#include "dense/cholesky.h"

#include <cmath>
#include <utility>

namespace kinglet::dense {
namespace {

// What is left of a diagonal entry once the rows before are taken off, as a part of it. Where less
// is left, it is the rounding of sums of squares: 1e-16 times some thousands of terms.
constexpr double kLeast = 1e-12;

}  // namespace

Cholesky::Cholesky(Matrix a) : factor_(std::move(a)) {
  for (std::size_t i = 0; i < factor_.rows(); ++i) {
    const auto row = factor_.row(i);
    for (std::size_t j = 0; j < i; ++j) {
      row[j] = (row[j] - dot(row.first(j), factor_.row(j).first(j))) / factor_(j, j);
    }
    const double left = row[i] - dot(row.first(i), row.first(i));
    if (!(left > kLeast * row[i])) {
      dependent_row_ = i;
      return;
    }
    row[i] = std::sqrt(left);
  }
}

void Cholesky::solve(std::span<double> b) const {
  for (std::size_t i = 0; i < b.size(); ++i) {
    b[i] = (b[i] - dot(factor_.row(i).first(i), b.first(i))) / factor_(i, i);
  }
  for (std::size_t i = b.size(); i-- > 0;) {
    b[i] /= factor_(i, i);
    add_scaled(-b[i], factor_.row(i).first(i), b.first(i));
  }
}

}  // namespace kinglet::dense
