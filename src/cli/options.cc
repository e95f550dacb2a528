#include "cli/options.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "base/text.h"
#include "kinglet/error.h"
#include "runtime/cache_type.h"

namespace kinglet::cli {
namespace {

constexpr std::int64_t kMaxThreads = 1024;
constexpr std::int64_t kMaxContext = 1 << 24;

Error bad_value(std::string_view option, std::string_view text, std::string allowed) {
  return usage_error(fmt::format("option {}", option))
      .found(kinglet::quoted(text))
      .allowed(std::move(allowed));
}

// All of `text` as a number of type T, or nothing.
template <class T>
bool parse_all(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

std::int64_t parse_integer(std::string_view option, std::string_view text, std::int64_t min,
                           std::int64_t max) {
  std::int64_t value = 0;
  if (parse_all(text, value) && value >= min && value <= max) return value;
  throw bad_value(option, text, fmt::format("a whole number in [{}, {}]", min, max));
}

double parse_number(std::string_view option, std::string_view text, double min, double max) {
  double value = 0;
  if (parse_all(text, value) && value >= min && value <= max) return value;
  throw bad_value(option, text, std::isinf(max) ? fmt::format("a number of at least {}", min)
                                                : fmt::format("a number in [{}, {}]", min, max));
}

std::uint64_t parse_size(std::string_view option, std::string_view text) {
  struct Unit {
    std::string_view name;
    double bytes;
  };
  constexpr Unit kUnits[] = {{"kB", 1e3},  {"KB", 1e3},       {"MB", 1e6},          {"GB", 1e9},
                             {"KiB", 1024}, {"MiB", 1 << 20}, {"GiB", 1 << 30},     {"B", 1}, {"", 1}};
  for (const Unit& unit : kUnits) {
    if (!text.ends_with(unit.name)) continue;
    double number = 0;
    if (!parse_all(text.substr(0, text.size() - unit.name.size()), number)) continue;
    const double bytes = number * unit.bytes;
    if (bytes >= 1 && bytes < 1e15) return static_cast<std::uint64_t>(bytes);
  }
  throw bad_value(option, text, "a size such as 80MB, 75MiB, 1.5GB");
}

std::uint64_t parse_seed(std::string_view option, std::string_view text) {
  std::uint64_t value = 0;
  if (parse_all(text, value)) return value;
  throw bad_value(option, text, "a whole number in [0, 2^64)");
}

std::vector<TokenId> parse_ids(std::string_view option, std::string_view text) {
  std::vector<TokenId> ids;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view item = text.substr(0, comma);
    const std::size_t begin = item.find_first_not_of(" \n\t");
    const std::size_t end = item.find_last_not_of(" \n\t") + 1;
    ids.push_back(static_cast<TokenId>(
        parse_integer(option, begin == item.npos ? "" : item.substr(begin, end - begin), 0,
                      std::numeric_limits<TokenId>::max())));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return ids;
}

std::vector<TokenId> given_ids(const Model& model, std::string_view option, std::string_view text) {
  std::vector<TokenId> ids = parse_ids(option, text);
  const auto vocabulary = static_cast<TokenId>(model.vocabulary());
  for (const TokenId id : ids) {
    if (id < vocabulary) continue;
    throw usage_error("a token id is outside the vocabulary")
        .at(std::string(option))
        .found(fmt::format("{}", id))
        .allowed(fmt::format("[0, {})", vocabulary));
  }
  return ids;
}

CLI::Option* add_integer(CLI::App* command, const std::string& name, std::size_t& value,
                         std::int64_t min, std::int64_t max, const std::string& help) {
  return command
      ->add_option_function<std::string>(
          name,
          [&value, name, min, max](const std::string& text) {
            value = static_cast<std::size_t>(parse_integer(name, text, min, max));
          },
          help)
      ->type_name("N");
}

CLI::Option* add_number(CLI::App* command, const std::string& name, float& value, double min,
                        double max, const std::string& help) {
  return command
      ->add_option_function<std::string>(
          name,
          [&value, name, min, max](const std::string& text) {
            value = static_cast<float>(parse_number(name, text, min, max));
          },
          help)
      ->type_name("X");
}

CLI::Option* add_arguments(CLI::App* command, const std::string& name, std::vector<std::string>& values,
                           const std::string& help) {
  command->allow_extras();
  return command->add_option_function<std::string>(
      name, [&values](const std::string& value) { values.push_back(value); }, help);
}

void take_more_arguments(const CLI::App* command, std::vector<std::string>& values) {
  const std::vector<std::string> more = command->remaining();
  for (const std::string& value : more) {
    if (value.starts_with('-')) throw CLI::ExtrasError(command->get_name(), more);
  }
  values.insert(values.end(), more.begin(), more.end());
}

void add_threads_option(CLI::App* command, std::size_t& threads) {
  if (const char* given = std::getenv("KINGLET_THREADS"); given != nullptr && *given) {
    threads = static_cast<std::size_t>(parse_integer("KINGLET_THREADS", given, 1, kMaxThreads));
  }
  add_integer(command, "-t,--threads", threads, 1, kMaxThreads,
              "Threads; default: the cores this process may use");
}

void add_model_options(CLI::App* command, ModelOptions& options) {
  command
      ->add_option("-m,--model", options.model,
                   "GGUF file, HF directory, llama2.c .bin, kinglet-json or .npz file; without it the "
                   "built-in model")
      ->type_name("PATH");
  command->add_option("--tokenizer", options.tokenizer, "Vocabulary, where the model brings none")
      ->type_name("PATH");
  add_threads_option(command, options.threads);
  add_math_option(command, options.math);
}

void add_math_option(CLI::App* command, Math& math) {
  command
      ->add_option_function<std::string>(
          "--math",
          [&math](const std::string& name) {
            if (name != "exact" && name != "bf16") {
              throw usage_error("unknown arithmetic").at("--math").found(kinglet::quoted(name)).allowed("exact, bf16");
            }
            math = name == "bf16" ? Math::kBfloat : Math::kExact;
          },
          "exact (default); bf16: with bf16 weights, activations rounded to bf16")
      ->type_name("NAME");
}

Model open_model(const ModelOptions& options) {
  const OpenOptions open = {.tokenizer = options.tokenizer, .math = options.math, .threads = options.threads};
  return options.model.empty() ? Model::built_in(open) : Model::open(options.model, open);
}

void add_run_options(CLI::App* command, RunOptions& options) {
  add_integer(command, "-c,--ctx", options.context, 1, kMaxContext,
              "Context limit; default: the model's");
  command->add_option("--cache-type", options.cache_type, "KV cache: f16 (default), f32 or q8_0")
      ->type_name("TYPE");
  add_integer(command, "--chunk", options.chunk, 1, 65536,
              "Tokens per prefill pass; changes speed and memory, never a bit");
}

CacheKind cache_kind(const RunOptions& options) { return cache_kind(options.cache_type); }

CacheKind cache_kind(std::string_view type) {
  if (type == "f16") return CacheKind::kF16;
  if (type == "f32") return CacheKind::kF32;
  if (type == "q8_0") return CacheKind::kQ8_0;
  throw bad_value("--cache-type", type, "f16, f32, q8_0");
}

std::string cache_name(CacheKind kind) { return std::string(name_of(kind)); }

void add_verbosity(CLI::App* command, Verbosity& verbosity) {
  command->add_flag("-q,--quiet", verbosity.quiet, "Say less on stderr");
  command->add_flag("-v,--verbose", verbosity.verbose, "Say more on stderr");
}

void set_examples(CLI::App* command, const std::string& first, const std::string& second) {
  command->footer("Examples:\n  " + first + "\n  " + second);
}

}  // namespace kinglet::cli
