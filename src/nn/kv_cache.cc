#include "nn/kv_cache.h"

#include "base/checked.h"
#include "kernels/dispatch.h"

namespace kinglet::nn {
namespace {

// Whole key panels, so that a panel can be read before it is full.
std::size_t key_bytes(const kernels::CacheFunctions& type, std::size_t capacity, std::size_t head_width) {
  return round_up(ceil_div(capacity, kernels::kKeyPanel) * type.key_panel_bytes(head_width), kCacheLine);
}
std::size_t value_bytes(const kernels::CacheFunctions& type, std::size_t capacity, std::size_t head_width) {
  return round_up(capacity * type.value_row_bytes(head_width), kCacheLine);
}

}  // namespace

KvCache::KvCache(const Shape& shape, std::size_t capacity, CacheType type)
    : type_(type),
      capacity_(capacity),
      kv_heads_(shape.kv_heads),
      key_bytes_(key_bytes(functions_of(kernels::active(), type), capacity, shape.head_width)),
      value_bytes_(value_bytes(functions_of(kernels::active(), type), capacity, shape.head_width)),
      memory_(bytes_needed(shape, capacity, type)) {}

const kernels::CacheFunctions& KvCache::functions_of(const kernels::Table& table, CacheType type) {
  switch (type) {
    case CacheType::kF16: return table.cache_f16;
    case CacheType::kF32: return table.cache_f32;
    case CacheType::kQ8_0: break;
  }
  return table.cache_q8_0;
}

std::byte* KvCache::keys(std::size_t layer, std::size_t kv_head) const {
  const std::size_t index = layer * kv_heads_ + kv_head;
  return const_cast<std::byte*>(memory_.data()) + index * (key_bytes_ + value_bytes_);
}

std::byte* KvCache::values(std::size_t layer, std::size_t kv_head) const {
  return keys(layer, kv_head) + key_bytes_;
}

std::size_t KvCache::bytes_needed(const Shape& shape, std::size_t capacity, CacheType type) {
  const kernels::CacheFunctions& functions = functions_of(kernels::active(), type);
  return shape.layers * shape.kv_heads *
         (key_bytes(functions, capacity, shape.head_width) +
          value_bytes(functions, capacity, shape.head_width));
}

}  // namespace kinglet::nn
