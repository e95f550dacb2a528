#include "dense/outputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kinglet/error.h"

namespace kinglet::dense {

Matrix outputs_of(const Network& network, const Vectors& vectors, std::string_view what) {
  check_width(vectors, network.in(), what);
  Matrix outputs = network.forward(vectors.values);
  for (std::size_t t = 0; t < outputs.rows(); ++t) {
    if (std::ranges::all_of(outputs.row(t), [](double y) { return std::isfinite(y); })) continue;
    throw runtime_error(fmt::format("an output of {} is not finite", what)).in(vectors.origin.file).at(fmt::format("row {}", t));
  }
  return outputs;
}

}  // namespace kinglet::dense
