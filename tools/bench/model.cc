// kinglet_bench_model [MODEL]: whole passes of a model (without one: the built-in).
//
//   prefill/256/chunk:C   256 tokens in passes of C; chunk 1 is token by token
//   decode/f16, /f32      128 new tokens, greedy, by type of cache
//
// Items per second are tokens per second. KINGLET_THREADS sets the threads.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "kinglet/error.h"
#include "kinglet/generate.h"
#include "kinglet/model.h"

namespace {

using namespace kinglet;

std::size_t threads() {
  const char* value = std::getenv("KINGLET_THREADS");
  return value == nullptr ? 0 : std::strtoul(value, nullptr, 10);
}

Request prompt_of(const Model& model, std::size_t tokens) {
  Request request;
  for (std::size_t i = 0; i < tokens; ++i) {
    request.prompt.push_back(static_cast<TokenId>(i * 37 % model.vocabulary()));
  }
  request.sampling.temperature = 0;
  request.ignore_end_ids = true;
  return request;
}

void prefill(benchmark::State& state, const Model& model, std::size_t chunk) {
  Request request = prompt_of(model, 256);
  request.tokens = 0;
  for (auto _ : state) generate(model, {request}, {.threads = threads(), .chunk = chunk});
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * request.prompt.size()));
}

void decode(benchmark::State& state, const Model& model, CacheKind cache) {
  Request request = prompt_of(model, 1);
  request.tokens = 128;
  for (auto _ : state) {
    const Generated generated = generate(model, {request}, {.cache = cache, .threads = threads()});
    state.SetIterationTime(generated.timings.decode_seconds);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * (request.tokens - 1)));
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  try {
    const Model model = argc > 1 ? Model::open(argv[1]) : Model::built_in();
    constexpr std::size_t kChunks[] = {1, 8, 32, 128, 256};
    for (const std::size_t chunk : kChunks) {
      benchmark::RegisterBenchmark(fmt::format("prefill/256/chunk:{}", chunk).c_str(), prefill,
                                   std::cref(model), chunk)
          ->UseRealTime();
    }
    benchmark::RegisterBenchmark("decode/f16", decode, std::cref(model), CacheKind::kF16)
        ->UseManualTime();
    benchmark::RegisterBenchmark("decode/f32", decode, std::cref(model), CacheKind::kF32)
        ->UseManualTime();
    benchmark::RunSpecifiedBenchmarks();
  } catch (const Error& error) {
    std::fprintf(stderr, "kinglet_bench_model: error: %s\n", error.what());
    return static_cast<int>(error.fault());
  }
}
