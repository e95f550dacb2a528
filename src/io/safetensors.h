#pragma once

// safetensors files: https://huggingface.co/docs/safetensors, read strictly.
//
//   byte 0   u64 N, the length of the header
//   8        N bytes of JSON, starting with '{', spaces at the end allowed:
//            {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...,
//             "__metadata__": {"key": "text"}}
//   8 + N    data; offsets count from here and cover it without holes or overlaps

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "io/tensor_table.h"
#include "tensor/source.h"

namespace kinglet::io {

// "F32" <-> DType. Nothing for names that kinglet does not know, and for quantised types.
std::optional<DType> dtype_of_safetensors(std::string_view name);
std::optional<std::string_view> safetensors_of_dtype(DType dtype);

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // by offset, then by name
  std::map<std::string, std::string> metadata;
  std::uint64_t data_offset = 0;
};

// Errors (kRefused): anything malformed, a tensor outside the file.
SafetensorsHeader read_safetensors_header(const File& file);

// One or several files (shards) as one source.
class SafetensorsSource : public TensorSource {
 public:
  // Errors (kRefused): as above; two files that hold a tensor of the same name.
  void add(File file);

  std::span<const TensorInfo> tensors() const override { return table_.all(); }
  const TensorInfo* find(std::string_view name) const override { return table_.find(name); }
  void read_rows(const TensorInfo& tensor, std::uint64_t begin,
                 std::span<std::byte> out) const override;

 private:
  std::vector<File> files_;
  TensorTable table_;
  std::vector<std::size_t> file_of_;  // for each tensor
};

}  // namespace kinglet::io
