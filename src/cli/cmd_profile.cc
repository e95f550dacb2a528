// kinglet profile [-m MODEL] [-p TEXT]: a run with the clock on, and where its time went. The text itself
// is not shown.

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/generation.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "kinglet/version.h"
#include "runtime/profile.h"

namespace kinglet::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options : GenerationOptions {
  Verbosity verbosity;
  std::string trace, html;
  bool json = false;
};

double percent(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

// What does not fit ends in "~".
std::string fitted(const std::string& text, std::size_t width) {
  return text.size() <= width ? text : text.substr(0, width - 1) + "~";
}

// Blank where there is no such number.
std::string number(bool is_known, double value, int width) {
  if (!is_known) return fmt::format("{:{}}", "", width);
  return value < 99.95 ? fmt::format("{:{}.1f}", value, width) : fmt::format("{:{}.0f}", value, width);
}

void print_head(std::string_view first) {
  print_line(fmt::format("{:<11}{:>9}{:>7}{:>7}{:>9}{:>7}{:>8}{:>6} {:<8}{:<12}{:>8}{:>8}", first, "ms",
                         "share", "calls", "KiB/call", "GB/s", "GFLOP/s", "limit", "of", "kernel",
                         "barrier", "uneven"));
}

void print_row(const Profile::Line& line, double phase_seconds) {
  const bool has_cost = line.cost.bytes() > 0, has_limit = line.limit_seconds > 0;
  const double kib = line.cost.bytes() / static_cast<double>(std::max<std::size_t>(line.calls, 1)) / 1024;
  std::string row = fmt::format("{:<11}{:>9.3f}{:>6.1f}%{:>7}", line.name, line.seconds * 1e3,
                                percent(line.seconds, phase_seconds), line.calls);
  row += number(has_cost, kib, 9) + number(has_cost, line.gbps(), 7);
  row += number(line.cost.operations() > 0, line.gops(), 8);
  row += has_limit ? fmt::format("{:>5.0f}% {:<8}", 100 * line.of_limit(), line.bound())
                   : fmt::format("{:15}", "");
  row += fmt::format("{:<12}{:>7.1f}%{:>7.2f}x", fitted(line.kernel, 11),
                     100 * line.wait_share(), line.imbalance());
  print_line(row);
}

void print_phase(const Profile::Phase& phase) {
  print_line(fmt::format("\n{}: {} tokens in {} pass{}, {:.1f} ms, {:.1f} tokens/s, {} thread{}", phase.name,
                         phase.tokens, phase.passes, phase.passes == 1 ? "" : "es", phase.seconds * 1e3,
                         static_cast<double>(phase.tokens) / phase.seconds, phase.threads,
                         phase.threads == 1 ? "" : "s"));
  print_head("operation");
  for (const Profile::Operation& operation : phase.operations) print_row(operation, phase.seconds);
  Profile::Line total = phase.total;
  total.name = "all";
  print_row(total, phase.seconds);
  print_line("");
  print_head("layer");
  for (const Profile::Layer& layer : phase.layers) print_row(layer, phase.seconds);
}

void print_report(const Profile& profile) {
  print_line(fitted(fmt::format("{}: {}, {} layers, KV cache {}, kernels {}", profile.model, profile.format,
                                profile.layers, profile.cache_type, profile.isa),
                    100));
  for (const Profile::Phase& phase : profile.phases) {
    const Limits& limits = phase.limits;
    print_phase(phase);
    print_line(fmt::format("\nlimits of {} thread{}: memory {:.1f} GB/s, cache {:.1f} GB/s, floats {:.1f} GFLOP/s, "
                           "bf16 {:.1f} GFLOP/s, bytes {:.1f} GOP/s",
                           phase.threads, phase.threads == 1 ? "" : "s", limits.memory_gbps,
                           limits.cache_gbps, limits.float_gflops, limits.bfloat_gflops, limits.int8_gops));
  }
}

Json json_of(const Profile::Line& line) {
  return {{"name", line.name},
          {"kernel", line.kernel},
          {"calls", line.calls},
          {"seconds", line.seconds},
          {"bytes", line.cost.bytes()},
          {"weight_bytes", line.cost.weight_bytes},
          {"cache_bytes", line.cost.cache_bytes},
          {"activation_bytes", line.cost.activation_bytes},
          {"float_operations", line.cost.float_operations},
          {"bfloat_operations", line.cost.bfloat_operations},
          {"int8_operations", line.cost.int8_operations},
          {"gbps", line.gbps()},
          {"gops", line.gops()},
          {"limit_seconds", line.limit_seconds},
          {"limit_share", line.of_limit()},
          {"limit", line.bound()},
          {"wait_seconds", line.wait_seconds},
          {"wait_share", line.wait_share()},
          {"imbalance", line.imbalance()}};
}

Json json_of(const Profile::Phase& phase) {
  Json json = {{"phase", phase.name},
               {"tokens", phase.tokens},
               {"passes", phase.passes},
               {"threads", phase.threads},
               {"seconds", phase.seconds},
               {"tokens_per_second", static_cast<double>(phase.tokens) / phase.seconds},
               {"sum_share", phase.total.seconds / phase.seconds},
               {"limits",
                {{"memory_gbps", phase.limits.memory_gbps},
                 {"cache_gbps", phase.limits.cache_gbps},
                 {"float_gflops", phase.limits.float_gflops},
                 {"bfloat_gflops", phase.limits.bfloat_gflops},
                 {"int8_gops", phase.limits.int8_gops}}},
               {"operations", Json::array()},
               {"layers", Json::array()}};
  for (const Profile::Operation& operation : phase.operations) json["operations"].push_back(json_of(operation));
  for (const Profile::Layer& layer : phase.layers) json["layers"].push_back(json_of(layer));
  return json;
}

void print_json(const Profile& profile) {
  Json json = {{"model", profile.model},       {"format", profile.format},
               {"layers", profile.layers},     {"cache_type", profile.cache_type},
               {"isa", profile.isa},           {"passes", profile.passes},
               {"recorded", profile.recorded}, {"phases", Json::array()}};
  for (const Profile::Phase& phase : profile.phases) json["phases"].push_back(json_of(phase));
  print_line(json.dump(2, ' ', false, Json::error_handler_t::replace));
}

int profile(const Options& options) {
  cache_kind(options.run);  // what is wrong here is found before the model is read
  isa_in_use();
  const Model model = open_model(options.model);
  if (!options.verbosity.quiet) say_warnings(model, options);
  Request request = request_of(model, options);
  request.prompt = read_prompt(model, options).ids;
  catch_interrupts();
  Watch watch;
  watch.is_interrupted = [] { return interrupt() != 0; };
  const Profile found = kinglet::profile(model, request, generate_options(options), watch, [](std::size_t threads) {
    return known_limits(limits_file(), threads);
  });

  if (!options.trace.empty()) write_trace(found, options.trace);
  if (!options.html.empty()) write_html(found, options.html);
  options.json ? print_json(found) : print_report(found);
  flush();
  if (options.digest) say_digest(found.generated.results.front());
  if (found.recorded < found.passes && !options.verbosity.quiet) {
    note(fmt::format("the first {} of {} passes were recorded", found.recorded, found.passes));
  }
  return interrupt() == 0 ? 0 : 128 + interrupt();
}

}  // namespace

void add_profile(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("profile", "Where the time of a run goes");
  options->tokens = 64;
  add_generation_options(command, *options);
  command->add_option("--trace", options->trace, "Chrome trace events, for ui.perfetto.dev")
      ->type_name("FILE.json");
  command->add_option("--html", options->html, "A page with plots, in one file")->type_name("FILE");
  command->add_flag("--json", options->json, "One JSON document instead of the tables");
  add_verbosity(command, options->verbosity);
  set_examples(command, "kinglet profile -p \"Once upon a time\" --html profile.html",
               "kinglet profile -m model.gguf -f prompt.txt -n 32 -t 4 --trace trace.json");
  command->callback([options, &exit_code] { exit_code = profile(*options); });
}

}  // namespace kinglet::cli
