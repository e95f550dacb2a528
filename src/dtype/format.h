#pragma once

// The number formats by name and size, and their conversion from and to f32: one row of a table
// for each DType. A format's layout stands at the head of its own file; list.h names them all.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "tensor/dtype.h"

namespace kinglet::dtype {

struct Format {
  DType dtype;
  const char* name;         // "q4_0"
  std::size_t block;        // values per block
  std::size_t block_bytes;  // bytes per block
  // blocks -> values: exactly the format's definition, at most one rounding per value. Null where
  // the format is no weight format (i32, bool, ...).
  void (*unpack)(const std::byte* blocks, std::size_t values, float* out);
  // values -> blocks; null where kinglet does not write the format. `importance` says by how much a
  // squared error at each value counts; null: all the same. Floats round to nearest whatever it says.
  void (*pack)(const float* values, std::size_t count, const float* importance, std::byte* blocks);
};

const Format& format_of(DType dtype);
std::span<const Format> formats();                            // all, in the enum's order
std::optional<DType> named(std::string_view name);            // "q4_0" -> kQ4_0
inline const char* name_of(DType dtype) { return format_of(dtype).name; }

// Bytes of one row of `width` values. `width` is a multiple of the block.
std::size_t row_bytes(DType dtype, std::size_t width);

// Bytes of a tensor; nothing where a product wraps or the innermost dimension is not a multiple of
// the block. An empty shape is one value; a dimension of 0 gives 0 bytes.
std::optional<std::uint64_t> checked_nbytes(std::span<const std::uint64_t> shape, DType dtype);

}  // namespace kinglet::dtype
