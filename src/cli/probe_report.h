#pragma once

// What `probe` prints. Text for people; under --json one document, every digit.

#include <string>
#include <vector>

#include "dense/evaluation.h"
#include "dense/probe.h"

namespace kinglet::cli {

enum class Format { kText, kJson };

// The fit, and how it does on the examples it was fitted to. `sets`: the names of the features that it
// chose from, layers; none where there was no such choice.
void print_fit(const dense::Fit& fit, const std::vector<std::string>& sets, const dense::Evaluation& on_its_examples, Format format);

void print_evaluation(const dense::Probe& probe, const dense::Evaluation& evaluation, Format format);

// A line each: "<class>\t<probability>" (ridge: its output), or the number.
void print_predictions(const dense::Probe& probe, const dense::Matrix& scores, Format format);

}  // namespace kinglet::cli
