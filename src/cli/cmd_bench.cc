// kinglet bench: tokens per second of prompts and of generation, beside what the machine can do.

#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "cli/bench_output.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/number_list.h"
#include "cli/options.h"
#include "cli/output.h"
#include "kinglet/version.h"
#include "runtime/bench.h"
#include "runtime/inspect.h"
#include "runtime/limits.h"

namespace kinglet::cli {
namespace {

struct Options {
  std::vector<std::string> models;  // empty: the built-in one
  BenchGrid grid = {.prompt = {512},
                    .generate = {128},
                    .depth = {0},
                    .threads = {},
                    .batch = {128},
                    .repetitions = {5}};
  std::string cache_type = "f16", output = "md";
  Math math = Math::kExact;
  bool remeasure = false;
};

// "4.2M", "1.10B"
std::string short_count(std::uint64_t count) {
  const auto millions = static_cast<double>(count) * 1e-6;
  return millions < 1000 ? fmt::format("{:.1f}M", millions) : fmt::format("{:.2f}B", millions * 1e-3);
}

BenchedModel describe(const std::string& path) {
  const Inspection found = inspect(path);
  return {.file = found.file,
          .type = fmt::format("{} {} {}", found.architecture, short_count(found.parameters),
                              found.types.empty() ? "" : found.types.front().dtype),
          .file_bytes = found.file_bytes,
          .parameters = found.parameters};
}

// One line on a terminal that the next one takes the place of; nothing elsewhere.
void show_progress(const std::string& text) {
  if (!is_terminal_stderr()) return;
  std::fputs(fmt::format("\r\x1b[K{}", text).c_str(), stderr);
  std::fflush(stderr);
}

// The limits by threads, each looked up or measured before the first row that needs it.
class LimitsByThreads {
 public:
  explicit LimitsByThreads(bool remeasure) : remeasure_(remeasure) {}

  const Limits& of(std::size_t threads) {
    const auto known = limits_.find(threads);
    if (known != limits_.end()) return known->second;
    show_progress("measuring this machine");
    if (!remeasure_) return limits_[threads] = known_limits(limits_file(), threads);
    const Limits limits = measure_limits(threads);
    store_limits(limits_file(), limits);
    return limits_[threads] = limits;
  }

  // Limits that a result beats were measured while others used the machine: they are measured again,
  // and only grow.
  const Limits& of(const BenchResult& result) {
    const std::size_t threads = result.test.threads;
    Limits& limits = limits_[threads];
    if (bound_of(result.cost, result.passes, limits).seconds <= summary_of(result.seconds).median ||
        measured_again_[threads]++ >= kMostTimes) {
      return limits;
    }
    show_progress("measuring this machine again");
    limits = best_of(limits, measure_limits(threads));
    store_limits(limits_file(), limits);
    return limits;
  }

 private:
  static constexpr int kMostTimes = 3;

  bool remeasure_;
  std::map<std::size_t, Limits> limits_;
  std::map<std::size_t, int> measured_again_;
};

int bench(const Options& options) {
  const std::unique_ptr<BenchWriter> writer = make_bench_writer(options.output);
  BenchGrid grid = options.grid;
  grid.cache = cache_kind(options.cache_type);
  const std::vector<std::string> models =
      options.models.empty() ? std::vector<std::string>{""} : options.models;
  LimitsByThreads limits(options.remeasure);
  catch_interrupts();

  for (const std::string& path : models) {
    const BenchedModel described = describe(path);
    reset_peak_memory();
    const Model model = open_model({.model = path, .tokenizer = {}, .threads = 0, .math = options.math});
    Bench tests(model);
    for (const BenchTest& test : tests_of(grid)) {
      limits.of(test.threads);
      show_progress(fmt::format("{} {}", described.type, test.name()));
      const auto result = tests.run(test, [] { return interrupt() != 0; });
      if (!result) {
        show_progress("");
        writer->end();
        return 128 + interrupt();
      }
      const Limits& limit = limits.of(*result);
      show_progress("");
      writer->row(described, *result, limit);
    }
  }
  writer->end();
  return 0;
}

}  // namespace

void add_bench(CLI::App& app, int& exit_code) {
  constexpr std::int64_t kMostTokens = 1 << 24;
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("bench", "Measure tokens per second, beside what this machine can do");
  command
      ->add_option("-m,--model", options->models,
                   "Model, repeatable; without it the built-in model")
      ->type_name("PATH")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  const auto add_list = [&](const char* name, std::vector<std::size_t>& values, std::int64_t min,
                            std::int64_t max, const char* help) {
    command
        ->add_option_function<std::string>(
            name,
            [options, name, min, max, &values](const std::string& text) {
              values = parse_numbers(name, text, min, max);
            },
            help)
        ->type_name("LIST");
  };
  options->grid.threads = {default_threads()};
  add_list("-p,--n-prompt", options->grid.prompt, 0, kMostTokens, "Prompt sizes (512); 0: none");
  add_list("-n,--n-gen", options->grid.generate, 0, kMostTokens, "Generated tokens (128); 0: none");
  add_list("-d,--n-depth", options->grid.depth, 0, kMostTokens,
           "Positions that the cache holds before (0)");
  add_list("-t,--threads", options->grid.threads, 1, 1024, "Threads (the cores it may use)");
  add_list("-b,--batch-size", options->grid.batch, 1, 65536, "Rows of a prompt's pass (128)");
  add_list("-r,--repetitions", options->grid.repetitions, 1, 100000, "Repetitions (5)");
  command->add_option("--cache-type", options->cache_type, "KV cache: f16 (default), f32 or q8_0")
      ->type_name("TYPE");
  add_math_option(command, options->math);
  command->add_option("-o,--output", options->output, "md (default), csv, json or jsonl")
      ->type_name("FORMAT");
  command->add_flag("--remeasure", options->remeasure,
                    "Measure the machine's limits again, not the stored ones");
  command->footer(
      "LIST: 512 or 1,2,8 or 1-4, 0-4096+1024, 16-256*2. Rows and letters are llama-bench's.\n\n"
      "Examples:\n"
      "  kinglet bench -m model.gguf -p 512 -n 128 -d 0,2048\n"
      "  kinglet bench -m a.gguf -m b.gguf -t 1-4 -o jsonl");
  add_bench_matmul(*command);
  command->require_subcommand(0, 1);
  command->callback([command, options, &exit_code] {
    if (command->get_subcommands().empty()) exit_code = bench(*options);
  });
}

}  // namespace kinglet::cli
