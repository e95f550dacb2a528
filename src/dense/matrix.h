#pragma once

// A matrix in double, row-major, that owns its numbers: what dense networks, probes and their
// mathematics compute with.

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace kinglet::dense {

class Matrix {
 public:
  Matrix() = default;
  Matrix(std::size_t rows, std::size_t columns)
      : rows_(rows), columns_(columns), values_(rows * columns) {}
  // values.size() is rows * columns.
  Matrix(std::size_t rows, std::size_t columns, std::vector<double> values)
      : rows_(rows), columns_(columns), values_(std::move(values)) {}

  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }
  std::span<double> row(std::size_t i) { return std::span(values_).subspan(i * columns_, columns_); }
  std::span<const double> row(std::size_t i) const {
    return std::span(values_).subspan(i * columns_, columns_);
  }
  double& operator()(std::size_t i, std::size_t j) { return values_[i * columns_ + j]; }
  double operator()(std::size_t i, std::size_t j) const { return values_[i * columns_ + j]; }
  std::span<double> values() { return values_; }
  std::span<const double> values() const { return values_; }

  friend bool operator==(const Matrix&, const Matrix&) = default;

 private:
  std::size_t rows_ = 0, columns_ = 0;
  std::vector<double> values_;
};

// Sum over i of a[i] * b[i], in order; a and b have one length.
inline double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// y += a * x
inline void add_scaled(double a, std::span<const double> x, std::span<double> y) {
  for (std::size_t i = 0; i < x.size(); ++i) y[i] += a * x[i];
}

}  // namespace kinglet::dense
