#pragma once

// Vectors with names, to be compared with each other: what `similar` works on, wherever they come
// from. A file gives
//
//   {"words": ["king", ...], "vectors": [[0.5, 0.3], ...]}   JSON; other keys are left alone
//   [[0.5, 0.3], ...], JSON lines, .npy                      without names: "0", "1", ...
//
// Large tables stay f32, as they lie in a .npy file.

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dense/vectors.h"

namespace kinglet::dense {

class VectorTable {
 public:
  // Errors (kRefused, by `origin`): a vector of zeros, which has no direction; not finite.
  VectorTable(std::vector<float> values, std::size_t width, Origin origin);
  VectorTable(Matrix values, std::vector<std::string> names, Origin origin);  // names: one a row, or none

  std::size_t rows() const { return floats_.size() / width_; }
  std::size_t width() const { return width_; }

  std::string name(std::size_t row) const;  // as in the file
  std::optional<std::size_t> find(std::string_view name) const;  // the first of that name

  std::span<const float> floats(std::size_t row) const { return std::span(floats_).subspan(row * width_, width_); }
  // The row in double, exactly; by way of `scratch` where the table holds floats.
  std::span<const double> doubles(std::size_t row, std::vector<double>& scratch) const;

 private:
  void check(const Origin& origin) const;

  std::size_t width_ = 0;
  std::vector<float> floats_;   // all rows, rounded where doubles_ are given
  std::vector<double> doubles_;  // all rows, or empty: floats_ are exact
  std::vector<std::string> names_;
};

VectorTable read_vector_table(const std::filesystem::path& path);

}  // namespace kinglet::dense
