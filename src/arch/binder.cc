#include "arch/binder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>

#include "base/checked.h"
#include "base/memory.h"
#include "base/text.h"
#include "dtype/format.h"
#include "dtype/pack_panel.h"
#include "kinglet/error.h"

namespace kinglet::arch {
namespace {

// Read at a time by one thread: long enough that a read costs little, short enough for the cache.
constexpr std::size_t kReadBytes = 256 * 1024;

std::string shown(std::span<const std::uint64_t> shape) {
  return fmt::format("({})", fmt::join(shape, ", "));
}

}  // namespace

const TensorInfo& Binder::need(const std::string& name, std::vector<std::uint64_t> shape) const {
  const TensorInfo* tensor = tensors_.find(name);
  if (tensor == nullptr) {
    throw refused(fmt::format("tensor {} is missing", quoted(name))).in(config_file_);
  }
  const std::string place = fmt::format("tensor {}", quoted(tensor->name_in_file));
  if (tensor->shape != shape) {
    throw refused("a tensor does not have the shape that the configuration gives it")
        .in(tensor->file)
        .at(place, tensor->offset)
        .found(shown(tensor->shape))
        .allowed(shown(shape));
  }
  if (dtype::format_of(tensor->dtype).unpack == nullptr) {
    throw refused("a weight has a type that is no weight type")
        .in(tensor->file)
        .at(place, tensor->offset)
        .found(dtype::name_of(tensor->dtype));
  }
  return *tensor;
}

Weight Binder::matrix(const std::string& name, std::size_t out, std::size_t in) {
  const TensorInfo& tensor = need(name, {out, in});
  Weight weight;
  weight.dtype = tensor.dtype;
  weight.out = out;
  weight.in = in;
  weight.panel_bytes = dtype::panel_bytes(tensor.dtype, in);
  const std::size_t bytes = weight.panel_count() * weight.panel_bytes;
  std::byte* panels = arena_.take(bytes);
  weight.panels = panels;
  bytes_ += bytes;
  matrices_.push_back({.name = name, .dtype = tensor.dtype, .out = out, .in = in, .bytes = bytes});

  const std::size_t panel_rows_bytes = dtype::row_bytes(tensor.dtype, in) * kPanelRows;
  const std::size_t panels_at_once = std::max<std::size_t>(1, kReadBytes / panel_rows_bytes);
  for (std::size_t panel = 0; panel < weight.panel_count(); panel += panels_at_once) {
    const std::size_t first_row = panel * kPanelRows;
    pieces_.push_back({.tensor = &tensor,
                       .first_row = first_row,
                       .rows = std::min(panels_at_once * kPanelRows, out - first_row),
                       .width = in,
                       .panels = panels + panel * weight.panel_bytes,
                       .panel_bytes = weight.panel_bytes});
  }
  return weight;
}

void Binder::pack() {
  // Whoever is free takes the next piece: the bytes do not depend on who packs them.
  std::atomic<std::size_t> next = 0;
  team_.run_throwing([&](const Member&) {
    std::vector<std::byte> scratch;
    for (std::size_t i = next++; i < pieces_.size(); i = next++) pack_piece(pieces_[i], scratch);
  });
  pieces_.clear();
}

void Binder::pack_piece(const Piece& piece, std::vector<std::byte>& scratch) const {
  const std::size_t row_bytes = dtype::row_bytes(piece.tensor->dtype, piece.width);
  scratch.resize(piece.rows * row_bytes);
  tensors_.read_rows(*piece.tensor, piece.first_row, scratch);
  std::byte* panel = piece.panels;
  for (std::size_t row = 0; row < piece.rows; row += kPanelRows, panel += piece.panel_bytes) {
    dtype::pack_panel(piece.tensor->dtype, scratch.data() + row * row_bytes,
                      std::min(kPanelRows, piece.rows - row), piece.width, panel);
  }
}

Weight Binder::matrix_with_bias(const std::string& name, const std::string& bias_name,
                                std::size_t out, std::size_t in) {
  Weight weight = matrix(name, out, in);
  if (has(bias_name)) {
    weight.bias = vector(bias_name, out);
    weight.bias.resize(round_up(out, kPanelRows));
  }
  return weight;
}

std::vector<float> Binder::vector(const std::string& name, std::size_t size) {
  const TensorInfo& tensor = need(name, {size});
  std::vector<std::byte> bytes(static_cast<std::size_t>(tensor.nbytes));
  tensors_.read_rows(tensor, 0, bytes);
  std::vector<float> values(size);
  dtype::format_of(tensor.dtype).unpack(bytes.data(), size, values.data());
  bytes_ += size * sizeof(float);
  return values;
}

}  // namespace kinglet::arch
