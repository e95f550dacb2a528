// What a pass costs, against a count by hand; what binds it.

#include "runtime/cost.h"

#include <gtest/gtest.h>

#include <vector>

namespace kinglet {
namespace {

// Two layers of width 4 with 2 heads of 2 and 1 key/value head, a vocabulary of 10.
class FakeModel final : public arch::Model {
 public:
  explicit FakeModel(std::vector<arch::Matrix> matrices, Math math = Math::kExact)
      : Model(math), matrices_(std::move(matrices)) {}

  const nn::Shape& shape() const override { return shape_; }
  std::span<const arch::Matrix> matrices() const override { return matrices_; }
  std::size_t weight_bytes() const override { return 0; }
  Rows forward(Team&, const nn::Batch&, nn::Workspace&, const nn::Tap*) const override { return {}; }
  Rows logits_of(Team&, ConstRows, nn::Workspace&) const override { return {}; }

 private:
  nn::Shape shape_ = {.layers = 2, .width = 4, .mlp_width = 8, .heads = 2, .kv_heads = 1,
                      .head_width = 2, .vocabulary = 10, .context = 64};
  std::vector<arch::Matrix> matrices_;
};

using arch::Matrix;

const Matrix kEmbedding = {"embedding", DType::kF32, 10, 4, 1000, Matrix::Rows::kLookedUp};
const Matrix kInBytes = {"w", DType::kQ8_0, 8, 4, 300, Matrix::Rows::kAll};
const Matrix kInFloats = {"v", DType::kBF16, 4, 8, 70, Matrix::Rows::kAll};
const Matrix kHead = {"head", DType::kF16, 10, 4, 500, Matrix::Rows::kWanted};

TEST(Cost, OfOneTokenIsTheCountByHand) {
  const FakeModel model({kEmbedding, kInBytes, kInFloats, kHead});
  const Cost cost = cost_of(model, {.rows = 1, .past = 6, .wanted = 1}, nn::CacheType::kF16);
  EXPECT_EQ(cost.weight_bytes, 300 + 70 + 500);           // the embedding is not read
  EXPECT_EQ(cost.cache_bytes, 2 * 2 * 1 * 2 * 7 * 2);     // L, k and v, G, d, positions, bytes
  EXPECT_EQ(cost.int8_operations, 2 * 8 * 4);
  EXPECT_EQ(cost.float_operations, 2 * 4 * 8 + 2 * 10 * 4  // v, head
                                       + 2 * (2 * 2 * 2 + 2 * 2 * 2) * 7);  // L (q k + p v: 2 H d) S
}

TEST(Cost, OfAPromptReadsWeightsOnceAndSeesOnlyWhatIsBefore) {
  const FakeModel model({kEmbedding, kInBytes, kInFloats, kHead});
  const Cost cost = cost_of(model, {.rows = 3, .past = 5, .wanted = 1}, nn::CacheType::kF32);
  EXPECT_EQ(cost.weight_bytes, 300 + 70 + 500);
  EXPECT_EQ(cost.cache_bytes, 2 * 2 * 1 * 2 * 8 * 4);
  EXPECT_EQ(cost.int8_operations, 3 * 2 * 8 * 4);
  EXPECT_EQ(cost.float_operations, 3 * 2 * 4 * 8 + 1 * 2 * 10 * 4 + 2 * 16 * (6 + 7 + 8));
}

TEST(Cost, OfBf16ByBf16IsApart) {
  const FakeModel model({kInBytes, kInFloats, kHead}, Math::kBfloat);
  const Cost cost = cost_of(model, {.rows = 1, .past = 0, .wanted = 1}, nn::CacheType::kF16);
  EXPECT_EQ(cost.bfloat_operations, 2 * 4 * 8);
  EXPECT_EQ(cost.float_operations, 2 * 10 * 4 + 2 * (2 * 2 * 2 + 2 * 2 * 2));  // the head is f16
  EXPECT_EQ(cost.operations(), cost.float_operations + 2 * 4 * 8 + 2 * 8 * 4);
}

TEST(Cost, WithoutLogitsHasNoHead) {
  const FakeModel model({kInBytes, kHead});
  const Cost cost = cost_of(model, {.rows = 3, .past = 0, .wanted = 0}, nn::CacheType::kF16);
  EXPECT_EQ(cost.weight_bytes, 300);
}

TEST(Bound, IsTheLongerOfReadingAndComputing) {
  const Limits limits = {.host = {}, .memory_gbps = 10, .cache_gbps = 100, .cache_bytes = 1000,
                         .float_gflops = 50, .bfloat_gflops = 100, .int8_gops = 200};
  const auto bound = [&](double bytes, double floats, double ints, std::size_t passes) {
    return bound_of({.weight_bytes = bytes, .cache_bytes = 0, .float_operations = floats,
                     .int8_operations = ints}, passes, limits);
  };
  EXPECT_DOUBLE_EQ(bound_of({.float_operations = 1e6, .bfloat_operations = 1e6}, 1, limits).seconds, 2e-5 + 1e-5);
  EXPECT_EQ(bound(5e3, 1, 1, 1).by, "memory");
  EXPECT_DOUBLE_EQ(bound(5e3, 1, 1, 1).seconds, 5e-7);
  EXPECT_EQ(bound(5e3, 1, 1, 5).by, "cache");  // each pass's thousand stay there
  EXPECT_DOUBLE_EQ(bound(5e3, 1, 1, 5).seconds, 5e-8);
  EXPECT_EQ(bound(5e3, 1e6, 1e6, 1).by, "compute");
  EXPECT_DOUBLE_EQ(bound(5e3, 1e6, 1e6, 1).seconds, 2e-5 + 5e-6);
}

}  // namespace
}  // namespace kinglet
