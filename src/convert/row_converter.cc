#include "convert/row_converter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/finite.h"
#include "base/text.h"
#include "dtype/format.h"
#include "io/head_order.h"
#include "kinglet/error.h"

namespace kinglet {
namespace {

constexpr std::uint64_t kPieceBytes = 8 << 20;  // of a tensor in memory at a time, about

}  // namespace

RowConverter::RowConverter(const TensorSource& source, const PlannedTensor& tensor, bool allow_nan, Team& team)
    : source_(source), tensor_(tensor), allow_nan_(allow_nan), team_(team) {
  const TensorInfo& info = *tensor.source;
  width_ = info.shape.empty() ? 1 : static_cast<std::size_t>(info.shape.back());
  // A vector's values are permuted as the rows of a matrix are.
  const bool is_permuted_vector = tensor.head > 0 && info.shape.size() == 1;
  if (is_permuted_vector) width_ = 1;
  row_bytes_ = dtype::row_bytes(info.dtype, width_);
  target_bytes_ = dtype::row_bytes(tensor.to, width_);
  rows_ = row_bytes_ == 0 ? 0 : info.nbytes / row_bytes_;
  const std::uint64_t step = std::max<std::uint64_t>(tensor.head, 1);
  at_once_ = std::max<std::uint64_t>(1, kPieceBytes / (std::max(row_bytes_, target_bytes_) * step + 1)) * step;
  if (is_permuted_vector) at_once_ = rows_;  // read as one row
}

std::span<const std::byte> RowConverter::convert(std::uint64_t begin, std::uint64_t count) {
  bytes_.resize(static_cast<std::size_t>(count) * row_bytes_);
  source_.read_rows(*tensor_.source, tensor_.source->shape.size() <= 1 ? 0 : begin, bytes_);
  if (tensor_.head > 0) interleave();
  const dtype::Format& from = dtype::format_of(tensor_.source->dtype);
  if (from.unpack == nullptr) return bytes_;
  const bool is_copy = tensor_.to == tensor_.source->dtype;
  const float* importance = tensor_.importance.empty() ? nullptr : tensor_.importance.data();
  values_.resize(static_cast<std::size_t>(count) * width_);
  if (!is_copy) packed_.resize(static_cast<std::size_t>(count) * target_bytes_);
  const dtype::Format& to = dtype::format_of(tensor_.to);
  team_.run_throwing([&](const Member& me) {
    const Range mine = me.mine(static_cast<std::size_t>(count));
    for (std::size_t row = mine.begin; row < mine.end; ++row) {
      float* values = values_.data() + row * width_;
      from.unpack(bytes_.data() + row * row_bytes_, width_, values);
      check(begin + row, values);
      if (!is_copy) to.pack(values, width_, importance, packed_.data() + row * target_bytes_);
    }
  });
  return is_copy ? bytes_ : packed_;
}

void RowConverter::interleave() {
  sorted_.resize(bytes_.size());
  const std::uint64_t count = bytes_.size() / row_bytes_;
  for (std::uint64_t row = 0; row < count; ++row) {
    std::memcpy(sorted_.data() + io::interleaved_row(row, tensor_.head) * row_bytes_,
                bytes_.data() + row * row_bytes_, row_bytes_);
  }
  bytes_.swap(sorted_);
}

void RowConverter::check(std::uint64_t row, const float* values) const {
  if (allow_nan_ || all_finite({values, width_})) return;
  for (std::size_t i = 0; i < width_; ++i) {
    if (std::isfinite(values[i])) continue;
    throw refused("a weight is not finite; --allow-nan takes it as it is")
        .in(tensor_.source->file)
        .at(printable(tensor_.source->name_in_file))
        .found(fmt::format("{} at [{}, {}]", values[i], row, i));
  }
}

}  // namespace kinglet
