#include "dtype/floats.h"

#include <cstdint>
#include <cstring>

#include "dtype/half.h"

namespace kinglet::dtype {
namespace {

template <float (*kWiden)(std::uint16_t)>
void unpack_16_bit(const std::byte* blocks, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, blocks + 2 * i, 2);
    out[i] = kWiden(bits);
  }
}

template <std::uint16_t (*kNarrow)(float)>
void pack_16_bit(const float* values, std::size_t count, std::byte* blocks) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint16_t bits = kNarrow(values[i]);
    std::memcpy(blocks + 2 * i, &bits, 2);
  }
}

}  // namespace

void unpack_f32(const std::byte* blocks, std::size_t count, float* out) {
  std::memcpy(out, blocks, count * sizeof(float));
}
void unpack_f16(const std::byte* blocks, std::size_t count, float* out) {
  unpack_16_bit<float_from_half>(blocks, count, out);
}
void unpack_bf16(const std::byte* blocks, std::size_t count, float* out) {
  unpack_16_bit<float_from_bfloat>(blocks, count, out);
}

void pack_f32(const float* values, std::size_t count, const float*, std::byte* blocks) {
  std::memcpy(blocks, values, count * sizeof(float));
}
void pack_f16(const float* values, std::size_t count, const float*, std::byte* blocks) {
  pack_16_bit<half_from_float>(values, count, blocks);
}
void pack_bf16(const float* values, std::size_t count, const float*, std::byte* blocks) {
  pack_16_bit<bfloat_from_float>(values, count, blocks);
}

}  // namespace kinglet::dtype
