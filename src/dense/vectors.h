#pragma once

// Vectors that people give: [1, 2, 3] or [[1, 2], [3, 4]] as JSON; a vector a line, [1, 2] or
// {"x": [1, 2]}, as JSON lines; a .npy array of one or two dimensions.
// All of one width, all finite: what is wrong is refused naming the file and the line or row.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dense/matrix.h"
#include "kinglet/error.h"

namespace kinglet::dense {

// Where rows come from, for what is said about them.
struct Origin {
  std::string file;                // printable
  std::vector<std::size_t> lines;  // of each row, from 1; empty: rows have numbers only, from 0
  Fault fault = Fault::kRefused;   // kUsage for what the command line itself holds

  Error error(std::string problem, std::size_t row) const;
};

struct Vectors {
  Matrix values;  // one a row; at least one
  Origin origin;
};

// Errors (kRefused): malformed, empty, ragged, not finite.
Vectors read_vectors(const std::filesystem::path& path);                         // any of the three, by content
Vectors parse_vectors(std::string_view json, const std::string& name);           // JSON
Vectors parse_vector_lines(std::string_view text, const std::string& name);      // JSON lines

// Makes a matrix of rows that come one by one.
class RowCollector {
 public:
  explicit RowCollector(Origin& origin) : origin_(origin) {}

  // `list` is a JSON list of numbers; origin.lines has the row's line already, where there are any.
  void add(const nlohmann::json& list);
  std::size_t rows() const { return width_ == 0 ? 0 : values_.size() / width_; }
  Matrix take();

 private:
  Origin& origin_;
  std::size_t width_ = 0;  // 0: no row yet
  std::vector<double> values_;
};

// Calls `take` with each line that is not blank, parsed, and its number from 1. Errors (kRefused):
// naming file and line, as name:7.
void for_each_json_line(std::string_view text, const std::string& name,
                        const std::function<void(const nlohmann::json&, std::size_t)>& take);

// Throws (kRefused) where a value is not finite, naming its row.
void check_finite(std::span<const double> values, std::size_t width, const Origin& origin);
void check_finite(std::span<const float> values, std::size_t width, const Origin& origin);

// Throws (kRefused) where the vectors have not this width; `what` wants it: "the network".
void check_width(const Vectors& vectors, std::size_t width, std::string_view what);

}  // namespace kinglet::dense
