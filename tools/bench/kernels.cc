// kinglet_bench_kernels: single kernels, one thread, on every instruction set of this machine.
//
//   gemv/<isa>/<type>/<N>x<K>          bytes per second: beside read/ it shows how near to memory
//   gemm/<isa>/<type>/<N>x<K>/<tokens> items per second are multiply-adds x 2
//   exp/<isa>, attend/<isa>/<positions>
//   read/<MiB>                         the machine's own: a plain sum over memory

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstring>
#include <random>
#include <vector>

#include "base/memory.h"
#include "dtype/format.h"
#include "dtype/pack_panel.h"
#include "kernels/dispatch.h"

namespace {

using namespace kinglet;

// Random bytes are no valid numbers everywhere; halves with small exponents are.
void fill(std::byte* bytes, std::size_t size) {
  std::mt19937 random(1);
  for (std::size_t i = 0; i + 1 < size; i += 2) {
    const auto half = static_cast<std::uint16_t>(0x2000u | (random() & 0x8FFFu));
    std::memcpy(bytes + i, &half, 2);
  }
}

struct Problem {
  DType dtype;
  std::size_t out, in, tokens;
};

void time_matmul(benchmark::State& state, const kernels::Table* table, const Problem& problem) {
  const std::size_t panels = problem.out / 16;
  const std::size_t panel_bytes = dtype::panel_bytes(problem.dtype, problem.in);
  AlignedBytes weights(panels * panel_bytes);
  fill(weights.data(), weights.size());
  std::vector<float> x(problem.tokens * problem.in, 0.5f), out(problem.tokens * problem.out);
  std::vector<kernels::Int8Block> blocks(problem.tokens * problem.in / 32);
  kernels::Matmul call = {.panels = weights.data(),
                          .panel_bytes = panel_bytes,
                          .out_width = problem.out,
                          .in_width = problem.in,
                          .bias = nullptr,
                          .tokens = problem.tokens,
                          .x = x.data(),
                          .x_stride = problem.in,
                          .q = {blocks.data(), problem.in / 32},
                          .out = out.data(),
                          .out_stride = problem.out};
  for (std::size_t t = 0; t < problem.tokens; ++t) {
    table->quantize(x.data() + t * problem.in, 0, problem.in, call.q, t);
  }
  for (auto _ : state) {
    table->matmul[static_cast<std::size_t>(problem.dtype)](call, 0, panels);
    benchmark::ClobberMemory();
  }
  const auto runs = static_cast<std::int64_t>(state.iterations());
  state.SetBytesProcessed(runs * static_cast<std::int64_t>(weights.size()));
  state.SetItemsProcessed(runs * static_cast<std::int64_t>(2 * problem.out * problem.in * problem.tokens));
}

void time_exp(benchmark::State& state, const kernels::Table* table) {
  std::vector<float> x(16384), y(16384);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = -87.0f * static_cast<float>(i) / 16384.0f;
  for (auto _ : state) {
    table->exp(x.data(), x.size(), y.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * x.size()));
}

// 8 query heads of width 64 over one key/value head.
void time_attend(benchmark::State& state, const kernels::Table* table, std::size_t positions) {
  constexpr std::size_t kWidth = 64;
  std::vector<std::uint16_t> keys(positions * kWidth, 0x3000), values(positions * kWidth, 0x3400);
  std::vector<float> q(8 * kWidth, 0.25f), out(8 * kWidth);
  kernels::Query queries[8];
  for (std::size_t i = 0; i < 8; ++i) {
    queries[i] = {q.data() + i * kWidth, out.data() + i * kWidth, 0, positions};
  }
  const kernels::Attend call = {queries, 8, reinterpret_cast<const std::byte*>(keys.data()),
                                reinterpret_cast<const std::byte*>(values.data()), kWidth, 0.125f};
  for (auto _ : state) {
    table->cache_f16.attend(call);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * 8 * 4 * kWidth * positions));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * 4 * kWidth * positions));
}

void time_read(benchmark::State& state, std::size_t bytes) {
  AlignedBytes memory(bytes);
  std::memset(memory.data(), 1, bytes);
  const auto* words = memory.as<std::uint64_t>();
  for (auto _ : state) {
    std::uint64_t sums[8] = {};
    for (std::size_t i = 0; i < bytes / 8; i += 8) {
      for (std::size_t j = 0; j < 8; ++j) sums[j] += words[i + j];
    }
    benchmark::DoNotOptimize(sums);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes));
}

}  // namespace

int main(int argc, char** argv) {
  for (const std::size_t mib : {std::size_t{1}, std::size_t{256}}) {
    benchmark::RegisterBenchmark(fmt::format("read/{}", mib).c_str(), time_read, mib << 20);
  }
  for (const kernels::Table* table : kernels::available()) {
    for (std::size_t i = 0; i < dtype::kWeightFormats; ++i) {
      const auto dtype = static_cast<DType>(i);
      const char* type = dtype::name_of(dtype);
      benchmark::RegisterBenchmark(fmt::format("gemv/{}/{}/2048x5632", table->isa, type).c_str(),
                                   time_matmul, table, Problem{dtype, 2048, 5632, 1});
      benchmark::RegisterBenchmark(fmt::format("gemm/{}/{}/512x2048/128", table->isa, type).c_str(),
                                   time_matmul, table, Problem{dtype, 512, 2048, 128});
    }
    benchmark::RegisterBenchmark(fmt::format("exp/{}", table->isa).c_str(), time_exp, table);
    benchmark::RegisterBenchmark(fmt::format("attend/{}/4096", table->isa).c_str(), time_attend, table,
                                 std::size_t{4096});
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
