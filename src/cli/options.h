#pragma once

// What the commands' options have in common: strict numbers, and the options that mean the same
// everywhere.

#include <CLI/CLI.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kinglet/generate.h"
#include "kinglet/model.h"

namespace kinglet::cli {

// A whole number or a decimal one, all of `text`, in [min, max]; independent of the locale.
// Errors (kUsage): naming option, value and range.
std::int64_t parse_integer(std::string_view option, std::string_view text, std::int64_t min,
                           std::int64_t max);
double parse_number(std::string_view option, std::string_view text, double min, double max);
std::uint64_t parse_size(std::string_view option, std::string_view text);  // bytes: "80MB", "1.5GiB", "4096"
std::uint64_t parse_seed(std::string_view option, std::string_view text);  // [0, 2^64)
std::vector<TokenId> parse_ids(std::string_view option, std::string_view text);  // "1,2,3"

// Those ids, all in the model's vocabulary. Errors (kUsage).
std::vector<TokenId> given_ids(const Model& model, std::string_view option, std::string_view text);

// Options that take such numbers; `value` keeps what it holds where the option is not given.
CLI::Option* add_integer(CLI::App* command, const std::string& name, std::size_t& value,
                         std::int64_t min, std::int64_t max, const std::string& help);
CLI::Option* add_number(CLI::App* command, const std::string& name, float& value, double min,
                        double max, const std::string& help);

// Any number of arguments, each as it stands: of a vector's, the parser would take "[a,b]" apart. It knows
// the first alone; the command's callback takes what is left over. Errors: an option among it.
CLI::Option* add_arguments(CLI::App* command, const std::string& name, std::vector<std::string>& values,
                           const std::string& help);
void take_more_arguments(const CLI::App* command, std::vector<std::string>& values);

// -t; `threads` is 0 where neither it nor KINGLET_THREADS is given: the cores this process may use.
void add_threads_option(CLI::App* command, std::size_t& threads);

// -m, --tokenizer, -t
struct ModelOptions {
  std::string model;      // empty: built in
  std::string tokenizer;  // empty: what the model brings
  std::size_t threads = 0;
  Math math = Math::kExact;
};
void add_model_options(CLI::App* command, ModelOptions& options);
void add_math_option(CLI::App* command, Math& math);
Model open_model(const ModelOptions& options);

// -c, --cache-type, --chunk
struct RunOptions {
  std::size_t context = 0;
  std::string cache_type = "f16";
  std::size_t chunk = 128;
};
void add_run_options(CLI::App* command, RunOptions& options);
CacheKind cache_kind(const RunOptions& options);
CacheKind cache_kind(std::string_view type);
std::string cache_name(CacheKind kind);  // as the option has it

// -q, -v
struct Verbosity {
  bool quiet = false, verbose = false;
};
void add_verbosity(CLI::App* command, Verbosity& verbosity);

// Help's last lines: two examples.
void set_examples(CLI::App* command, const std::string& first, const std::string& second);

}  // namespace kinglet::cli
