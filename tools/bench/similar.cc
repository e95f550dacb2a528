// Exact search by cosine: microseconds for one query, beside reading the same vectors once.
//
//   kinglet_bench_similar [--benchmark_filter=...]     rows x width x threads

#include <benchmark/benchmark.h>

#include <cstddef>
#include <random>
#include <vector>

#include "dense/cosine.h"

namespace {

using namespace kinglet;

void nearest_of(benchmark::State& state) {
  const auto rows = static_cast<std::size_t>(state.range(0)), width = static_cast<std::size_t>(state.range(1));
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(rows * width);
  for (float& value : values) value = normal(random);
  std::vector<double> query(width);
  for (double& value : query) value = normal(random);

  const dense::VectorTable table(std::move(values), width, {.file = "made", .lines = {}});
  Team team(static_cast<std::size_t>(state.range(2)));
  const dense::CosineIndex index(table, team);
  for (auto _ : state) benchmark::DoNotOptimize(index.nearest(query, 10, team));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * rows * width * sizeof(float)));
}
BENCHMARK(nearest_of)
    ->ArgNames({"rows", "width", "threads"})
    ->Args({100'000, 384, 1})
    ->Args({100'000, 384, 2})
    ->Args({100'000, 768, 2})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
