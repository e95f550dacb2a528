#include "cli/convert_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "base/text.h"
#include "cli/output.h"

namespace kinglet::cli {
namespace {

using Json = nlohmann::ordered_json;

std::vector<const Sensitivity*> ranked(std::span<const Sensitivity> matrices) {
  std::vector<const Sensitivity*> ranked;
  for (const Sensitivity& matrix : matrices) ranked.push_back(&matrix);
  std::ranges::stable_sort(ranked, std::ranges::greater(), [](const Sensitivity* matrix) { return matrix->kl; });
  return ranked;
}

}  // namespace

// ---- plans ----

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

void note_fallbacks(const Plan& plan) {
  std::map<std::string, std::vector<const PlannedTensor*>> by_reason;
  for (const PlannedTensor& tensor : plan.tensors) {
    if (!tensor.note.empty()) by_reason[fmt::format("{} instead: {}", type_name(tensor.to), tensor.note)].push_back(&tensor);
  }
  for (const auto& [reason, tensors] : by_reason) {
    note(fmt::format("{}{}: {}", printable(tensors.front()->name),
                     tensors.size() == 1 ? "" : fmt::format(" and {} more", tensors.size() - 1), reason));
  }
}

// ---- which matrices matter ----

void print_sensitivity(std::span<const Sensitivity> matrices, const ChosenTypes& chosen) {
  std::size_t width = 6;
  for (const Sensitivity& matrix : matrices) width = std::max(width, printable(matrix.name).size());
  print_line(fmt::format("{:<{}}  {:>10}  {:>6}  {:>9}{}", "matrix", width, "values", "alone", "KL",
                         chosen.empty() ? "" : "  chosen"));
  for (const Sensitivity* matrix : ranked(matrices)) {
    const auto type = chosen.find(matrix->name);
    print_line(fmt::format("{:<{}}  {:>10}  {:>6}  {:9.2e}{}", printable(matrix->name), width, matrix->values,
                           type_name(matrix->measured), matrix->kl,
                           type == chosen.end() ? "" : fmt::format("  {:>6}", type_name(type->second))));
  }
  if (!chosen.empty()) print_line(fmt::format("expected KL in the chosen types {:.4f}", divergence_of(matrices, chosen)));
}

Json json_of(std::span<const Sensitivity> matrices, const ChosenTypes& chosen) {
  Json json = Json::array();
  for (const Sensitivity* matrix : ranked(matrices)) {
    Json entry = {{"name", matrix->name}, {"values", matrix->values}, {"type", type_name(matrix->measured)}, {"kl", matrix->kl}};
    for (const TypeChoice& choice : matrix->choices) {
      entry["expected"].push_back({{"type", type_name(choice.dtype)}, {"bytes", choice.bytes}, {"kl", choice.kl}});
    }
    if (const auto type = chosen.find(matrix->name); type != chosen.end()) entry["chosen"] = type_name(type->second);
    json.push_back(std::move(entry));
  }
  return json;
}

// ---- reports ----

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

void note_report(const Converted& done) {
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

// ---- progress ----

void Progress::show_bytes(std::uint64_t done, std::uint64_t of) {
  show(fmt::format("{} of {}", human_bytes(done), human_bytes(of)), static_cast<double>(done), static_cast<double>(of));
}

void Progress::show_steps(std::string_view what, std::uint64_t done, std::uint64_t of) {
  show(what, static_cast<double>(done), static_cast<double>(of));
}

void Progress::show(std::string_view amounts, double done, double of) {
  using Seconds = std::chrono::duration<double>;
  const auto now = std::chrono::steady_clock::now();
  if (Seconds(now - shown_).count() < 0.1) return;
  shown_ = now;
  if (first_ == 0) first_ = done, start_ = now;
  const double rate = (done - first_) / std::max(1e-3, Seconds(now - start_).count());
  const std::size_t marks = static_cast<std::size_t>(30 * done / std::max(of, 1.0));
  const std::string left = rate > 0 ? fmt::format("{:.0f} s left", (of - done) / rate) : "";
  fmt::print(stderr, "\r[{:<30}] {}  {}\x1b[K", std::string(marks, '#'), amounts, left);
  std::fflush(stderr);
  is_shown_ = true;
}

void Progress::clear() {
  if (is_shown_) fmt::print(stderr, "\r\x1b[K");
  is_shown_ = false;
  first_ = 0;
}

}  // namespace kinglet::cli
