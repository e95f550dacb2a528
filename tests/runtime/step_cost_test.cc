// What a step reads, moves and computes, against counts by hand.

#include "runtime/step_cost.h"

#include <gtest/gtest.h>

#include <vector>

#include "nn/linear.h"

namespace kinglet {
namespace {

using nn::Op;
using Context = nn::Recorder::Context;

// Width 4, 2 heads of 2, 1 key/value head, MLP width 8.
constexpr nn::Shape kShape = {.layers = 3, .width = 4, .mlp_width = 8, .heads = 2, .kv_heads = 1,
                              .head_width = 2, .vocabulary = 40, .context = 64};

Cost cost(const nn::Step& step, const std::vector<Context>& contexts = {{0, 1}},
          nn::CacheType cache = nn::CacheType::kF16, Math math = Math::kExact) {
  return cost_of(step, {kShape, cache, math, contexts});
}

Weight weight(DType dtype, std::size_t out, std::size_t in, std::size_t panel_bytes) {
  return {.dtype = dtype, .out = out, .in = in, .panel_bytes = panel_bytes, .panels = nullptr, .bias = {}};
}

TEST(StepCost, OfAProductIsItsPanelsItsMultiplyAddsAndItsRows) {
  // 40 rows are three panels of 16, 8 one. Activations: x in floats, and as bytes with a scale for
  // 32, a sum for each 16 and for all, written and read; 48 floats out.
  const nn::Linear mixed({weight(DType::kQ8_0, 40, 32, 100), weight(DType::kBF16, 8, 32, 7)});
  const Cost of_mixed = cost({.op = Op::kGateUp, .rows = 3, .linear = &mixed});
  EXPECT_EQ(of_mixed.weight_bytes, 3 * 100 + 7);
  EXPECT_EQ(of_mixed.int8_operations, 3 * 2 * 40 * 32);
  EXPECT_EQ(of_mixed.float_operations, 3 * 2 * 8 * 32);
  EXPECT_EQ(of_mixed.activation_bytes, 3 * (32 * 4 + 2 * (32 + 4 + 3 * 4) + 48 * 4));
  EXPECT_EQ(of_mixed.cache_bytes, 0);

  const Cost rounded = cost({.op = Op::kGateUp, .rows = 3, .linear = &mixed}, {{0, 1}}, nn::CacheType::kF16, Math::kBfloat);
  EXPECT_EQ(rounded.int8_operations, of_mixed.int8_operations);
  EXPECT_EQ(rounded.bfloat_operations, of_mixed.float_operations);
  EXPECT_EQ(rounded.float_operations, 0);

  const nn::Linear floats({weight(DType::kF32, 8, 32, 7)});
  const Cost of_floats = cost({.op = Op::kHead, .rows = 1, .linear = &floats});
  EXPECT_EQ(of_floats.int8_operations, 0);
  EXPECT_EQ(of_floats.activation_bytes, (32 + 8) * 4);  // no bytes are made of x
  EXPECT_EQ(cost({.op = Op::kHead, .rows = 0, .linear = &floats}).bytes(), 0);  // no logits are wanted
}

TEST(StepCost, OfAProductThatEndsABranchHasItsAdditionToo) {
  const nn::Linear down({weight(DType::kF32, 4, 8, 50)});
  const Cost cost_of_it = cost({.op = Op::kDown, .rows = 2, .linear = &down});
  EXPECT_EQ(cost_of_it.weight_bytes, 50);
  EXPECT_EQ(cost_of_it.float_operations, 2 * (2 * 4 * 8 + 4));
  EXPECT_EQ(cost_of_it.activation_bytes, 2 * (8 + 4 + 3 * 4) * 4);  // x, out, then out and hidden to hidden
}

TEST(StepCost, OfAttentionSeesWhatIsBeforeAndNoMoreThanItsWindow) {
  // Rows at 5, 6, 7 see 6, 7, 8 positions, all of which are 8; another sequence's row at 0 sees one.
  const nn::Step step = {.op = Op::kAttention, .rows = 4};
  const Cost all = cost(step, {{5, 3}, {0, 1}});
  EXPECT_EQ(all.float_operations, 4 * 2 * 2 * (6 + 7 + 8 + 1));     // 4 H d for each
  EXPECT_EQ(all.cache_bytes, (8 + 1) * 2 * 1 * 2 * 2);              // k and v, G, d, f16
  EXPECT_EQ(all.activation_bytes, 4 * 2 * 4 * 4);                   // q in, mixed out
  EXPECT_EQ(cost(step, {{5, 3}, {0, 1}}, nn::CacheType::kF32).cache_bytes, 2 * all.cache_bytes);

  // The last 2 positions of each: 4..5, 5..6, 6..7.
  const Cost near = cost({.op = Op::kAttention, .rows = 3, .linear = nullptr, .window = 2}, {{5, 3}});
  EXPECT_EQ(near.float_operations, 4 * 2 * 2 * (2 + 2 + 2));
  EXPECT_EQ(near.cache_bytes, 4 * 2 * 1 * 2 * 2);
}

TEST(StepCost, OfTheSmallSteps) {
  const Cost rope = cost({.op = Op::kRope, .rows = 5});
  EXPECT_EQ(rope.float_operations, 5 * 3 * (2 + 1) * 2);            // heads of q and k, of width 2
  EXPECT_EQ(rope.activation_bytes, 5 * (2 * 3 * 2 + 2 * 2) * 4);    // turned in place; k and v read
  EXPECT_EQ(rope.cache_bytes, 5 * 2 * 2 * 2);
  EXPECT_EQ(cost({.op = Op::kMlpNorm, .rows = 5}).activation_bytes, 5 * 2 * 4 * 4);
  EXPECT_EQ(cost({.op = Op::kActivation, .rows = 5}).activation_bytes, 5 * 3 * 8 * 4);
  const nn::Linear embedding({weight(DType::kQ4_0, 40, 4, 160)});
  const Cost looked_up = cost({.op = Op::kEmbed, .rows = 5, .linear = &embedding});
  EXPECT_EQ(looked_up.weight_bytes, 5 * 10);                        // a sixteenth of a panel each
  EXPECT_EQ(looked_up.operations(), 0);
  for (const Op op : {Op::kGather, Op::kStart, Op::kJoin, Op::kCheck, Op::kSample}) {
    EXPECT_EQ(cost({.op = op}).bytes() + cost({.op = op}).operations(), 0);
  }
}

TEST(StepCost, IsBoundByWhereItsPassFitsAndByNothingWhereItCostsNothing) {
  const Limits limits = {.host = {}, .memory_gbps = 10, .cache_gbps = 100, .cache_bytes = 1000,
                         .float_gflops = 50, .bfloat_gflops = 100, .int8_gops = 200};
  Cost reading;
  reading.weight_bytes = 500;
  EXPECT_EQ(bound_of_step(reading, 1001, limits).by, "memory");
  EXPECT_DOUBLE_EQ(bound_of_step(reading, 1001, limits).seconds, 500e-9 / 10);
  EXPECT_EQ(bound_of_step(reading, 1000, limits).by, "cache");
  EXPECT_DOUBLE_EQ(bound_of_step(reading, 1000, limits).seconds, 500e-9 / 100);
  EXPECT_EQ(bound_of_step({}, 1000, limits).by, "");
  EXPECT_EQ(bound_of_step({}, 1000, limits).seconds, 0);
}

}  // namespace
}  // namespace kinglet
