#include "cli/bench_output.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cmath>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/text.h"
#include "cli/options.h"
#include "cli/output.h"
#include "kinglet/error.h"
#include "kinglet/version.h"

namespace kinglet::cli {
namespace {

using Json = nlohmann::ordered_json;

// What a row says beside what was measured.
struct Figures {
  Summary nanoseconds, rate;  // of a repetition; tokens per second
  std::vector<double> rates;
  double gbps = 0, gops = 0;  // at the median
  Bound bound;
  double percent = 0;  // of the binding limit
};

Figures figures_of(const BenchResult& result, const Limits& limits) {
  Figures f;
  std::vector<double> nanoseconds;
  for (const double seconds : result.seconds) {
    nanoseconds.push_back(seconds * 1e9);
    f.rates.push_back(static_cast<double>(result.test.tokens()) / seconds);
  }
  f.nanoseconds = summary_of(nanoseconds);
  f.rate = summary_of(f.rates);
  const double median = f.nanoseconds.median;
  f.gbps = result.cost.bytes() / median;
  f.gops = result.cost.operations() / median;
  f.bound = bound_of(result.cost, result.passes, limits);
  f.percent = 100 * f.bound.seconds * 1e9 / median;
  return f;
}

Json to_json(const BenchedModel& model, const BenchResult& result, const Limits& limits) {
  const BenchTest& test = result.test;
  const Figures f = figures_of(result, limits);
  std::vector<std::uint64_t> samples;
  for (const double seconds : result.seconds) {
    samples.push_back(static_cast<std::uint64_t>(std::llround(seconds * 1e9)));
  }
  return {{"build_commit", "kinglet " + version()},
          {"compiler", __VERSION__},
          {"cpu_info", limits.host.cpu},
          {"isa", limits.host.isa},
          {"model_filename", model.file},
          {"model_type", model.type},
          {"model_size", model.file_bytes},
          {"model_n_params", model.parameters},
          {"n_batch", test.batch},
          {"n_ubatch", test.batch},
          {"n_threads", test.threads},
          {"type_k", cache_name(test.cache)},
          {"type_v", cache_name(test.cache)},
          {"n_prompt", test.prompt},
          {"n_gen", test.generate},
          {"n_depth", test.depth},
          {"test_time", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)))},
          {"avg_ns", static_cast<std::uint64_t>(std::llround(f.nanoseconds.mean))},
          {"stddev_ns", static_cast<std::uint64_t>(std::llround(f.nanoseconds.deviation))},
          {"avg_ts", f.rate.mean},
          {"stddev_ts", f.rate.deviation},
          {"median_ts", f.rate.median},
          {"gbps", f.gbps},
          {"gops", f.gops},
          {"limit", f.bound.by},
          {"limit_percent", f.percent},
          {"limit_memory_gbps", limits.memory_gbps},
          {"limit_cache_gbps", limits.cache_gbps},
          {"limit_float_gflops", limits.float_gflops},
          {"limit_bfloat_gflops", limits.bfloat_gflops},
          {"limit_int8_gops", limits.int8_gops},
          {"peak_memory", result.peak_memory_bytes},
          {"samples_ns", samples},
          {"samples_ts", f.rates}};
}

std::string dump(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

class JsonWriter final : public BenchWriter {
 public:
  void row(const BenchedModel& model, const BenchResult& result, const Limits& limits) override {
    print(rows_++ == 0 ? "[\n" : ",\n");
    print(dump(to_json(model, result, limits), 2));
  }
  void end() override { print(rows_ == 0 ? "[]\n" : "\n]\n"); }

 private:
  std::size_t rows_ = 0;
};

class JsonLinesWriter final : public BenchWriter {
 public:
  void row(const BenchedModel& model, const BenchResult& result, const Limits& limits) override {
    print_line(dump(to_json(model, result, limits)));
    flush();
  }
};

// All but the lists; every value in quotes, as llama-bench writes them.
class CsvWriter final : public BenchWriter {
 public:
  void row(const BenchedModel& model, const BenchResult& result, const Limits& limits) override {
    std::string names, values;
    const Json json = to_json(model, result, limits);
    for (const auto& [name, value] : json.items()) {
      if (value.is_array()) continue;
      const char* comma = names.empty() ? "" : ",";
      names += comma + name;
      values += comma + in_quotes(value.is_string() ? value.get<std::string>() : dump(value));
    }
    if (rows_++ == 0) print_line(names);
    print_line(values);
    flush();
  }

 private:
  static std::string in_quotes(const std::string& text) {
    std::string quoted = "\"";
    for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
    return quoted + '"';
  }
  std::size_t rows_ = 0;
};

class MarkdownWriter final : public BenchWriter {
 public:
  void row(const BenchedModel& model, const BenchResult& result, const Limits& limits) override {
    const Figures f = figures_of(result, limits);
    if (rows_++ == 0) print(kHead);
    print_line(fmt::format(
        "| {:<24} | {:>10} | {:>7} | {:>5} | {:<14} | {:>18} | {:>8.2f} | {:>6.1f} | {:>8.1f} | "
        "{:>12} | {:>10} |",
        model.type, human_bytes(model.file_bytes), result.test.threads, result.test.batch,
        result.test.name(), fmt::format("{:.2f} ± {:.2f}", f.rate.mean, f.rate.deviation),
        f.rate.median, f.gbps, f.gops, fmt::format("{:.0f} % {}", f.percent, f.bound.by),
        human_bytes(result.peak_memory_bytes)));
    flush();
    limits_[limits.host.threads] = limits;
  }
  void end() override {
    for (const auto& [threads, l] : limits_) {
      print_line(fmt::format(
          "\n{} thread{}: memory {:.1f} GB/s, cache {:.1f} GB/s, floats {:.0f} GFLOP/s, bf16 {:.0f} "
          "GFLOP/s, bytes {:.0f} GOP/s",
          threads, threads == 1 ? "" : "s", l.memory_gbps, l.cache_gbps, l.float_gflops,
          l.bfloat_gflops, l.int8_gops));
    }
    if (limits_.empty()) return;
    const Limits::Host& host = limits_.begin()->second.host;
    print_line(fmt::format("\nkinglet {}, compiler {}, {}, {}", host.version, __VERSION__, host.cpu,
                           host.isa));
  }

 private:
  static constexpr std::string_view kHead =
      "| model                    |       size | threads | batch | test           |    "
      "            t/s |   median |   GB/s |  GFLOP/s |     of limit |       peak |\n"
      "| ------------------------ | ---------: | ------: | ----: | -------------- | ---"
      "--------------: | -------: | -----: | -------: | -----------: | ---------: |\n";
  std::size_t rows_ = 0;
  std::map<std::size_t, Limits> limits_;  // by threads
};

}  // namespace

std::unique_ptr<BenchWriter> make_bench_writer(std::string_view format) {
  if (format == "md") return std::make_unique<MarkdownWriter>();
  if (format == "csv") return std::make_unique<CsvWriter>();
  if (format == "json") return std::make_unique<JsonWriter>();
  if (format == "jsonl") return std::make_unique<JsonLinesWriter>();
  throw usage_error("option --output").found(quoted(format)).allowed("md, csv, json, jsonl");
}

}  // namespace kinglet::cli
