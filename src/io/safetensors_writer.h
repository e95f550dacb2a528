#pragma once

// Writes one safetensors file (layout in safetensors.h). It is told all tensors first, then takes
// their bytes in that order; the file appears under its name when it is whole (base/output_file.h).
// The same input gives the same bytes: tensors lie in the given order, keys of an entry and of the
// metadata are sorted, the header ends in spaces so that data starts at a multiple of 8.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/output_file.h"
#include "tensor/dtype.h"

namespace kinglet::io {

struct TensorPlan {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::uint64_t> shape;
};

// The file up to its data, and how long that will be. Errors: kUsage, as the writer.
struct SafetensorsStart {
  std::string bytes;
  std::uint64_t data_bytes = 0;
};
SafetensorsStart start_of_safetensors(std::span<const TensorPlan> tensors,
                                     const std::map<std::string, std::string>& metadata = {});

class SafetensorsWriter {
 public:
  // Errors: kUsage for what the format cannot hold (quantised dtypes, names that repeat or are no
  // UTF-8); kRuntime where the file cannot be made.
  SafetensorsWriter(std::filesystem::path path, std::span<const TensorPlan> tensors,
                    const std::map<std::string, std::string>& metadata = {});

  // The next bytes of the data, in pieces of any size. Errors: kRuntime, also for too many bytes.
  void write(std::span<const std::byte> bytes);

  // Makes the file appear. Errors: kRuntime, also where bytes are missing.
  void finish();

 private:
  OutputFile file_;
  std::uint64_t left_ = 0;  // bytes of data still to come
};

}  // namespace kinglet::io
