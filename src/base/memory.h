#pragma once

// Owned bytes on a cache-line boundary, not initialised: a weight's pages are first touched by the
// thread that packs it. Running out is an Error that says how much was wanted.

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace kinglet {

constexpr std::size_t kCacheLine = 64;

class AlignedBytes {
 public:
  AlignedBytes() = default;
  explicit AlignedBytes(std::size_t size);  // throws Error (kRuntime): "needs n MiB"
  // The same on huge pages where the system has them to give: fewer faults at first touch, fewer
  // misses of the address cache later.
  static AlignedBytes on_huge_pages(std::size_t size);

  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  std::size_t size() const { return size_; }

  // The same bytes as `count` values of T, from byte `offset` (a multiple of alignof(T)).
  template <class T>
  T* as(std::size_t offset = 0) {
    return reinterpret_cast<T*>(data_.get() + offset);
  }
  template <class T>
  const T* as(std::size_t offset = 0) const {
    return reinterpret_cast<const T*>(data_.get() + offset);
  }

 private:
  struct Free {
    void operator()(std::byte* bytes) const;
  };
  AlignedBytes(std::size_t size, std::size_t alignment);

  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
};

// Memory for many pieces that live as long as the arena: a model's weights. Pieces share blocks,
// which are large enough for huge pages; what of a block is never touched costs nothing.
class Arena {
 public:
  // `size` bytes on a cache-line boundary. Throws Error (kRuntime).
  std::byte* take(std::size_t size);

 private:
  std::vector<AlignedBytes> blocks_;
  std::size_t used_ = 0;  // of the last block
};

}  // namespace kinglet
