#pragma once

// What this machine can do at most, measured: the lines that a benchmark is drawn against.
//
// Best of several short runs, all threads together. Measuring takes about a second, so what was
// found is kept in a file and found again by processor, cores, threads, instruction set and version.

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

namespace kinglet {

struct Limits {
  // What they hold for.
  struct Host {
    std::string cpu, isa, version;
    std::size_t cores = 0, threads = 0;
    bool operator==(const Host&) const = default;
  };
  Host host;
  double memory_gbps = 0;      // reading memory that no cache holds
  double cache_gbps = 0;       // reading the last-level cache; 0 where its size is not known
  std::size_t cache_bytes = 0;  // its size
  double float_gflops = 0;     // f32 multiply-adds, two operations each
  double bfloat_gflops = 0;    // the same of bf16 with sums in f32; of floats where bf16 are multiplied so
  double int8_gops = 0;        // the same of bytes
};

// This machine, with `threads` threads and the instruction set in use.
Limits::Host limits_host(std::size_t threads);

// Errors (kRuntime): out of memory.
Limits measure_limits(std::size_t threads);

// The larger of each figure: what two measurements have shown the machine to be able to do.
Limits best_of(const Limits& a, const Limits& b);

// ${XDG_CACHE_HOME:-~/.cache}/kinglet/limits.json; empty where neither is set.
std::filesystem::path limits_file();

// Nothing where the file is absent, damaged or has none for this host.
std::optional<Limits> load_limits(const std::filesystem::path& file, const Limits::Host& host);
// Adds to the file what it lacks or replaces what it has. False where it cannot be written.
bool store_limits(const std::filesystem::path& file, const Limits& limits);

// Those of the file, or else measured and stored where that is possible.
Limits known_limits(const std::filesystem::path& file, std::size_t threads);

}  // namespace kinglet
