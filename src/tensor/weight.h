#pragma once

// A weight matrix (N, K) = (out, in), packed for the kernels: panels of 16 output rows, each panel
// laid out along K as dtype/panel.h says. Immutable once packed; the last panel is padded with
// zero rows.

#include <cstddef>
#include <vector>

#include "tensor/dtype.h"

namespace kinglet {

constexpr std::size_t kPanelRows = 16;

struct Weight {
  DType dtype = DType::kF32;
  std::size_t out = 0;          // N
  std::size_t in = 0;           // K
  std::size_t panel_bytes = 0;  // from one panel to the next
  const std::byte* panels = nullptr;  // ceil(N / 16) of them, in the memory of the model
  std::vector<float> bias;      // (N rounded up to 16), or empty

  std::size_t panel_count() const { return (out + kPanelRows - 1) / kPanelRows; }
};

}  // namespace kinglet
