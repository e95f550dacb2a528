// kinglet convert IN OUT: any readable model in any format that is written.

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/convert_output.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "convert/convert.h"
#include "kinglet/error.h"

namespace kinglet::cli {
namespace {

struct Options {
  std::string in, out;
  ConvertOptions convert;
  bool dry_run = false, json = false, no_verify = false;
  Verbosity verbosity;
};

// One document where --json asks for one, else tables as they come.
class Report {
 public:
  explicit Report(bool is_json) : is_json_(is_json) {}

  void add(std::span<const Sensitivity> matrices, const ChosenTypes& chosen) {
    if (!is_json_) return print_sensitivity(matrices, chosen);
    json_["sensitivity"] = json_of(matrices, chosen);
  }
  void add(const Plan& plan) {
    if (!is_json_) return print_plan(plan);
    json_.update(json_of(plan));
  }
  void add(const Converted& done, bool is_verbose) {
    if (is_json_) return json_.update(json_of(done));
    const bool has_failed = done.outcome == Outcome::kFailed;
    if (done.verification && (has_failed || is_verbose)) {
      print_report(*done.verification, is_verbose ? Lines::kAll : Lines::kProblems);
    }
  }
  void print() const {
    if (is_json_) print_line(json_.dump(2, ' ', false, Json::error_handler_t::replace));
  }

 private:
  using Json = nlohmann::ordered_json;
  bool is_json_;
  Json json_ = Json::object();
};

void note_failure(const Converted& done) {
  for (const std::string& problem : done.verification->problems) note("verification: " + problem);
  note(fmt::format("the output failed verification; it is kept as {}", printable(done.kept.native())));
}

ConvertWatch watch_for(const Options& options, Progress& progress, Report& report) {
  ConvertWatch watch;
  watch.is_interrupted = [] { return interrupt() != 0; };
  watch.on_sensitivity = [&](std::span<const Sensitivity> matrices, const ChosenTypes& chosen) {
    progress.clear();
    if (options.convert.sensitivity) report.add(matrices, chosen);
  };
  if (is_terminal_stderr() && !options.verbosity.quiet) {
    watch.on_progress = [&](std::uint64_t done, std::uint64_t of) { progress.show_bytes(done, of); };
    watch.on_measure = [&](std::uint64_t done, std::uint64_t of) {
      progress.show_steps("measuring which matrices matter", done, of);
    };
  }
  return watch;
}

int interrupted(const std::filesystem::path& kept) {
  note(kept.empty() ? "interrupted" : "interrupted; --resume goes on from here");
  return 128 + interrupt();
}

int show_plan(const Options& options, ConvertWatch& watch, Report& report) {
  if (!options.out.empty()) watch.on_plan = [&](const Plan& plan) { report.add(plan); };
  if (dry_run(options.in, options.out, options.convert, watch) == Outcome::kInterrupted) return interrupted({});
  report.print();
  return 0;
}

int write(const Options& options, ConvertWatch& watch, Report& report, Progress& progress) {
  watch.on_plan = [&](const Plan& plan) {
    if (options.verbosity.quiet) return;
    for (const std::string& warning : plan.warnings) note("warning: " + warning);
    note_fallbacks(plan);
  };
  const Converted done = kinglet::convert(options.in, options.out, options.convert, watch);
  progress.clear();
  if (done.outcome == Outcome::kInterrupted) return interrupted(done.kept);
  report.add(done, options.verbosity.verbose);
  report.print();
  if (done.outcome == Outcome::kFailed) {
    note_failure(done);
    return static_cast<int>(Fault::kVerification);
  }
  if (!options.verbosity.quiet) note_report(done);
  return 0;
}

int convert(Options& options) {
  options.convert.verify = !options.no_verify;
  const bool measures_only = options.out.empty();
  if (measures_only) {
    if (!options.convert.sensitivity) throw usage_error("OUT is required (without --sensitivity)");
    if (options.convert.to.empty()) options.convert.to = "gguf";
  }
  catch_interrupts();
  Progress progress;
  Report report(options.json);
  ConvertWatch watch = watch_for(options, progress, report);
  try {
    if (measures_only || options.dry_run) return show_plan(options, watch, report);
    return write(options, watch, report, progress);
  } catch (...) {
    progress.clear();
    throw;
  }
}

}  // namespace

void add_convert(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("convert", "Write a model in another format or type");
  ConvertOptions& convert_options = options->convert;
  command->add_option("in", options->in, "Any model that kinglet reads")->required()->type_name("IN");
  command->add_option("out", options->out, "NAME.gguf, NAME.bin (llama2.c), NAME.json (small models), NAME.npz (NumPy), or a directory (safetensors)")->type_name("OUT");
  command->add_option("--to", convert_options.to, "gguf, safetensors, llama2.c, json or npz, whatever OUT is called")->type_name("FORMAT");
  command->add_option("--dtype", convert_options.dtype,
                      "Type of the matrices: f32, f16, bf16, q8_0, ...; default: the source's")
      ->type_name("TYPE");
  command->add_option("--tensor-dtype", convert_options.tensor_dtypes,
                      "Type of the tensors whose name fits; repeatable, the first that fits counts")
      ->type_name("REGEX=TYPE");
  command->add_option("--imatrix", convert_options.imatrix,
                      "Which inputs count most (score --imatrix, or llama.cpp's): for formats of blocks")
      ->type_name("FILE");
  command->add_flag("--sensitivity", convert_options.sensitivity,
                    "Measure which matrices matter and show them, the most sensitive first; OUT may be left out");
  command
      ->add_option_function<std::string>(
          "--target-size",
          [&convert_options](const std::string& text) { convert_options.target_bytes = parse_size("--target-size", text); },
          "Choose types so that the file has at most this size, as near to the source as can be: 80MB, 75MiB")
      ->type_name("SIZE");
  command
      ->add_option_function<std::string>(
          "--target-bpw",
          [&convert_options](const std::string& text) {
            convert_options.target_bpw = parse_number("--target-bpw", text, 1, 32);
          },
          "The same for bits per weight, over all tensors: 4.5")
      ->type_name("BITS");
  command->add_flag("--dry-run", options->dry_run, "Show the plan and write nothing");
  command->add_flag("--json", options->json, "The plan or the report as one JSON document");
  command->add_flag("--allow-unknown", convert_options.allow_unknown, "Copy tensors that kinglet does not know");
  command->add_flag("--allow-nan", convert_options.allow_nan, "Take weights that are NaN or infinite");
  command->add_flag("--no-verify", options->no_verify, "Do not read the output back and compare it");
  command->add_flag("--force", convert_options.force, "Replace an output that is there");
  command->add_flag("--resume", convert_options.resume, "Go on from what a broken run left");
  add_verbosity(command, options->verbosity);
  set_examples(command, "kinglet convert model model.gguf --dtype f16",
               "kinglet convert model small.gguf --target-size 80MB");
  command->callback([options, &exit_code] { exit_code = convert(*options); });
}

}  // namespace kinglet::cli
