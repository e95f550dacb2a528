#pragma once

// Speed of whole passes: prompts of random ids in passes of `batch` rows, and generation token by
// token, each after `depth` positions that the cache holds already. No text, no sampling.

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kinglet/generate.h"
#include "kinglet/model.h"
#include "nn/kv_cache.h"
#include "runtime/cost.h"

namespace kinglet {

// Either a prompt of `prompt` tokens or `generate` new ones.
struct BenchTest {
  std::size_t prompt = 0, generate = 0;
  std::size_t depth = 0;
  std::size_t threads = 1;
  std::size_t batch = 128;
  std::size_t repetitions = 5;
  CacheKind cache = CacheKind::kF16;

  std::size_t tokens() const { return prompt + generate; }
  std::string name() const;  // "pp512", "tg128 @ d1024"
};

// All tests, by threads, batch, depth, then prompts before generation. Sizes of 0 give none.
struct BenchGrid {
  std::vector<std::size_t> prompt, generate, depth, threads, batch, repetitions;
  CacheKind cache = CacheKind::kF16;
};
std::vector<BenchTest> tests_of(const BenchGrid& grid);

struct BenchResult {
  BenchTest test;
  std::vector<double> seconds;  // of each repetition
  Cost cost;                    // of one repetition
  std::size_t passes = 0;       // in one
  std::size_t peak_memory_bytes = 0;
};

struct Summary {
  double mean = 0, deviation = 0, median = 0;  // deviation: of a sample (n - 1), 0 for one value
};
Summary summary_of(std::vector<double> values);

class Bench {
 public:
  explicit Bench(const Model& model) : model_(model) {}

  // A warm-up, then the repetitions. Nothing where is_interrupted() said so between two passes.
  // Errors (kRuntime): out of memory, logits that are not finite.
  std::optional<BenchResult> run(const BenchTest& test, const std::function<bool()>& is_interrupted);

 private:
  nn::KvCache& cache_for(const BenchTest& test);

  const Model& model_;
  std::optional<nn::KvCache> cache_;  // kept, as filling it may take longer than a test
};

}  // namespace kinglet
