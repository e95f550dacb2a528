#include "runtime/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <random>

#include "base/cpu.h"
#include "runtime/cache_type.h"
#include "runtime/engine.h"
#include "runtime/model_parts.h"

namespace kinglet {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<TokenId> random_ids(std::size_t count, std::size_t vocabulary) {
  std::mt19937 random(1);
  std::uniform_int_distribution<TokenId> id(0, static_cast<TokenId>(vocabulary - 1));
  std::vector<TokenId> ids(count);
  for (TokenId& value : ids) value = id(random);
  return ids;
}

struct Interrupted {};

// Runs ids through the engine.
class Passes {
 public:
  Passes(Engine& engine, nn::KvCache& cache, const std::function<bool()>& is_interrupted)
      : engine_(engine), cache_(cache), is_interrupted_(is_interrupted) {}

  // Logits of the last id only: what a prompt needs.
  void prompt(std::span<const TokenId> ids, std::size_t rows) {
    while (!ids.empty()) {
      const std::size_t count = std::min(rows, ids.size());
      pass(ids.first(count), count == ids.size());
      ids = ids.subspan(count);
    }
  }
  void generate(std::span<const TokenId> ids) {
    for (std::size_t i = 0; i < ids.size(); ++i) pass(ids.subspan(i, 1), true);
  }

 private:
  void pass(std::span<const TokenId> ids, bool with_logits) {
    if (is_interrupted_ && is_interrupted_()) throw Interrupted();
    const nn::SequenceRows sequence = {&cache_, ids.size()};
    const std::size_t last = ids.size() - 1;
    engine_.forward({.tokens = ids,
                     .vectors = {},
                     .sequences = {&sequence, 1},
                     .wanted = {&last, with_logits ? std::size_t{1} : 0}});
  }

  Engine& engine_;
  nn::KvCache& cache_;
  const std::function<bool()>& is_interrupted_;
};

// Of one repetition, and how many passes it has.
void count_cost(const arch::Model& model, BenchResult& result) {
  const BenchTest& test = result.test;
  const std::size_t rows = test.prompt > 0 ? test.batch : 1, tokens = test.tokens();
  for (std::size_t done = 0; done < tokens; ++result.passes) {
    const std::size_t count = std::min(rows, tokens - done);
    const bool with_logits = test.prompt == 0 || done + count == tokens;
    result.cost += cost_of(model,
                           {.rows = count,
                            .past = test.depth + done,
                            .wanted = with_logits ? std::size_t{1} : 0},
                           cache_type(test.cache));
    done += count;
  }
}

}  // namespace

std::string BenchTest::name() const {
  std::string name = prompt > 0 ? fmt::format("pp{}", prompt) : fmt::format("tg{}", generate);
  return depth == 0 ? name : fmt::format("{} @ d{}", name, depth);
}

std::vector<BenchTest> tests_of(const BenchGrid& grid) {
  std::vector<BenchTest> tests;
  const auto add = [&](BenchTest test) {
    for (const std::size_t depth : grid.depth) {
      test.depth = depth;
      for (const std::size_t prompt : grid.prompt) {
        test.prompt = prompt;
        if (prompt > 0) tests.push_back(test);
      }
      test.prompt = 0;
      for (const std::size_t generate : grid.generate) {
        test.generate = generate;
        if (generate > 0) tests.push_back(test);
      }
      test.generate = 0;
    }
  };
  for (const std::size_t threads : grid.threads) {
    for (const std::size_t batch : grid.batch) {
      for (const std::size_t repetitions : grid.repetitions) {
        add({.threads = threads, .batch = batch, .repetitions = repetitions, .cache = grid.cache});
      }
    }
  }
  return tests;
}

Summary summary_of(std::vector<double> values) {
  Summary summary;
  if (values.empty()) return summary;
  const auto count = static_cast<double>(values.size());
  summary.mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double squares = 0;
  for (const double value : values) squares += (value - summary.mean) * (value - summary.mean);
  if (values.size() > 1) summary.deviation = std::sqrt(squares / (count - 1));
  std::sort(values.begin(), values.end());
  summary.median = (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
  return summary;
}

nn::KvCache& Bench::cache_for(const BenchTest& test) {
  const std::size_t needed = test.depth + test.tokens();
  if (!cache_ || cache_->capacity() < needed || cache_->type() != cache_type(test.cache)) {
    cache_.reset();  // before the next one is made
    cache_.emplace(model_.parts().model->shape(), needed, cache_type(test.cache));
  }
  return *cache_;
}

std::optional<BenchResult> Bench::run(const BenchTest& test,
                                      const std::function<bool()>& is_interrupted) try {
  const arch::Model& model = *model_.parts().model;
  BenchResult result;
  result.test = test;
  count_cost(model, result);

  const std::size_t rows = std::max(test.batch, std::size_t{1});
  const std::vector<TokenId> ids = random_ids(test.depth + test.tokens(), model_.vocabulary());
  const std::span<const TokenId> tested = std::span(ids).subspan(test.depth);
  Engine engine(model, test.threads, rows, 1);
  nn::KvCache& cache = cache_for(test);
  Passes passes(engine, cache, is_interrupted);

  cache.truncate(std::min(cache.length(), test.depth));  // what is there are the same ids
  passes.prompt(std::span(ids).subspan(cache.length(), test.depth - cache.length()), rows);
  if (test.prompt > 0) {
    passes.prompt(tested, rows);
  } else {
    passes.generate(tested.first(1));
  }
  for (std::size_t i = 0; i < test.repetitions; ++i) {
    cache.truncate(test.depth);
    const Clock::time_point start = Clock::now();
    if (test.prompt > 0) {
      passes.prompt(tested, rows);
    } else {
      passes.generate(tested);
    }
    result.seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  result.peak_memory_bytes = peak_memory_bytes();
  return result;
} catch (const Interrupted&) {
  return std::nullopt;
}

}  // namespace kinglet
