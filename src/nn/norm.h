#pragma once

// RMSNorm (arXiv:1910.07467): y = x / sqrt(mean(x^2) + eps) * weight.

#include <vector>

#include "nn/pass.h"

namespace kinglet::nn {

class RmsNorm {
 public:
  RmsNorm() = default;
  RmsNorm(std::vector<float> weight, float eps) : weight_(std::move(weight)), eps_(eps) {}

  // x, y: (T, D); y is written by parts. Does not end in sync.
  void forward(const Member& me, const Pass& pass, ConstRows x, Rows y) const {
    parts(me, x.count, x.width, [&](std::size_t row, std::size_t begin, std::size_t end) {
      const float factor = pass.kernels.inverse_rms(x.row(row), x.width, eps_);
      pass.kernels.scale(x.row(row) + begin, weight_.data() + begin, factor, end - begin,
                         y.row(row) + begin);
    });
  }

 private:
  std::vector<float> weight_;  // (D)
  float eps_ = 0;
};

}  // namespace kinglet::nn
