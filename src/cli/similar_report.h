#pragma once

// What `similar` prints of a table of vectors, wherever they come from: files, or texts that a
// model has embedded (their names then are the texts).

#include <cstddef>
#include <optional>
#include <span>

#include "dense/vector_table.h"

namespace kinglet::cli {

struct SimilarReport {
  std::size_t count = 10;  // -k
  std::size_t threads = 0;  // 0: all cores this process may use
  bool json = false;
};

// The rows nearest to `query` (not all zero), nearest first: "<cosine>\t<name>" a line. Row `without`, the
// query's own, is left out. Errors (kUsage): a query that does not fit the table.
void print_nearest(const dense::VectorTable& table, std::span<const double> query,
                   std::optional<std::size_t> without, const SimilarReport& report);

// The cosine of two rows: "<name>\t<name>\t<cosine>".
void print_pair(const dense::VectorTable& table, std::size_t a, std::size_t b, const SimilarReport& report);

// All pairs, and which two rows are nearest to each other. Errors (kUsage): too many rows.
void print_matrix(const dense::VectorTable& table, const SimilarReport& report);

}  // namespace kinglet::cli
