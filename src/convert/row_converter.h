#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/team.h"
#include "convert/plan.h"
#include "tensor/source.h"

namespace kinglet {

// The rows of one tensor as the target has them: in its type, and in its order.
class RowConverter {
 public:
  // All outlive it.
  RowConverter(const TensorSource& source, const PlannedTensor& tensor, bool allow_nan, Team& team);

  std::uint64_t rows() const { return rows_; }
  std::uint64_t at_once() const { return at_once_; }  // rows that are a few megabytes
  std::size_t target_bytes() const { return target_bytes_; }  // of a row

  // `begin` and `count` are multiples of at_once(), or reach to the end. Valid until the next call.
  // Errors: kRefused (a value that is not finite).
  std::span<const std::byte> convert(std::uint64_t begin, std::uint64_t count);

 private:
  void interleave();
  void check(std::uint64_t row, const float* values) const;

  const TensorSource& source_;
  const PlannedTensor& tensor_;
  const bool allow_nan_;
  Team& team_;
  std::size_t width_ = 0, row_bytes_ = 0, target_bytes_ = 0;
  std::uint64_t rows_ = 0, at_once_ = 1;
  std::vector<std::byte> bytes_, sorted_, packed_;
  std::vector<float> values_;
};

}  // namespace kinglet
