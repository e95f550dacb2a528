#pragma once

// Finds a model's tensors by name, checks their shapes, and packs them for the kernels, in parallel
// and straight from the file.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/team.h"
#include "tensor/source.h"
#include "tensor/weight.h"

namespace kinglet::arch {

class Binder {
 public:
  // `config_file` stands in messages about tensors that are missing.
  Binder(const TensorSource& tensors, Team& team, std::string config_file)
      : tensors_(tensors), team_(team), config_file_(std::move(config_file)) {}

  bool has(std::string_view name) const { return tensors_.find(name) != nullptr; }

  // The matrix `name`, (out, in). Errors (kRefused): missing, another shape, a type that is no
  // weight type.
  Weight matrix(const std::string& name, std::size_t out, std::size_t in);
  // The same with the bias `bias_name`, (out), where the file has one.
  Weight matrix_with_bias(const std::string& name, const std::string& bias_name, std::size_t out,
                          std::size_t in);
  // The vector `name`, (size), as floats.
  std::vector<float> vector(const std::string& name, std::size_t size);

  std::size_t bytes() const { return bytes_; }  // of all that was bound, as packed

 private:
  const TensorInfo& need(const std::string& name, std::vector<std::uint64_t> shape) const;

  const TensorSource& tensors_;
  Team& team_;
  std::string config_file_;
  std::size_t bytes_ = 0;
};

}  // namespace kinglet::arch
