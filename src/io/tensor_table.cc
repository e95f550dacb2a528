#include "io/tensor_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/checked.h"
#include "base/text.h"
#include "dtype/format.h"
#include "kinglet/error.h"

namespace kinglet::io {

void TensorTable::add(TensorInfo info) {
  if (tensors_.size() == kMaxTensors) {
    throw refused("too many tensors").in(info.file).allowed(fmt::format("at most {}", kMaxTensors));
  }
  if (!by_name_.emplace(info.name, tensors_.size()).second) {
    throw refused("two tensors have the name " + kinglet::quoted(info.name)).in(info.file);
  }
  tensors_.push_back(std::move(info));
}

const TensorInfo* TensorTable::find(std::string_view name) const {
  const auto entry = by_name_.find(name);
  return entry == by_name_.end() ? nullptr : &tensors_[entry->second];
}

std::size_t TensorTable::index_of(const TensorInfo& tensor) const {
  const std::less<> before;
  if (before(&tensor, tensors_.data()) || !before(&tensor, tensors_.data() + tensors_.size())) {
    throw runtime_error("tensor " + kinglet::quoted(tensor.name) + " is not of this file").in(tensor.file);
  }
  return static_cast<std::size_t>(&tensor - tensors_.data());
}

std::uint64_t row_bytes_of(const TensorInfo& tensor) {
  return dtype::row_bytes(tensor.dtype, tensor.shape.empty() ? 1 : tensor.shape.back());
}

void check_rows(const TensorInfo& tensor, std::uint64_t begin, std::span<const std::byte> out) {
  const std::uint64_t row = row_bytes_of(tensor);
  const auto offset = checked_multiply(begin, row);
  const bool whole = row == 0 ? out.empty() : out.size() % row == 0;
  if (!whole || !offset || !fits(*offset, out.size(), tensor.nbytes)) {
    throw runtime_error("rows outside tensor " + kinglet::quoted(tensor.name)).in(tensor.file);
  }
}

void read_plain_rows(const File& file, const TensorInfo& tensor, std::uint64_t begin,
                     std::span<std::byte> out) {
  check_rows(tensor, begin, out);
  file.read(tensor.offset + begin * row_bytes_of(tensor), out);
}

std::vector<const TensorInfo*> in_order_of_offset(std::span<const TensorInfo> tensors) {
  std::vector<const TensorInfo*> order;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.nbytes > 0) order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(),
            [](const TensorInfo* a, const TensorInfo* b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const TensorInfo& last = *order[i - 1];
    if (last.offset + last.nbytes <= order[i]->offset) continue;
    throw refused(fmt::format("tensors {} and {} overlap", kinglet::quoted(last.name_in_file),
                              kinglet::quoted(order[i]->name_in_file)))
        .in(last.file)
        .at("data", order[i]->offset);
  }
  return order;
}

bool is_plain_file_name(std::string_view name) {
  constexpr std::size_t kLongestName = 255;  // of a file on Linux
  constexpr std::string_view kForbidden("/\\:\0", 4);
  return !name.empty() && name.size() <= kLongestName && name[0] != '.' &&
         name.find_first_of(kForbidden) == std::string_view::npos;
}

}  // namespace kinglet::io
