#pragma once

// The public name of a cache's type as the layers know it.

#include <string_view>

#include "kinglet/generate.h"
#include "nn/kv_cache.h"

namespace kinglet {

inline nn::CacheType cache_type(CacheKind kind) {
  switch (kind) {
    case CacheKind::kF16: return nn::CacheType::kF16;
    case CacheKind::kF32: return nn::CacheType::kF32;
    case CacheKind::kQ8_0: break;
  }
  return nn::CacheType::kQ8_0;
}

inline std::string_view name_of(CacheKind kind) {
  switch (kind) {
    case CacheKind::kF16: return "f16";
    case CacheKind::kF32: return "f32";
    case CacheKind::kQ8_0: break;
  }
  return "q8_0";
}

}  // namespace kinglet
