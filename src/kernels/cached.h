#pragma once

// How one head's keys and values lie in the cache, by type; what attention.h reads and writes.
//
//   keys    panels of 16 positions, interleaved: for each dimension 16 values, one per position, so
//           that a score's lanes are positions and its sum runs along the dimensions
//   values  a row per position, padded with zeros to a multiple of 16, so that lanes are dimensions
//
// q8_0: a block of 32 dimensions of one position (the last block may be short) shares a scale d:
// d = max|x| / 127 rounded to f16, q = round-half-even(x * (127 / max|x|)), and the value is d * q. A
// key panel's block has 16 scales (as f32) before its 32 x 16 bytes; a value row has all its scales
// first.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/checked.h"
#include "kernels/lanes.h"
#include "kernels/rows.h"
#include "kernels/table.h"

namespace kinglet::kernels {

// One number per value. `Number` is float, or std::uint16_t for an f16.
template <class Number>
struct PlainCache {
  static constexpr std::size_t kScaled = kMaxHeadWidth;  // dimensions with one scale: no scale here
  static std::size_t key_panel_bytes(std::size_t head_width) noexcept {
    return kKeyPanel * head_width * sizeof(Number);
  }
  static std::size_t value_row_bytes(std::size_t head_width) noexcept {
    return round_up(head_width, kLaneCount) * sizeof(Number);
  }

  template <class L>
  struct Scale {};
  template <class L>
  static Scale<L> key_scale(const std::byte*, std::size_t) {
    return {};
  }
  template <class L>
  static Lanes<L> key(const std::byte* panel, std::size_t dimension, const Scale<L>&) {
    return load<L>(panel + dimension * kKeyPanel * sizeof(Number));
  }
  template <class L>
  static Lanes<L> value(const std::byte* row, std::size_t dimension, std::size_t) {
    return load<L>(row + dimension * sizeof(Number));
  }

  template <class L>
  static void store_key(const float* key, std::size_t head_width, std::size_t lane, std::byte* panel) {
    Number* to = reinterpret_cast<Number*>(panel) + lane;
    for (std::size_t i = 0; i < head_width; i += kLaneCount) {
      const std::size_t count = std::min(kLaneCount, head_width - i);
      Number rounded[kLaneCount];
      store(load_part<L>(key + i, count), rounded);
      for (std::size_t j = 0; j < count; ++j) to[(i + j) * kKeyPanel] = rounded[j];
    }
  }
  template <class L>
  static void store_value(const float* value, std::size_t head_width, std::byte* row) {
    for (std::size_t i = 0; i < head_width; i += kLaneCount) {
      const std::size_t count = std::min(kLaneCount, head_width - i);
      store(load_part<L>(value + i, count), reinterpret_cast<Number*>(row) + i);
    }
  }

 private:
  template <class L>
  static Lanes<L> load(const std::byte* from) {
    if constexpr (sizeof(Number) == sizeof(float)) {
      return Lanes<L>::load(reinterpret_cast<const float*>(from));
    } else {
      return Lanes<L>::load_half(reinterpret_cast<const std::uint16_t*>(from));
    }
  }
  template <class L>
  static void store(const Lanes<L>& x, float* to) {
    x.store(to);
  }
  // Beyond the range of f16 the largest finite value stands; NaN stays.
  template <class L>
  static void store(const Lanes<L>& x, std::uint16_t* to) {
    const Lanes<L> limit = Lanes<L>::broadcast(65504.0f);
    const Lanes<L> capped = select_less(limit, x, limit, x);
    select_less(capped, negative(limit), negative(limit), capped).store_half(to);
  }
};

using F32Cache = PlainCache<float>;
using F16Cache = PlainCache<std::uint16_t>;

struct Q8Cache {
  static constexpr std::size_t kScaled = 32;
  static std::size_t blocks(std::size_t head_width) { return ceil_div(head_width, kScaled); }
  static std::size_t key_panel_bytes(std::size_t head_width) noexcept {
    return kKeyPanel * (blocks(head_width) * sizeof(float) + head_width);
  }
  static std::size_t value_row_bytes(std::size_t head_width) noexcept {
    return blocks(head_width) * sizeof(float) + round_up(head_width, kLaneCount);
  }

