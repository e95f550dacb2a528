#pragma once

// The keys of a GGUF file to be written (io/gguf.h has the layout). In the order of their first
// setting; a key that is set again keeps its place.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "convert/plan.h"
#include "io/gguf.h"

namespace kinglet {

class GgufKeys {
 public:
  void u32(std::string_view name, std::uint64_t value);
  void f32(std::string_view name, double value);
  void boolean(std::string_view name, bool value);
  void string(std::string_view name, std::string_view value);
  void strings(std::string_view name, std::span<const std::string> values);
  void f32s(std::string_view name, std::span<const float> values);
  void i32s(std::string_view name, std::span<const std::int32_t> values);
  void copy(const io::GgufKey& key);

  // The file up to its data: header, keys, tensors in the order given, padding.
  std::string header(std::span<const PlannedTensor> tensors, std::uint64_t alignment) const;

 private:
  void set(std::string_view name, std::string value);
  std::vector<std::pair<std::string, std::string>> keys_;  // name, type and value as in the file
};

}  // namespace kinglet
