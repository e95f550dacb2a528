#pragma once

// Owned bytes on a cache-line boundary, not initialised: a weight's pages are first touched by the
// thread that packs it. Running out is an Error that says how much was wanted.

#include <cstddef>
#include <memory>
#include <span>

namespace kinglet {

constexpr std::size_t kCacheLine = 64;

class AlignedBytes {
 public:
  AlignedBytes() = default;
  explicit AlignedBytes(std::size_t size);  // throws Error (kRuntime): "needs n MiB"

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
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
};

}  // namespace kinglet
