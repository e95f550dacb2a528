#pragma once

// The keys and values of one sequence, all layers: what attention reads back.
//
// For each layer and key/value head, the keys of all positions and then the values, as
// kernels/cached.h lays them out for each type.

#include <cstddef>

#include "base/memory.h"
#include "kernels/table.h"
#include "nn/shape.h"

namespace kinglet::nn {

enum class CacheType { kF16, kF32, kQ8_0 };

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

  std::byte* keys(std::size_t layer, std::size_t kv_head) const;
  std::byte* values(std::size_t layer, std::size_t kv_head) const;

  // The kernels for this type of cache.
  const kernels::CacheFunctions& functions(const kernels::Table& table) const {
    return functions_of(table, type_);
  }

  static std::size_t bytes_needed(const Shape& shape, std::size_t capacity, CacheType type);

 private:
  static const kernels::CacheFunctions& functions_of(const kernels::Table& table, CacheType type);

  CacheType type_;
  std::size_t capacity_;
  std::size_t length_ = 0;
  std::size_t kv_heads_;
  std::size_t key_bytes_;  // of one layer's head
  std::size_t value_bytes_;
  AlignedBytes memory_;
};

}  // namespace kinglet::nn
