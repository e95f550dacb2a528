#pragma once

// The table of one level: every kernel's template with that level filled in.

#include "kernels/attention.h"
#include "kernels/bfloat.h"
#include "kernels/matmul.h"
#include "kernels/peaks.h"
#include "kernels/quantize.h"
#include "kernels/rows.h"
#include "kernels/table.h"

namespace kinglet::kernels {

template <class L, class Cached>
constexpr CacheFunctions cache_functions() {
  return {Cached::key_panel_bytes, Cached::value_row_bytes, store_key_value<L, Cached>, attend<L, Cached>, probabilities<L, Cached>};
}

template <class L, class... Entries>
constexpr Table make_table(std::tuple<Entries...>*) {
  return {.isa = L::kName,
          .matmul = {matmul<L, typename Entries::Panel>...},
          .matmul_bfloat = matmul_bfloat<L>,
          .round_bfloat = round_bfloat<L>,
          .quantize = quantize<L>,
          .cache_f32 = cache_functions<L, F32Cache>(),
          .cache_f16 = cache_functions<L, F16Cache>(),
          .cache_q8_0 = cache_functions<L, Q8Cache>(),
          .inverse_rms = inverse_rms<L>,
          .scale = scale<L>,
          .softmax = softmax<L>,
          .rotate = rotate<L>,
          .add = add<L>,
          .silu_multiply = silu_multiply<L>,
          .exponentials = exponentials<L>,
          .exp = exp_row<L>,
          .peaks = make_peaks<L>()};
}

template <class L>
constexpr Table make_table() {
  return make_table<L>(static_cast<dtype::WeightFormats*>(nullptr));
}

}  // namespace kinglet::kernels
