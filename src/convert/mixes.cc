#include "convert/mixes.h"

#include "dtype/format.h"

namespace kinglet {
namespace {

using enum DType;

constexpr Raise kEndsQ6 = {Role::kEnds, Where::kAll, kQ6_K};

constexpr Mix kMixes[] = {
    {"q2_k", kQ2_K, {{kEndsQ6,
        {Role::kValue, Where::kAll, kQ4_K},
        {Role::kAttentionOut, Where::kAll, kQ3_K},
        {Role::kDown, Where::kAll, kQ3_K}}}},
    {"q3_k_s", kQ3_K, {{kEndsQ6}}},
    {"q3_k_m", kQ3_K, {{kEndsQ6,
        {Role::kValue, Where::kFirstTwo, kQ5_K},
        {Role::kValue, Where::kAll, kQ4_K},
        {Role::kAttentionOut, Where::kAll, kQ4_K},
        {Role::kDown, Where::kAll, kQ4_K}}}},
    {"q3_k_l", kQ3_K, {{kEndsQ6,
        {Role::kValue, Where::kAll, kQ5_K},
        {Role::kAttentionOut, Where::kAll, kQ5_K},
        {Role::kDown, Where::kAll, kQ5_K}}}},
    {"iq4_nl", kIQ4_NL, {{kEndsQ6,
        {Role::kValue, Where::kAll, kQ5_K},
        {Role::kDown, Where::kFirstEighth, kQ5_K}}}},
    {"q4_k_s", kQ4_K, {{kEndsQ6,
        {Role::kValue, Where::kFirstFour, kQ5_K},
        {Role::kDown, Where::kFirstEighth, kQ5_K}}}},
    {"q4_k_m", kQ4_K, {{kEndsQ6,
        {Role::kValue, Where::kEdgesAndThirds, kQ6_K},
        {Role::kDown, Where::kEdgesAndThirds, kQ6_K}}}},
    {"q5_k_s", kQ5_K, {{kEndsQ6}}},
    {"q5_k_m", kQ5_K, {{kEndsQ6,
        {Role::kValue, Where::kEdgesAndThirds, kQ6_K},
        {Role::kDown, Where::kEdgesAndThirds, kQ6_K}}}},
    {"q6_k", kQ6_K, {}},
};

Role role_of(std::string_view name) {
  struct Ending {
    std::string_view text;
    Role role;
  };
  constexpr Ending kEndings[] = {{"embed_tokens.weight", Role::kEnds},
                                 {"lm_head.weight", Role::kEnds},
                                 {"self_attn.v_proj.weight", Role::kValue},
                                 {"self_attn.o_proj.weight", Role::kAttentionOut},
                                 {"mlp.down_proj.weight", Role::kDown}};
  for (const Ending& ending : kEndings) {
    if (name.ends_with(ending.text)) return ending.role;
  }
  return Role::kOther;
}

bool is_in(Where where, std::size_t layer, std::size_t layers) {
  const std::size_t eighth = layers / 8;
  switch (where) {
    case Where::kNowhere: return false;
    case Where::kFirstTwo: return layer < 2;
    case Where::kFirstFour: return layer < 4;
    case Where::kFirstEighth: return layer < eighth;
    case Where::kEdgesAndThirds:
      return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
    case Where::kAll: return true;
  }
  return false;
}

DType wanted(const Mix& mix, Role role, std::size_t layer, std::size_t layers) {
  for (const Raise& raise : mix.raises) {
    if (raise.role == role && is_in(raise.where, layer, layers)) return raise.dtype;
  }
  return mix.base;
}

}  // namespace

std::span<const Mix> mixes() { return kMixes; }

const Mix* mix_named(std::string_view name) {
  for (const Mix& mix : kMixes) {
    if (mix.name == name) return &mix;
  }
  return nullptr;
}

DType type_for(const Mix& mix, std::string_view tensor_name, std::span<const std::uint64_t> shape,
               std::size_t layer, std::size_t layers) {
  if (shape.size() != 2) return kF32;
  return fallback_for(wanted(mix, role_of(tensor_name), layer, layers), shape.back());
}

DType fallback_for(DType dtype, std::uint64_t width) {
  if (width % dtype::format_of(dtype).block == 0) return dtype;
  if (width % 32 != 0) return kF16;
  switch (dtype) {
    case kQ2_K: case kQ3_K: case kQ4_K: return kIQ4_NL;  // q4_k's size
    case kQ5_K: return kQ5_0;                            // q5_k's size
    default: return kQ8_0;
  }
}

}  // namespace kinglet
