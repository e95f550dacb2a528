#include "dtype/format.h"

#include <array>
#include <cmath>

#include "base/checked.h"
#include "dtype/floats.h"
#include "dtype/list.h"

namespace kinglet::dtype {
namespace {

// w = scale * integer + minimum, rounded once: the product is exact in every format.
template <class Format>
void unpack_integers(const std::byte* blocks, std::size_t count, float* out) {
  using Panel = typename Format::Panel;
  using Block = typename Format::Block;
  for (std::size_t at = 0; at < count; at += Block::kCount, blocks += Format::kBytes) {
    const Block block = Format::read(blocks);
    for (std::size_t i = 0; i < Block::kCount; ++i) {
      const std::size_t sub = i / Block::kPerScale;
      const float product = block.scale[sub] * static_cast<float>(Panel::Codes::integer(block.u[i]));
      out[at + i] = Panel::kHasMinimum ? product + block.minimum[sub] : product;
    }
  }
}

template <class Format>
void pack_integers(const float* values, std::size_t count, const float* importance,
                   std::byte* blocks) {
  constexpr std::size_t kCount = Format::Block::kCount;
  for (std::size_t at = 0; at < count; at += kCount, blocks += Format::kBytes) {
    const float* counts = importance == nullptr ? nullptr : importance + at;
    Format::write(target_of<kCount>(values + at, counts), blocks);
  }
}

template <class Format>
constexpr dtype::Format integer_row(DType dtype, const char* name) {
  auto pack = [] {
    if constexpr (requires { Format::write; }) return &pack_integers<Format>; else return nullptr;
  }();
  return {dtype, name, Format::Block::kCount, Format::kBytes, unpack_integers<Format>, pack};
}

constexpr dtype::Format plain_row(DType dtype, const char* name, std::size_t bytes) {
  return {dtype, name, 1, bytes, nullptr, nullptr};
}

constexpr std::array kFormats = {
    Format{DType::kF32, "f32", 1, 4, unpack_f32, pack_f32},
    Format{DType::kF16, "f16", 1, 2, unpack_f16, pack_f16},
    Format{DType::kBF16, "bf16", 1, 2, unpack_bf16, pack_bf16},
    integer_row<Q8_0>(DType::kQ8_0, "q8_0"),
    integer_row<Q4_0>(DType::kQ4_0, "q4_0"),
    integer_row<Q4_1>(DType::kQ4_1, "q4_1"),
    integer_row<Q5_0>(DType::kQ5_0, "q5_0"),
    integer_row<Q5_1>(DType::kQ5_1, "q5_1"),
    integer_row<Q4_K>(DType::kQ4_K, "q4_k"),
    integer_row<Q5_K>(DType::kQ5_K, "q5_k"),
    integer_row<Q6_K>(DType::kQ6_K, "q6_k"),
    integer_row<Q2_K>(DType::kQ2_K, "q2_k"),
    integer_row<Q3_K>(DType::kQ3_K, "q3_k"),
    integer_row<IQ4_NL>(DType::kIQ4_NL, "iq4_nl"),
    integer_row<MXFP4>(DType::kMXFP4, "mxfp4"),
    plain_row(DType::kF64, "f64", 8),
    plain_row(DType::kI8, "i8", 1),
    plain_row(DType::kI16, "i16", 2),
    plain_row(DType::kI32, "i32", 4),
    plain_row(DType::kI64, "i64", 8),
    plain_row(DType::kU8, "u8", 1),
    plain_row(DType::kU16, "u16", 2),
    plain_row(DType::kU32, "u32", 4),
    plain_row(DType::kU64, "u64", 8),
    plain_row(DType::kBool, "bool", 1),
};

}  // namespace

const Format& format_of(DType dtype) { return kFormats[static_cast<std::size_t>(dtype)]; }

std::span<const Format> formats() { return kFormats; }

std::optional<DType> named(std::string_view name) {
  for (const Format& format : kFormats) {
    if (name == format.name) return format.dtype;
  }
  return std::nullopt;
}

std::size_t row_bytes(DType dtype, std::size_t width) {
  const Format& format = format_of(dtype);
  return width / format.block * format.block_bytes;
}

std::optional<std::uint64_t> checked_nbytes(std::span<const std::uint64_t> shape, DType dtype) {
  const Format& format = format_of(dtype);
  const std::uint64_t width = shape.empty() ? 1 : shape.back();
  if (width % format.block != 0) return std::nullopt;
  std::optional<std::uint64_t> total = checked_multiply(width / format.block, format.block_bytes);
  for (std::size_t i = 0; total && i + 1 < shape.size(); ++i) {
    total = checked_multiply(*total, shape[i]);
  }
  // 0 x a huge dimension is 0 bytes, but the number of values must not wrap either way.
  std::optional<std::uint64_t> values = 1;
  for (const std::uint64_t dimension : shape) {
    if (dimension != 0 && values) values = checked_multiply(*values, dimension);
  }
  return values ? total : std::nullopt;
}

}  // namespace kinglet::dtype
