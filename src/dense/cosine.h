#pragma once

// Cosine similarity: cos(a, b) = a.b / (|a| |b|), in double.
//
// The search is exact: one pass in f32 over all rows, whose error has a known bound, leaves the few
// rows that can be among the best; those are computed in double and put in order, the higher
// similarity first, of equal ones the lower row.

#include <cstddef>
#include <span>
#include <vector>

#include "base/team.h"
#include "dense/vector_table.h"

namespace kinglet::dense {

double cosine(std::span<const double> a, std::span<const double> b);

// (rows, rows), symmetric.
Matrix cosine_matrix(const VectorTable& table);

struct Neighbour {
  std::size_t row = 0;
  double similarity = 0;

  friend bool operator==(const Neighbour&, const Neighbour&) = default;
};

class CosineIndex {
 public:
  // `table` outlives the index.
  CosineIndex(const VectorTable& table, Team& team);

  // The k rows nearest to `query` (width; not all zero), fewer where there are fewer.
  std::vector<Neighbour> nearest(std::span<const double> query, std::size_t k, Team& team) const;

 private:
  double similarity(std::span<const double> query, double query_norm, std::size_t row) const;

  const VectorTable& table_;
  std::vector<double> norms_;   // |row|
  std::vector<float> inverse_;  // 1 / |row|; 0 where that is no number for f32: computed in double always
};

}  // namespace kinglet::dense
