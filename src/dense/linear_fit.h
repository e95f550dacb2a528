#pragma once

// Layers that are fitted to examples and not trained: x (N, width), one example a row; targets (N, outputs).
// Both have one optimum, which does not depend on where a search starts. With a = [1, x], and the
// bias the first weight w0:
//
//   ridge      sum |W a - t|^2 + l2 |W|^2, by the normal equations (A^T A + l2 I) w = A^T t
//   logistic   cross-entropy of sigmoid (one output) or softmax of W a, + l2 / 2 |W|^2, by Newton's
//              method: each step solves for the Hessian, sum of (diag p - p p^T) x a a^T, + l2 I
//
// The L2 term covers the bias too. Sums run in the order of the examples.

#include "dense/network.h"

namespace kinglet::dense {

// Errors (kRefused): features that determine each other where l2 is 0, or next to it.
Layer fit_ridge(const Matrix& x, const Matrix& targets, double l2);

// l2 > 0; each row of targets is a distribution under softmax, in [0, 1] under sigmoid. `start`:
// nothing, or a layer that was fitted before: fewer steps, the same optimum.
// Errors: kUsage, more than kMaxLogisticWeights; kRuntime, no convergence.
constexpr std::size_t kMaxLogisticWeights = 8192;
Layer fit_logistic(const Matrix& x, const Matrix& targets, double l2, const Layer* start = nullptr);

}  // namespace kinglet::dense
