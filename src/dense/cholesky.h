#pragma once

// A x = b for a symmetric, positive definite A, by Cholesky's A = L L^T.

#include <optional>
#include <span>

#include "dense/matrix.h"

namespace kinglet::dense {

class Cholesky {
 public:
  // a (n, n); its lower triangle is read.
  explicit Cholesky(Matrix a);

  // The first row that those before it determine, as far as doubles can tell: A is singular, and
  // solve() may not be called.
  std::optional<std::size_t> dependent_row() const { return dependent_row_; }

  // b becomes x. b (n).
  void solve(std::span<double> b) const;

 private:
  Matrix factor_;  // L, in the lower triangle
  std::optional<std::size_t> dependent_row_;
};

}  // namespace kinglet::dense
