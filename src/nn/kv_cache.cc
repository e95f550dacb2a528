#include "nn/kv_cache.h"

#include "base/checked.h"

namespace kinglet::nn {
namespace {

std::size_t value_bytes(CacheType type) { return type == CacheType::kF16 ? 2 : 4; }

// Whole key panels, so that a panel can be read before it is full.
std::size_t rounded(std::size_t capacity) { return round_up(capacity, kernels::kKeyPanel); }

}  // namespace

KvCache::KvCache(const Shape& shape, std::size_t capacity, CacheType type)
    : type_(type),
      capacity_(capacity),
      kv_heads_(shape.kv_heads),
      value_stride_(round_up(shape.head_width, 16)),
      key_bytes_(rounded(capacity) * shape.head_width * nn::value_bytes(type)),
      value_bytes_(rounded(capacity) * value_stride_ * nn::value_bytes(type)),
      memory_(bytes_needed(shape, capacity, type)) {}

void* KvCache::keys(std::size_t layer, std::size_t kv_head) const {
  const std::size_t index = layer * kv_heads_ + kv_head;
  return const_cast<std::byte*>(memory_.data()) + index * (key_bytes_ + value_bytes_);
}

void* KvCache::values(std::size_t layer, std::size_t kv_head) const {
  return static_cast<std::byte*>(keys(layer, kv_head)) + key_bytes_;
}

std::size_t KvCache::bytes_needed(const Shape& shape, std::size_t capacity, CacheType type) {
  const std::size_t per_position = shape.head_width + round_up(shape.head_width, 16);
  return shape.layers * shape.kv_heads * rounded(capacity) * per_position * nn::value_bytes(type);
}

}  // namespace kinglet::nn
