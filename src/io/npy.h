#pragma once

// NumPy's .npy, an array in a file:
//
//   "\x93NUMPY", version (1.0, 2.0 or 3.0), length of the header (u16; u32 from 2.0 on),
//   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 384), } as text, then the numbers as they
//   lie in memory.
//
// Read: 1-D and 2-D arrays of little-endian floats (f4, f8), whole numbers (i1 to i8, u1 to u8) and
// bool, in C order. Source: numpy.lib.format (NumPy's documentation).

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "tensor/dtype.h"

namespace kinglet::io {

class NpyFile {
 public:
  // Reads the header. Errors (kRefused): malformed, another kind of array, a size that is not what
  // the header says.
  explicit NpyFile(File file);

  const File& file() const { return file_; }
  DType dtype() const { return dtype_; }
  std::span<const std::uint64_t> shape() const { return shape_; }  // one or two dimensions
  std::uint64_t rows() const { return shape_.front(); }
  std::uint64_t width() const { return shape_.size() == 2 ? shape_[1] : 1; }  // values per row

  // All values, row-major, as the nearest of that type; NaN and infinity as they are.
  std::vector<float> floats() const;
  std::vector<double> doubles() const;

 private:
  template <class Number>
  std::vector<Number> read() const;

  File file_;
  DType dtype_ = DType::kF32;
  std::vector<std::uint64_t> shape_;
  std::uint64_t offset_ = 0;  // of the first value
};

// True where the file starts as a .npy does.
bool starts_as_npy(std::string_view start);

// Writes a version 1.0 file, whole or not at all. `shape`: the product of its dimensions is
// values.size(). Errors: kRuntime.
void write_npy(const std::filesystem::path& path, std::span<const std::uint64_t> shape,
               std::span<const float> values);
void write_npy(const std::filesystem::path& path, std::span<const std::uint64_t> shape,
               std::span<const double> values);

// The same bytes, for a stream.
std::string npy_bytes(std::span<const std::uint64_t> shape, std::span<const float> values);

}  // namespace kinglet::io
