#pragma once

// A probe: a small network that says of a vector which class it belongs to, or which number goes
// with it. It shows what can be read off features that something else computed: embeddings, hidden
// states, measurements.
//
//   ridge      numbers, or classes by an output for each, 1 where it is the one (linear_fit.h)
//   logistic   classes; two of them by one sigmoid, the probability of the second (linear_fit.h)
//   mlp        numbers or classes; one hidden layer (training.h)

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dense/examples.h"
#include "dense/network.h"

namespace kinglet::dense {

enum class ProbeKind : std::uint8_t { kRidge, kLogistic, kMlp };
const char* name_of(ProbeKind kind);
std::optional<ProbeKind> probe_kind_named(std::string_view name);

// How features are made of texts (kinglet/embed.h), where a probe is one over texts; and of the model
// that made those it was fitted to, what tells it from others: its shape, and what it computes.
struct TextFeatures {
  std::optional<std::size_t> layer;  // nothing: behind the final norm
  std::string pooling;               // "mean"
  bool normalized = true;
  std::string model;                         // its name then
  std::size_t layers = 0, width = 0, vocabulary = 0;
  std::vector<double> fingerprint;           // the start of the vector of some fixed tokens
};

struct Probe {
  ProbeKind kind = ProbeKind::kRidge;
  Network network;
  std::vector<std::string> classes;  // at least two; empty: it gives a number
  double l2 = 0;
  std::size_t rows = 0;  // that it was fitted to
  std::optional<TextFeatures> text = {};

  bool has_probabilities() const { return !classes.empty() && kind != ProbeKind::kRidge; }
};

struct FitOptions {
  ProbeKind kind = ProbeKind::kLogistic;
  std::vector<double> l2;  // more than one: the best is chosen by folds
  std::size_t folds = 5;
  std::size_t hidden = 16, epochs = 100;  // mlp
  std::uint64_t seed = 0;                 // of folds, first weights and batches
  bool numbers_are_classes = false;       // they always are for logistic
};

// A set of features, a value of L2, and what they give for rows that were left out: the mean
// cross-entropy, or squared error where there are no probabilities; and how many get their class.
struct Candidate {
  std::size_t set = 0;
  double l2 = 0, loss = 0;
  double accuracy = 0;  // 0 for numbers
};

struct Fit {
  Probe probe;
  std::size_t set = 0;                // the features that were chosen
  std::vector<Candidate> candidates;  // set by set, L2 in the order given; empty where there was no choice
};

// Fits to all examples, with the best L2: the least loss over the folds, of equal ones the larger.
// Errors: kRefused, a feature that has one value, singular features, one class alone, labels that do
// not fit the kind; kUsage, more folds than examples; kRuntime, no convergence.
Fit fit_probe(const Examples& examples, const FitOptions& options);

// The same where features are to be chosen too: sets of other features of the same examples, with
// the same labels (the layers of a model), judged by the same folds; of equal ones the first.
Fit fit_probe(std::span<const Examples> sets, const FitOptions& options, std::size_t threads);

// What the probe says of each row, (N, classes) or (N, 1): probabilities, ridge's outputs, or
// numbers. Errors: kRefused, another width; kRuntime, not finite.
Matrix scores_of(const Probe& probe, const Vectors& vectors);

// The class of a row of scores: the highest, the first of equal ones.
std::size_t best_class(std::span<const double> scores);

}  // namespace kinglet::dense
