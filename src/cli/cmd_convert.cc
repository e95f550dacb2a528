// kinglet convert IN OUT: any readable model into a GGUF file or an HF directory.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "convert/convert.h"
#include "kinglet/error.h"

namespace kinglet::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string in, out;
  ConvertOptions convert;
  bool dry_run = false, json = false;
  Verbosity verbosity;
};

void print_plan(const Plan& plan) {
  std::size_t source = 6, target = 6;
  for (const PlannedTensor& tensor : plan.tensors) {
    source = std::max(source, printable(tensor.source->name_in_file).size());
    target = std::max(target, printable(tensor.name).size());
  }
  print_line(fmt::format("{:<{}}  {:<{}}  {:>6}  {:>6}  {:>12}  {:>12}", "source", source, "target", target,
                         "from", "to", "bytes before", "bytes after"));
  for (const PlannedTensor& tensor : plan.tensors) {
    print_line(fmt::format("{:<{}}  {:<{}}  {:>6}  {:>6}  {:>12}  {:>12}{}", printable(tensor.source->name_in_file),
                           source, printable(tensor.name), target, type_name(tensor.source->dtype),
                           type_name(tensor.to), tensor.source->nbytes, tensor.bytes,
                           tensor.note.empty() ? "" : "  " + tensor.note));
  }
  for (const LeftOut& tensor : plan.left_out) {
    print_line(fmt::format("{:<{}}  left out: {}", printable(tensor.name), source, tensor.reason));
  }
  print_line(fmt::format("{} tensors, {} in all", plan.tensors.size(), human_bytes(plan.bytes)));
}

Json json_of(const Plan& plan) {
  Json json = {{"tensors", Json::array()}, {"left_out", Json::array()}, {"bytes", plan.bytes}};
  for (const PlannedTensor& tensor : plan.tensors) {
    json["tensors"].push_back({{"source", tensor.source->name_in_file}, {"target", tensor.name},
                               {"from", type_name(tensor.source->dtype)}, {"to", type_name(tensor.to)},
                               {"bytes_before", tensor.source->nbytes}, {"bytes_after", tensor.bytes},
                               {"note", tensor.note}});
  }
  for (const LeftOut& tensor : plan.left_out) {
    json["left_out"].push_back({{"name", tensor.name}, {"reason", tensor.reason}});
  }
  return json;
}

void show(const Plan& plan, const Options& options) {
  if (!options.json) return print_plan(plan);
  constexpr auto kReplace = Json::error_handler_t::replace;
  print_line(json_of(plan).dump(2, ' ', false, kReplace));
}

// A line on a terminal's stderr that is written over: how much is done, and the time left at the
// speed so far.
class Progress {
 public:
  void show(std::uint64_t done, std::uint64_t of) {
    using Seconds = std::chrono::duration<double>;
    const auto now = std::chrono::steady_clock::now();
    if (Seconds(now - shown_).count() < 0.1) return;
    shown_ = now;
    if (first_ == 0) first_ = done, start_ = now;
    const double rate = static_cast<double>(done - first_) / std::max(1e-3, Seconds(now - start_).count());
    const std::size_t marks = static_cast<std::size_t>(30 * static_cast<double>(done) / static_cast<double>(std::max<std::uint64_t>(of, 1)));
    const std::string left = rate > 0 ? fmt::format("{:.0f} s left", static_cast<double>(of - done) / rate) : "";
    fmt::print(stderr, "\r[{:<30}] {} of {}  {}\x1b[K", std::string(marks, '#'), human_bytes(done), human_bytes(of), left);
    std::fflush(stderr);
    is_shown_ = true;
  }
  void clear() {
    if (is_shown_) fmt::print(stderr, "\r\x1b[K");
    is_shown_ = false;
  }

 private:
  std::chrono::steady_clock::time_point start_, shown_;
  std::uint64_t first_ = 0;
  bool is_shown_ = false;
};

// Tensors with another type than was asked for: a line for each reason, which names the first.
void tell_fallbacks(const Plan& plan) {
  std::map<std::string, std::vector<const PlannedTensor*>> by_reason;
  for (const PlannedTensor& tensor : plan.tensors) {
    if (!tensor.note.empty()) by_reason[fmt::format("{} instead: {}", type_name(tensor.to), tensor.note)].push_back(&tensor);
  }
  for (const auto& [reason, tensors] : by_reason) {
    note(fmt::format("{}{}: {}", printable(tensors.front()->name),
                     tensors.size() == 1 ? "" : fmt::format(" and {} more", tensors.size() - 1), reason));
  }
}

enum class Lines { kAll, kProblems };

void print_report(const Verification& report, Lines lines) {
  std::vector<const VerifiedTensor*> shown;
  std::size_t width = 6;
  for (const VerifiedTensor& tensor : report.tensors) {
    if (lines == Lines::kProblems && tensor.problem.empty()) continue;
    shown.push_back(&tensor);
    width = std::max(width, printable(tensor.name).size());
  }
  if (shown.empty()) return;
  print_line(fmt::format("{:<{}}  {:>6}  {:>6}  {:>9}  {:>9}  {:>9}", "tensor", width, "from", "to", "relative",
                         "largest", "cosine"));
  for (const VerifiedTensor* tensor : shown) {
    print_line(fmt::format("{:<{}}  {:>6}  {:>6}  {:9.2e}  {:9.2e}  {:9.7f}{}", printable(tensor->name), width,
                           type_name(tensor->from), type_name(tensor->to), tensor->relative, tensor->worst,
                           tensor->cosine, tensor->problem.empty() ? "" : "  " + tensor->problem));
  }
}

