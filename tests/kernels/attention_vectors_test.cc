// Attention that is written down with its numbers: ../shared/vectors/seed/attention.json, four queries
// that see four keys, computed in double precision.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "kernels/each_level.h"

namespace kinglet::test {
namespace {

using Table = std::vector<std::vector<float>>;

const std::filesystem::path kVectors =
    std::filesystem::path(KINGLET_SOURCE_DIR) / "../shared/vectors/seed/attention.json";

class AttentionVectorsTest : public EachLevel {};
INSTANTIATE_TEST_SUITE_P(, AttentionVectorsTest, all_levels(), level_name);

TEST_P(AttentionVectorsTest, WeightsAndOutputsAreTheWrittenOnes) {
  if (!std::filesystem::exists(kVectors)) GTEST_SKIP() << "needs ../shared/vectors";
  std::ifstream file(kVectors);
  const nlohmann::json json = nlohmann::json::parse(file);
  const auto q = json.at("Q").get<Table>(), k = json.at("K").get<Table>(), v = json.at("V").get<Table>();
  ASSERT_FALSE(json.at("causal").get<bool>());
  const std::size_t width = q[0].size(), positions = k.size();

  const kernels::CacheFunctions& cache = kernels().cache_f32;
  std::vector<std::byte> keys(cache.key_panel_bytes(width)), values(positions * cache.value_row_bytes(width));
  for (std::size_t p = 0; p < positions; ++p) {
    cache.store(k[p].data(), v[p].data(), width, p, keys.data(), values.data());
  }
  for (std::size_t t = 0; t < q.size(); ++t) {
    std::vector<float> weights(positions), output(width);
    const kernels::Query query = {.q = q[t].data(), .out = output.data(), .begin = 0, .end = positions};
    const kernels::Attend call = {.queries = &query, .count = 1, .keys = keys.data(), .values = values.data(),
                                  .head_width = width,
                                  .scale = static_cast<float>(1 / std::sqrt(static_cast<double>(width)))};
    cache.probabilities(call, weights.data());
    cache.attend(call);
    for (std::size_t i = 0; i < positions; ++i) {
      EXPECT_NEAR(static_cast<double>(weights[i]), json.at("weights")[t][i].get<double>(), 1e-6) << t << ' ' << i;
    }
    for (std::size_t i = 0; i < width; ++i) {
      EXPECT_NEAR(static_cast<double>(output[i]), json.at("output")[t][i].get<double>(), 1e-6) << t << ' ' << i;
    }
  }
}

}  // namespace
}  // namespace kinglet::test
