#pragma once

// How well a probe does on labelled examples.

#include <array>
#include <cstddef>
#include <optional>
#include <vector>

#include "dense/probe.h"

namespace kinglet::dense {

// Are probabilities what they say? The rows by the probability p of the class that the probe
// chose: bin i has p in [i / 10, (i + 1) / 10), the last one 1 too.
struct Calibration {
  struct Bin {
    std::size_t rows = 0;
    double confidence = 0;  // mean p
    double accuracy = 0;    // part that is right
  };
  std::array<Bin, 10> bins;
  double expected_error = 0;  // mean of |confidence - accuracy| over rows
  double brier = 0;           // mean of sum over classes (p - [is it])^2
  double log_loss = 0;        // mean of -log p of the right class
};

struct ClassEvaluation {
  double accuracy = 0;
  std::vector<std::vector<std::size_t>> confusion;  // [label][what the probe says]
  std::optional<Calibration> calibration;           // where there are probabilities
};

struct NumberEvaluation {
  double rmse = 0, mean_absolute_error = 0;
  double r_squared = 0;  // 1 - squared error / variance of the labels; NaN where they are all equal
};

// One of the two, as the probe gives classes or numbers. Errors (kRefused): what scores_of() refuses,
// a label that is none of the classes, labels that are no numbers; naming file and line.
struct Evaluation {
  std::size_t rows = 0;
  std::optional<ClassEvaluation> classes;
  std::optional<NumberEvaluation> numbers;
};
Evaluation evaluate(const Probe& probe, const Examples& examples);

}  // namespace kinglet::dense
