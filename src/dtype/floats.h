#pragma once

// f32, f16 (IEEE 754 binary16) and bf16 (the upper half of an f32), little-endian.

#include <cstddef>

namespace kinglet::dtype {

void unpack_f32(const std::byte* blocks, std::size_t count, float* out);
void unpack_f16(const std::byte* blocks, std::size_t count, float* out);
void unpack_bf16(const std::byte* blocks, std::size_t count, float* out);

// Round to nearest, ties to even; `importance` changes nothing.
void pack_f32(const float* values, std::size_t count, const float* importance,
               std::byte* blocks);
void pack_f16(const float* values, std::size_t count, const float* importance,
               std::byte* blocks);
void pack_bf16(const float* values, std::size_t count, const float* importance,
               std::byte* blocks);

}  // namespace kinglet::dtype
