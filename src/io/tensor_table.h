#pragma once

// The tensors of a model file by name, as every TensorSource of io/ keeps them, and what the
// formats have in common: reading rows that lie in a file as they are, and tensors that overlap.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "tensor/source.h"

namespace kinglet::io {

constexpr std::size_t kMaxTensors = 65'536;

class TensorTable {
 public:
  // Errors (kRefused): a name that is there already, more than kMaxTensors.
  void add(TensorInfo info);

  std::span<const TensorInfo> all() const { return tensors_; }
  const TensorInfo* find(std::string_view name) const;
  // `tensor` is one of all().
  std::size_t index_of(const TensorInfo& tensor) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const {
      return std::hash<std::string_view>()(name);
    }
  };

  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> by_name_;
};

// A row is the innermost dimension; a scalar is one row of one value.
std::uint64_t row_bytes_of(const TensorInfo& tensor);

// Rows as they lie in `file`: TensorSource::read_rows for formats that keep kinglet's order.
void read_plain_rows(const File& file, const TensorInfo& tensor, std::uint64_t begin,
                     std::span<std::byte> out);

// Throws (kRuntime) unless rows [begin, begin + out.size() / row) lie inside the tensor.
void check_rows(const TensorInfo& tensor, std::uint64_t begin, std::span<const std::byte> out);

// The tensors of one file by offset, empty ones left out. Errors (kRefused): two share bytes.
std::vector<const TensorInfo*> in_order_of_offset(std::span<const TensorInfo> tensors);

// A name from a file that stands for a file beside it: no path, no URL, nothing hidden.
bool is_plain_file_name(std::string_view name);

}  // namespace kinglet::io
