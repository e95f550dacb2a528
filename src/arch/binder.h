#pragma once

// Finds a model's tensors by name, checks their shapes, and packs them for the kernels, straight from
// the file. All packing is one job for the team at the end: many small ones would each wait for the
// slowest thread.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arch/model.h"
#include "base/memory.h"
#include "base/team.h"
#include "tensor/source.h"
#include "tensor/weight.h"

namespace kinglet::arch {

class Binder {
 public:
  // `config_file` stands in messages about tensors that are missing.
  // The weights' memory comes from `arena`, which outlives them.
  Binder(const TensorSource& tensors, Team& team, Arena& arena, std::string config_file)
      : tensors_(tensors), team_(team), arena_(arena), config_file_(std::move(config_file)) {}

  bool has(std::string_view name) const { return tensors_.find(name) != nullptr; }

  // The matrix `name`, (out, in), to be filled by pack(). Errors (kRefused): missing, another shape,
  // a type that is no weight type.
  Weight matrix(const std::string& name, std::size_t out, std::size_t in);
  // The same with the bias `bias_name`, (out), where the file has one.
  Weight matrix_with_bias(const std::string& name, const std::string& bias_name, std::size_t out,
                          std::size_t in);
  // The vector `name`, (size), as floats.
  std::vector<float> vector(const std::string& name, std::size_t size);

  // Reads and packs all matrices that were asked for. Errors (kRuntime): the file is no longer what
  // it was.
  void pack();

  std::size_t bytes() const { return bytes_; }  // of all that was bound, as packed
  // The matrices that were asked for, in that order; all of them for every row.
  std::vector<Matrix> take_matrices() { return std::move(matrices_); }

 private:
  // A run of panels of one matrix, read and packed at once.
  struct Piece {
    const TensorInfo* tensor;
    std::size_t first_row, rows, width;
    std::byte* panels;
    std::size_t panel_bytes;
  };
  void pack_piece(const Piece& piece, std::vector<std::byte>& scratch) const;
  const TensorInfo& need(const std::string& name, std::vector<std::uint64_t> shape) const;

  const TensorSource& tensors_;
  Team& team_;
  Arena& arena_;
  std::string config_file_;
  std::size_t bytes_ = 0;
  std::vector<Piece> pieces_;
  std::vector<Matrix> matrices_;
};

}  // namespace kinglet::arch
