#include "cli/run_dense.h"

#include "cli/output.h"
#include "cli/vectors_option.h"
#include "dense/network_file.h"
#include "dense/outputs.h"
#include "dense/vectors.h"
#include "kinglet/error.h"

namespace kinglet::cli {

void run_dense(const DenseOptions& options) {
  if (options.model.empty()) throw usage_error("--input wants a dense network: give -m PATH");
  const dense::Network network = dense::open_network(options.model).network;
  const dense::Vectors vectors = vectors_given(options.input, "--input");
  const dense::Matrix outputs = dense::outputs_of(network, vectors, "the network");
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