Json json_of(const Converted& done) {
  Json json = {{"verified", done.outcome == Outcome::kDone && done.verification}, {"tensors", Json::array()}};
  if (!done.verification) return json;
  for (const VerifiedTensor& tensor : done.verification->tensors) {
    json["tensors"].push_back({{"name", tensor.name}, {"from", type_name(tensor.from)},
                               {"to", type_name(tensor.to)}, {"relative", tensor.relative},
                               {"largest", tensor.worst}, {"cosine", tensor.cosine},
                               {"sha256", tensor.sha256}, {"problem", tensor.problem}});
  }
  if (const auto& logits = done.verification->logits) {
    json["logits"] = {{"positions", logits->positions}, {"mean_kl", logits->mean_kl}, {"worst_kl", logits->worst_kl},
                      {"same_best", logits->same_best}};
  }
  json["problems"] = done.verification->problems;
  json["notes"] = done.verification->notes;
  return json;
}

void report(const Converted& done, const Options& options) {
  const bool has_failed = done.outcome == Outcome::kFailed;
  if (options.json) {
    constexpr auto kReplace = Json::error_handler_t::replace;
    print_line(json_of(done).dump(2, ' ', false, kReplace));
  } else if (done.verification && (has_failed || options.verbosity.verbose)) {
    print_report(*done.verification, options.verbosity.verbose ? Lines::kAll : Lines::kProblems);
  }
  if (done.verification && has_failed) {
    for (const std::string& problem : done.verification->problems) note("verification: " + problem);
    note(fmt::format("the output failed verification; it is kept as {}", printable(done.kept.native())));
    return;
  }
  if (options.verbosity.quiet) return;
  note(fmt::format("{} tensors, {}", done.tensors, human_bytes(done.bytes)));
  if (!done.verification) return;
  for (const std::string& text : done.verification->notes) note(text);
  if (const VerifiedTensor* worst = done.verification->worst()) {
    note(worst->relative == 0 ? "verified: every tensor is equal to the source's"
                              : fmt::format("verified: largest relative error {:.2e}, of {}", worst->relative, printable(worst->name)));
  }
  if (const auto& logits = done.verification->logits) {
    note(fmt::format("verified: the same best token at {} of {} positions, mean KL {:.2e}", logits->same_best,
                     logits->positions, logits->mean_kl));
  }
}

int convert(const Options& options) {
  if (options.dry_run) {
    dry_run(options.in, options.out, options.convert, [&](const Plan& plan) { show(plan, options); });
    return 0;
  }
  catch_interrupts();
  Progress progress;
  ConvertWatch watch;
  watch.is_interrupted = [] { return interrupt() != 0; };
  watch.on_plan = [&](const Plan& plan) {
    if (options.verbosity.quiet) return;
    for (const std::string& warning : plan.warnings) note("warning: " + warning);
    tell_fallbacks(plan);
  };
  if (is_terminal_stderr() && !options.verbosity.quiet) {
    watch.on_progress = [&](std::uint64_t done, std::uint64_t of) { progress.show(done, of); };
  }
  Converted done;
  try {
    done = kinglet::convert(options.in, options.out, options.convert, watch);
  } catch (...) {
    progress.clear();
    throw;
  }
  progress.clear();
  if (done.outcome == Outcome::kInterrupted) {
    note("interrupted; --resume goes on from here");
    return 128 + interrupt();
  }
  report(done, options);
  return done.outcome == Outcome::kFailed ? static_cast<int>(Fault::kVerification) : 0;
}

}  // namespace

void add_convert(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("convert", "Write a model in another format or type");
  ConvertOptions& convert_options = options->convert;
  command->add_option("in", options->in, "Any model that kinglet reads")->required()->type_name("IN");
  command->add_option("out", options->out, "NAME.gguf, or a directory (safetensors)")->required()->type_name("OUT");
  command->add_option("--to", convert_options.to, "gguf or safetensors, whatever OUT is called")->type_name("FORMAT");
  command->add_option("--dtype", convert_options.dtype,
                      "Type of the matrices: f32, f16, bf16, q8_0, ...; default: the source's")
      ->type_name("TYPE");
  command->add_option("--tensor-dtype", convert_options.tensor_dtypes,
                      "Type of the tensors whose name fits; repeatable, the first that fits counts")
      ->type_name("REGEX=TYPE");
  command->add_option("--imatrix", convert_options.imatrix,
                      "Which inputs count most (score --imatrix, or llama.cpp's): for formats of blocks")
      ->type_name("FILE");
  command->add_flag("--dry-run", options->dry_run, "Show the plan and write nothing");
  command->add_flag("--json", options->json, "The plan or the report as one JSON document");
  command->add_flag("--allow-unknown", convert_options.allow_unknown, "Copy tensors that kinglet does not know");
  command->add_flag("--allow-nan", convert_options.allow_nan, "Take weights that are NaN or infinite");
  command->add_flag("!--no-verify", convert_options.verify, "Do not read the output back and compare it");
  command->add_flag("--force", convert_options.force, "Replace an output that is there");
  command->add_flag("--resume", convert_options.resume, "Go on from what a broken run left");
  add_verbosity(command, options->verbosity);
  set_examples(command, "kinglet convert model model.gguf --dtype f16",
               "kinglet convert stories15M.bin stories --dtype f16");
  command->callback([options, &exit_code] { exit_code = convert(*options); });
}

}  // namespace kinglet::cli
