#pragma once

// Named mixes of weight formats: most matrices get the base format, those whose errors cost most more
// bits. The names and the layers they single out are those of llama.cpp's mixes.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "tensor/dtype.h"

namespace kinglet {

enum class Role : std::uint8_t { kEnds, kValue, kAttentionOut, kDown, kOther };  // kEnds: embedding and head

// Which layers: kEdgesAndThirds is the first and the last eighth, and every third between.
enum class Where : std::uint8_t {
  kNowhere, kFirstTwo, kFirstFour, kFirstEighth, kEdgesAndThirds, kAll
};

struct Raise {
  Role role = Role::kOther;
  Where where = Where::kNowhere;
  DType dtype = DType::kF32;
};

struct Mix {
  std::string_view name;  // "q4_k_m"
  DType base;
  std::array<Raise, 5> raises;  // the first that fits holds
};

std::span<const Mix> mixes();
const Mix* mix_named(std::string_view name);  // null: there is none

// The format of one tensor, named as in HF directories, of shape (out, in). `layer`, of `layers`, counts
// for tensors of a layer only. Vectors stay f32. Rows that are no multiple of the format's block get the
// format fallback_for says.
DType type_for(const Mix& mix, std::string_view tensor_name, std::span<const std::uint64_t> shape,
               std::size_t layer, std::size_t layers);

// For rows of `width` values: `dtype` where they are whole blocks of it; else the format with blocks of
// 32 that is nearest in size without being far off in error; else f16.
DType fallback_for(DType dtype, std::uint64_t width);

}  // namespace kinglet
