#pragma once

// NumPy's .npy, an array in a file:
//
//   "\x93NUMPY", version (1.0, 2.0 or 3.0), length of the header (u16; u32 from 2.0 on),
//   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 384), } as text, then the numbers as they
//   lie in memory.
//
// Read: arrays of little-endian floats (f2, f4, f8), whole numbers (i1 to i8, u1 to u8) and bool, in C
// order. Source: numpy.lib.format (NumPy's documentation).

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "tensor/dtype.h"

namespace kinglet::io {

struct NpyHeader {
  DType dtype = DType::kF32;
  std::vector<std::uint64_t> shape;
  std::uint64_t offset = 0;  // of the first value in the file
  std::uint64_t nbytes = 0;  // of all values
};

// Of an array that fills [begin, begin + size) of a file. Errors (kRefused): malformed, another kind of array, a size
// that is not what the header says.
NpyHeader read_npy_header(const File& file, std::uint64_t begin, std::uint64_t size);

// The bytes before the values. `dtype`: one that arrays can have.
std::string npy_head(std::span<const std::uint64_t> shape, DType dtype);

// An array of one or two dimensions.
class NpyFile {
 public:
  // Errors (kRefused): as read_npy_header; another number of dimensions, no values.
  explicit NpyFile(File file);

  const File& file() const { return file_; }
  DType dtype() const { return header_.dtype; }
  std::span<const std::uint64_t> shape() const { return header_.shape; }
  std::uint64_t rows() const { return header_.shape.front(); }
  std::uint64_t width() const { return header_.shape.size() == 2 ? header_.shape[1] : 1; }  // values per row

  // All values, row-major, as the nearest of that type; NaN and infinity as they are.
  std::vector<float> floats() const;
  std::vector<double> doubles() const;

 private:
  template <class Number>
  std::vector<Number> read() const;

  File file_;
  NpyHeader header_;
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
