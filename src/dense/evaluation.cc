#include "dense/evaluation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "base/text.h"
#include "dense/gradients.h"
#include "kinglet/error.h"

namespace kinglet::dense {
namespace {

// The index of each row's label among the classes.
std::vector<std::size_t> truths_of(const Probe& probe, const Examples& examples) {
  std::vector<std::size_t> truths;
  for (std::size_t n = 0; n < examples.rows(); ++n) {
    const auto found = std::ranges::find(probe.classes, examples.labels.names[n]);
    if (found == probe.classes.end()) {
      throw examples.vectors.origin.error("a label that the probe does not know", n)
          .found(kinglet::quoted(examples.labels.names[n]))
          .allowed(printable(fmt::format("{}", fmt::join(probe.classes, ", "))));
    }
    truths.push_back(static_cast<std::size_t>(found - probe.classes.begin()));
  }
  return truths;
}

// By the sums behind the probabilities: a probability that rounds to 0 has a logarithm too.
double log_loss(const Probe& probe, const Matrix& x, const std::vector<std::size_t>& truths) {
  double total = 0;
  Trace trace;
  for (std::size_t n = 0; n < truths.size(); ++n) {
    probe.network.forward(x.row(n), trace);
    std::vector<double> target(probe.network.out());
    if (target.size() == 1) {
      target[0] = static_cast<double>(truths[n]);
    } else {
      target[truths[n]] = 1;
    }
    total += loss_of(probe.network, Loss::kCrossEntropy, trace, target);
  }
  return total / static_cast<double>(truths.size());
}

Calibration calibration_of(const Matrix& scores, const std::vector<std::size_t>& truths) {
  Calibration result;
  const auto count = static_cast<double>(truths.size());
  for (std::size_t n = 0; n < truths.size(); ++n) {
    const std::size_t best = best_class(scores.row(n));
    const double p = scores(n, best);
    Calibration::Bin& bin = result.bins[std::min<std::size_t>(static_cast<std::size_t>(p * 10), 9)];
    ++bin.rows;
    bin.confidence += p;
    bin.accuracy += best == truths[n] ? 1 : 0;
    for (std::size_t c = 0; c < scores.columns(); ++c) {
      const double off = scores(n, c) - (c == truths[n] ? 1 : 0);
      result.brier += off * off / count;
    }
  }
  for (Calibration::Bin& bin : result.bins) {
    if (bin.rows == 0) continue;
    result.expected_error += std::abs(bin.confidence - bin.accuracy) / count;
    bin.confidence /= static_cast<double>(bin.rows);
    bin.accuracy /= static_cast<double>(bin.rows);
  }
  return result;
}

ClassEvaluation evaluate_classes(const Probe& probe, const Examples& examples, const Matrix& scores) {
  const std::vector<std::size_t> truths = truths_of(probe, examples);
  ClassEvaluation result;
  result.confusion.assign(probe.classes.size(), std::vector<std::size_t>(probe.classes.size()));
  std::size_t right = 0;
  for (std::size_t n = 0; n < truths.size(); ++n) {
    const std::size_t best = best_class(scores.row(n));
    ++result.confusion[truths[n]][best];
    right += best == truths[n] ? 1 : 0;
  }
  result.accuracy = static_cast<double>(right) / static_cast<double>(truths.size());
  if (probe.has_probabilities()) {
    result.calibration = calibration_of(scores, truths);
    result.calibration->log_loss = log_loss(probe, examples.vectors.values, truths);
  }
  return result;
}

NumberEvaluation evaluate_numbers(const Examples& examples, const Matrix& scores) {
  const std::vector<double>& labels = examples.labels.numbers;
  if (labels.empty()) {
    throw examples.vectors.origin.error("a label is no number, and the probe gives numbers", 0)
        .found(kinglet::quoted(examples.labels.names[0]));
  }
  const auto count = static_cast<double>(labels.size());
  double mean = 0;
  for (const double label : labels) mean += label / count;
  double squares = 0, spread = 0;
  NumberEvaluation result;
  for (std::size_t n = 0; n < labels.size(); ++n) {
    const double off = scores(n, 0) - labels[n];
    squares += off * off;
    spread += (labels[n] - mean) * (labels[n] - mean);
    result.mean_absolute_error += std::abs(off) / count;
  }
  result.rmse = std::sqrt(squares / count);
  result.r_squared = spread > 0 ? 1 - squares / spread : std::nan("");
  return result;
}

}  // namespace

Evaluation evaluate(const Probe& probe, const Examples& examples) {
  const Matrix scores = scores_of(probe, examples.vectors);
  Evaluation result{.rows = examples.rows(), .classes = {}, .numbers = {}};
  if (probe.classes.empty()) {
    result.numbers = evaluate_numbers(examples, scores);
  } else {
    result.classes = evaluate_classes(probe, examples, scores);
  }
  return result;
}

}  // namespace kinglet::dense