  template <class L>
  using Scale = Lanes<L>;
  template <class L>
  static Lanes<L> key_scale(const std::byte* panel, std::size_t dimension) {
    return Lanes<L>::load(reinterpret_cast<const float*>(panel + scales_at(dimension)));
  }
  template <class L>
  static Lanes<L> key(const std::byte* panel, std::size_t dimension, const Lanes<L>& scale) {
    return Lanes<L>::load_bytes(as_bytes(panel + key_at(dimension))) * scale;
  }
  // 16 dimensions lie within one block.
  template <class L>
  static Lanes<L> value(const std::byte* row, std::size_t dimension, std::size_t head_width) {
    float scale = 0;
    std::memcpy(&scale, row + dimension / kScaled * sizeof(float), sizeof(scale));
    const std::byte* bytes = row + blocks(head_width) * sizeof(float) + dimension;
    return Lanes<L>::load_bytes(as_bytes(bytes)) * Lanes<L>::broadcast(scale);
  }

  template <class L>
  static void store_key(const float* key, std::size_t head_width, std::size_t lane, std::byte* panel) {
    for (std::size_t i = 0; i < head_width; i += kScaled) {
      const std::size_t count = std::min(kScaled, head_width - i);
      std::int8_t q[kScaled];
      const float scale = quantize<L>(key + i, count, q);
      std::memcpy(panel + scales_at(i) + lane * sizeof(float), &scale, sizeof(scale));
      for (std::size_t j = 0; j < count; ++j) std::memcpy(panel + key_at(i + j) + lane, q + j, 1);
    }
  }
  template <class L>
  static void store_value(const float* value, std::size_t head_width, std::byte* row) {
    std::byte* bytes = row + blocks(head_width) * sizeof(float);
    for (std::size_t i = 0; i < head_width; i += kScaled) {
      const std::size_t count = std::min(kScaled, head_width - i);
      std::int8_t q[kScaled] = {};
      const float scale = quantize<L>(value + i, count, q);
      std::memcpy(row + i / kScaled * sizeof(float), &scale, sizeof(scale));
      std::memcpy(bytes + i, q, round_up(count, kLaneCount));
    }
  }

 private:
  static constexpr std::size_t scales_at(std::size_t dimension) {
    return dimension / kScaled * kKeyPanel * (sizeof(float) + kScaled);
  }
  static constexpr std::size_t key_at(std::size_t dimension) {
    return scales_at(dimension) + kKeyPanel * (sizeof(float) + dimension % kScaled);
  }
  static const std::int8_t* as_bytes(const std::byte* at) {
    return reinterpret_cast<const std::int8_t*>(at);
  }

  // Returns the scale; NaN where a value is not finite, so that it cannot vanish.
  template <class L>
  static float quantize(const float* x, std::size_t count, std::int8_t* q) {
    float amax = 0, check = 0;
    for (std::size_t i = 0; i < count; ++i) {
      amax = std::max(amax, std::fabs(x[i]));
      check += x[i] - x[i];
    }
    const bool is_finite = check == 0.0f;
    const bool is_zero = amax < 1e-30f;
    const float inverse = is_finite && !is_zero ? 127.0f / amax : 0.0f;
    constexpr float kRounder = 0x1.8p23f;
    for (std::size_t i = 0; i < count; ++i) {
      q[i] = is_finite ? static_cast<std::int8_t>((x[i] * inverse + kRounder) - kRounder) : std::int8_t{0};
    }
    if (!is_finite) return NAN;
    if (is_zero) return 0.0f;
    const float limited = std::min(amax / 127.0f, 65504.0f);
    std::uint16_t half[kLaneCount];
    Lanes<L>::broadcast(limited).store_half(half);
    float scales[kLaneCount];
    Lanes<L>::load_half(half).store(scales);
    return scales[0];
  }
};

}  // namespace kinglet::kernels
