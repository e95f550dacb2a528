#include "base/memory.h"

#include <fmt/format.h>

#include <cstdlib>
#include <limits>

#include "base/checked.h"
#include "base/text.h"
#include "kinglet/error.h"

namespace kinglet {

AlignedBytes::AlignedBytes(std::size_t size) : size_(size) {
  if (size == 0) return;
  const bool can_round = size <= std::numeric_limits<std::size_t>::max() - kCacheLine;
  void* bytes = can_round ? std::aligned_alloc(kCacheLine, round_up(size, kCacheLine)) : nullptr;
  if (bytes == nullptr) throw runtime_error("out of memory: needs " + human_bytes(size));
  data_.reset(static_cast<std::byte*>(bytes));
}

void AlignedBytes::Free::operator()(std::byte* bytes) const { std::free(bytes); }

}  // namespace kinglet
