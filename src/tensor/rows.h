#pragma once

// Activations: `count` rows of `width` floats, row-major, `stride` floats apart. Borrowed memory; a
// view is passed by value. Shape letters (T, D, ...) stand in src/README.md.

#include <cstddef>
#include <span>

namespace kinglet {

template <class Float>
struct BasicRows {
  Float* data = nullptr;
  std::size_t count = 0;
  std::size_t width = 0;
  std::size_t stride = 0;

  Float* row(std::size_t i) const { return data + i * stride; }
  std::span<Float> span(std::size_t i) const { return {row(i), width}; }

  // The first `rows` rows; rows [begin, begin + rows); columns [begin, begin + columns) of all rows.
  BasicRows first(std::size_t rows) const { return {data, rows, width, stride}; }
  BasicRows range(std::size_t begin, std::size_t rows) const {
    return {row(begin), rows, width, stride};
  }
  BasicRows columns(std::size_t begin, std::size_t columns) const {
    return {data + begin, count, columns, stride};
  }

  operator BasicRows<const Float>() const { return {data, count, width, stride}; }
};

using Rows = BasicRows<float>;
using ConstRows = BasicRows<const float>;

}  // namespace kinglet
