#include "cli/probe_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/text.h"
#include "cli/output.h"

namespace kinglet::cli {
namespace {

using Json = nlohmann::ordered_json;

void print_json(const Json& json) { print_line(json.dump(-1, ' ', false, Json::error_handler_t::replace)); }

Json json_of(const dense::Calibration& calibration) {
  Json bins = Json::array();
  for (const dense::Calibration::Bin& bin : calibration.bins) {
    bins.push_back({{"rows", bin.rows}, {"confidence", bin.confidence}, {"accuracy", bin.accuracy}});
  }
  return {{"log_loss", calibration.log_loss},
          {"brier", calibration.brier},
          {"expected_calibration_error", calibration.expected_error},
          {"bins", bins}};
}

Json json_of(const dense::Probe& probe, const dense::Evaluation& evaluation) {
  Json json = {{"rows", evaluation.rows}};
  if (evaluation.classes) {
    json["accuracy"] = evaluation.classes->accuracy;
    json["classes"] = probe.classes;
    json["confusion"] = evaluation.classes->confusion;
    if (evaluation.classes->calibration) json["calibration"] = json_of(*evaluation.classes->calibration);
  }
  if (evaluation.numbers) {
    json["rmse"] = evaluation.numbers->rmse;
    json["mean_absolute_error"] = evaluation.numbers->mean_absolute_error;
    json["r_squared"] = evaluation.numbers->r_squared;  // null where there is none
  }
  return json;
}

// One line: the figures that matter.
std::string summary(const dense::Evaluation& evaluation) {
  std::string line = fmt::format("{} rows", evaluation.rows);
  if (evaluation.classes) {
    line += fmt::format(", accuracy {:.4f}", evaluation.classes->accuracy);
    if (const auto& calibration = evaluation.classes->calibration) {
      line += fmt::format(", log loss {:.4f}, Brier {:.4f}, calibration error {:.4f}", calibration->log_loss,
                          calibration->brier, calibration->expected_error);
    }
  }
  if (evaluation.numbers) {
    const dense::NumberEvaluation& numbers = *evaluation.numbers;
    line += fmt::format(", RMSE {:.6g}, mean absolute error {:.6g}", numbers.rmse, numbers.mean_absolute_error);
    if (std::isfinite(numbers.r_squared)) line += fmt::format(", R^2 {:.4f}", numbers.r_squared);
  }
  return line;
}

void print_confusion(const dense::Probe& probe, const dense::ClassEvaluation& evaluation) {
  std::vector<std::string> names;
  std::size_t width = 5;
  for (const std::string& name : probe.classes) {
    names.push_back(printable(name));
    width = std::max(width, names.back().size());
  }
  print_line("confusion (a row: the label; a column: what the probe says)");
  std::string head(width, ' ');
  for (const std::string& name : names) head += fmt::format("  {:>{}}", name, width);
  print_line(head);
  for (std::size_t c = 0; c < names.size(); ++c) {
    std::string line = fmt::format("{:<{}}", names[c], width);
    for (const std::size_t count : evaluation.confusion[c]) line += fmt::format("  {:>{}}", count, width);
    print_line(line);
  }
}

void print_calibration(const dense::Calibration& calibration) {
  print_line("calibration (of the class that the probe chose)");
  print_line("probability     rows    mean   right");
  for (std::size_t i = 0; i < calibration.bins.size(); ++i) {
    const dense::Calibration::Bin& bin = calibration.bins[i];
    if (bin.rows == 0) continue;
    print_line(fmt::format("{:.1f} to {:.1f}  {:>8}  {:.4f}  {:.4f}", 0.1 * static_cast<double>(i),
                           0.1 * static_cast<double>(i + 1), bin.rows, bin.confidence, bin.accuracy));
  }
}

std::string shape_of(const dense::Probe& probe) {
  std::string shape = fmt::format("{} probe of {} features, L2 {}", name_of(probe.kind), probe.network.in(), probe.l2);
  if (probe.text) shape += fmt::format(", layer {}", probe.text->layer ? fmt::format("{}", *probe.text->layer) : "final");
  if (probe.classes.empty()) return shape + ", a number";
  return shape + fmt::format(", {} classes", probe.classes.size());
}

// A ridge probe of few features is its weights: "[bias, weight, weight, ...]".
std::string weights_of(const dense::Probe& probe) {
  const dense::Layer& layer = probe.network.layers.front();
  std::vector<double> weights = layer.bias;
  weights.insert(weights.end(), layer.weight.row(0).begin(), layer.weight.row(0).end());
  return fmt::format("[{:.9g}]", fmt::join(weights, ", "));
}

bool is_short_equation(const dense::Probe& probe) {
  return probe.kind == dense::ProbeKind::kRidge && probe.network.out() == 1 && probe.network.in() <= 16;
}

Json layer_of(const dense::TextFeatures& text) { return text.layer ? Json(*text.layer) : Json("final"); }

Json json_of(const dense::Fit& fit, const std::vector<std::string>& sets) {
  Json list = Json::array();
  for (const dense::Candidate& candidate : fit.candidates) {
    Json json = {{"l2", candidate.l2}, {"loss", candidate.loss}};
    if (!sets.empty()) json["layer"] = sets[candidate.set];
    if (!fit.probe.classes.empty()) json["accuracy"] = candidate.accuracy;
    list.push_back(json);
  }
  return list;
}

// Of several layers, each with its best L2; of one, every L2.
std::vector<dense::Candidate> shown_of(const dense::Fit& fit, const std::vector<std::string>& sets) {
  if (sets.empty()) return fit.candidates;
  std::vector<dense::Candidate> best(sets.size(), {.loss = std::numeric_limits<double>::infinity()});
  for (const dense::Candidate& candidate : fit.candidates) {
    if (candidate.loss <= best[candidate.set].loss) best[candidate.set] = candidate;
  }
  return best;
}

void print_candidates(const dense::Fit& fit, const std::vector<std::string>& sets) {
  const bool has_classes = !fit.probe.classes.empty();
  print_line(fmt::format("{}      L2  mean loss{} of rows left out", sets.empty() ? "" : "layer  ", has_classes ? ", accuracy" : ""));
  for (const dense::Candidate& candidate : shown_of(fit, sets)) {
    const bool is_kept = candidate.set == fit.set && candidate.l2 == fit.probe.l2;
    print_line(fmt::format("{}{:>8}  {:<9.6g}{}{}", sets.empty() ? "" : fmt::format("{:>5}  ", sets[candidate.set]),
                           candidate.l2, candidate.loss, has_classes ? fmt::format("  {:.4f}", candidate.accuracy) : "",
                           is_kept ? "  <- kept" : ""));
  }
}

}  // namespace

void print_fit(const dense::Fit& fit, const std::vector<std::string>& sets, const dense::Evaluation& on_its_examples,
               Format format) {
  const dense::Probe& probe = fit.probe;
  if (format == Format::kJson) {
    Json json = {{"kind", name_of(probe.kind)}, {"features", probe.network.in()}};
    if (probe.text) json["layer"] = layer_of(*probe.text);
    json["l2"] = probe.l2;
    json["candidates"] = json_of(fit, sets);
    json["fitted"] = json_of(probe, on_its_examples);
    return print_json(json);
  }
  if (!fit.candidates.empty()) print_candidates(fit, sets);
  print_line(shape_of(probe));
  if (is_short_equation(probe)) print_line("bias and weights: " + weights_of(probe));
  print_line("on the examples it was fitted to: " + summary(on_its_examples));
}

void print_evaluation(const dense::Probe& probe, const dense::Evaluation& evaluation, Format format) {
  if (format == Format::kJson) return print_json(json_of(probe, evaluation));
  print_line(summary(evaluation));
  if (!evaluation.classes) return;
  print_confusion(probe, *evaluation.classes);
  if (evaluation.classes->calibration) print_calibration(*evaluation.classes->calibration);
}

void print_predictions(const dense::Probe& probe, const dense::Matrix& scores, Format format) {
  Json list = Json::array();
  for (std::size_t n = 0; n < scores.rows(); ++n) {
    const std::vector<double> row(scores.row(n).begin(), scores.row(n).end());
    const std::size_t best = dense::best_class(row);
    if (format == Format::kText) {
      print_line(probe.classes.empty() ? fmt::format("{:.8g}", row[0])
                                       : fmt::format("{}\t{:.6f}", printable(probe.classes[best]), row[best]));
    } else if (probe.classes.empty()) {
      list.push_back(row[0]);
    } else {
      list.push_back({{"class", probe.classes[best]}, {probe.has_probabilities() ? "probabilities" : "outputs", row}});
    }
  }
  if (format == Format::kJson) print_json(list);
}

}  // namespace kinglet::cli
