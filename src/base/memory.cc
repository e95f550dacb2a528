#include "base/memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "base/checked.h"
#include "base/text.h"
#include "kinglet/error.h"

namespace kinglet {

namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kArenaBlock = std::size_t{32} << 20;

}  // namespace

AlignedBytes::AlignedBytes(std::size_t size) : AlignedBytes(size, kCacheLine) {}

AlignedBytes::AlignedBytes(std::size_t size, std::size_t alignment) : size_(size) {
  if (size == 0) return;
  const bool can_round = size <= std::numeric_limits<std::size_t>::max() - alignment;
  void* bytes = can_round ? std::aligned_alloc(alignment, round_up(size, alignment)) : nullptr;
  if (bytes == nullptr) throw runtime_error("out of memory: needs " + human_bytes(size));
  data_.reset(static_cast<std::byte*>(bytes));
}

AlignedBytes AlignedBytes::on_huge_pages(std::size_t size) {
  AlignedBytes bytes(size, kHugePage);
#if defined(MADV_HUGEPAGE)
  // Advice only: where it is not taken, small pages do.
  if (size > 0) ::madvise(bytes.data(), round_up(size, kHugePage), MADV_HUGEPAGE);
#endif
  return bytes;
}

std::byte* Arena::take(std::size_t size) {
  if (blocks_.empty() || blocks_.back().size() - used_ < size) {
    blocks_.push_back(AlignedBytes::on_huge_pages(std::max(size, kArenaBlock)));
    used_ = 0;
  }
  std::byte* piece = blocks_.back().data() + used_;
  used_ = std::min(round_up(used_ + size, kCacheLine), blocks_.back().size());
  return piece;
}

void AlignedBytes::Free::operator()(std::byte* bytes) const { std::free(bytes); }

}  // namespace kinglet
