#pragma once

// The weight formats, named once. Everything that treats all of them (sizes, panel packing, kernel
// tables, tests) goes over this list; a new format is a line here.

#include <tuple>

#include "dtype/k_quants.h"
#include "dtype/panel.h"
#include "dtype/q4.h"
#include "dtype/q5.h"
#include "dtype/q8_0.h"
#include "dtype/small_k_quants.h"
#include "dtype/table4.h"
#include "tensor/dtype.h"

namespace kinglet::dtype {

template <DType kType, class PanelLayout>
struct FloatEntry {
  static constexpr DType kDType = kType;
  using Panel = PanelLayout;
};

template <DType kType, class BlockFormat>
struct IntegerEntry {
  static constexpr DType kDType = kType;
  using Format = BlockFormat;
  using Panel = typename BlockFormat::Panel;
};

// In the order of the enum DType.
using WeightFormats =
    std::tuple<FloatEntry<DType::kF32, F32Panel>, FloatEntry<DType::kF16, F16Panel>,
               FloatEntry<DType::kBF16, BF16Panel>, IntegerEntry<DType::kQ8_0, Q8_0>,
               IntegerEntry<DType::kQ4_0, Q4_0>, IntegerEntry<DType::kQ4_1, Q4_1>,
               IntegerEntry<DType::kQ5_0, Q5_0>, IntegerEntry<DType::kQ5_1, Q5_1>,
               IntegerEntry<DType::kQ4_K, Q4_K>, IntegerEntry<DType::kQ5_K, Q5_K>,
               IntegerEntry<DType::kQ6_K, Q6_K>, IntegerEntry<DType::kQ2_K, Q2_K>,
               IntegerEntry<DType::kQ3_K, Q3_K>, IntegerEntry<DType::kIQ4_NL, IQ4_NL>,
               IntegerEntry<DType::kMXFP4, MXFP4>>;

constexpr std::size_t kWeightFormats = std::tuple_size_v<WeightFormats>;

}  // namespace kinglet::dtype
