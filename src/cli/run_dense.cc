#include "cli/run_dense.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/output.h"
#include "cli/vectors_option.h"
#include "dense/network_file.h"
#include "dense/vectors.h"
#include "kinglet/error.h"

namespace kinglet::cli {

void run_dense(const DenseOptions& options) {
  if (options.model.empty()) throw usage_error("--input wants a dense network: give -m PATH");
  const dense::Network network = dense::open_network(options.model).network;
  const dense::Vectors vectors = vectors_given(options.input, "--input");
  dense::check_width(vectors, network.in(), "the network");
  const dense::Matrix outputs = network.forward(vectors.values);
  for (std::size_t t = 0; t < outputs.rows(); ++t) {
    const auto row = outputs.row(t);
    if (std::all_of(row.begin(), row.end(), [](double y) { return std::isfinite(y); })) continue;
    throw runtime_error("the network's output is not finite").in(vectors.origin.file).at(fmt::format("row {}", t));
  }
  if (options.json) {
    std::string rows;
    for (std::size_t t = 0; t < outputs.rows(); ++t) {
      rows += (t == 0 ? "" : ",\n ") + number_list(outputs.row(t), Digits::kAll);
    }
    print_line(outputs.rows() == 1 ? rows : "[" + rows + "]");
  } else {
    for (std::size_t t = 0; t < outputs.rows(); ++t) print_line(number_list(outputs.row(t), Digits::kEight));
  }
  flush();
}

}  // namespace kinglet::cli
