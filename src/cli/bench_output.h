#pragma once

// Rows of `kinglet bench` as Markdown, CSV or JSON. Keys are llama-bench's where it has them, so that
// scripts written for it read ours.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/bench.h"
#include "runtime/limits.h"

namespace kinglet::cli {

struct BenchedModel {
  std::string file, type;  // "llama 134.5M q4_0"
  std::uint64_t file_bytes = 0, parameters = 0;
};

// Writes rows to stdout as they come.
class BenchWriter {
 public:
  virtual ~BenchWriter() = default;
  virtual void row(const BenchedModel& model, const BenchResult& result, const Limits& limits) = 0;
  virtual void end() {}
};

// md, csv, json, jsonl. Errors (kUsage): another name.
std::unique_ptr<BenchWriter> make_bench_writer(std::string_view format);

}  // namespace kinglet::cli
