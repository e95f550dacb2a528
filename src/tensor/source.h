#pragma once

// Tensors by name: all that an architecture knows of a file.
//
// Names and shapes are those of the safetensors world: "model.layers.0.self_attn.q_proj.weight",
// shape (out, in), row-major. A reader whose format differs renames, and puts rows back in order
// (GGUF of arch llama and llama2.c permute the rows of q and k) as it reads them.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/dtype.h"

namespace kinglet {

struct TensorInfo {
  std::string name;                  // in kinglet's naming
  std::string name_in_file;          // for messages and inspect
  DType dtype = DType::kF32;
  std::vector<std::uint64_t> shape;  // outermost first; (out, in) for a matrix
  std::uint64_t nbytes = 0;          // of the whole tensor in the file
  std::string file;                  // printable
  std::uint64_t offset = 0;          // absolute in `file`
};

class TensorSource {
 public:
  virtual ~TensorSource() = default;

  // All tensors, in the file's order. Names are unique.
  virtual std::span<const TensorInfo> tensors() const = 0;

  // nullptr where there is none.
  virtual const TensorInfo* find(std::string_view name) const = 0;

  // Reads rows [begin, begin + out.size() / row_bytes) in the file's dtype, where a row is the
  // innermost dimension (a 1-D tensor is one row). `tensor` is one of tensors(). Thread-safe.
  // Errors: kRuntime where the file is no longer what it was.
  virtual void read_rows(const TensorInfo& tensor, std::uint64_t begin,
                         std::span<std::byte> out) const = 0;
};

}  // namespace kinglet
