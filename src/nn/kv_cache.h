#pragma once

// The keys and values of one sequence, all layers: what attention reads back.
//
// For each layer and key/value head, keys lie interleaved by 16 positions, (S / 16, d, 16), and
// values in rows, (S, d rounded up to 16), as kernels/attention.h reads them.

#include <cstddef>

#include "base/memory.h"
#include "kernels/table.h"
#include "nn/shape.h"

namespace kinglet::nn {

enum class CacheType { kF16, kF32 };

class KvCache {
 public:
  // Room for `capacity` positions; the memory is taken here. Errors: kRuntime, out of memory.
  KvCache(const Shape& shape, std::size_t capacity, CacheType type);

  CacheType type() const { return type_; }
  std::size_t capacity() const { return capacity_; }
  std::size_t length() const { return length_; }  // positions held
  std::size_t bytes() const { return memory_.size(); }

  // After a pass that stored `positions` more in every layer.
  void advance(std::size_t positions) { length_ += positions; }
  // Forgets all positions from `length` on.
  void truncate(std::size_t length) { length_ = length; }

  void* keys(std::size_t layer, std::size_t kv_head) const;
  void* values(std::size_t layer, std::size_t kv_head) const;
  std::size_t value_stride() const { return value_stride_; }

  // The kernels for this type of cache.
  const kernels::CacheFunctions& functions(const kernels::Table& table) const {
    return type_ == CacheType::kF16 ? table.cache_f16 : table.cache_f32;
  }

  static std::size_t bytes_needed(const Shape& shape, std::size_t capacity, CacheType type);

 private:
  CacheType type_;
  std::size_t capacity_;
  std::size_t length_ = 0;
  std::size_t kv_heads_;
  std::size_t value_stride_;  // d rounded up to 16
  std::size_t key_bytes_;     // of one layer's head
  std::size_t value_bytes_;
  AlignedBytes memory_;
};

}  // namespace kinglet::nn
