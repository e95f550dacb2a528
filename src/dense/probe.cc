#include "dense/probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/team.h"
#include "base/text.h"
#include "dense/gradients.h"
#include "dense/linear_fit.h"
#include "dense/outputs.h"
#include "dense/training.h"
#include "kinglet/error.h"

namespace kinglet::dense {
namespace {

struct NamedKind {
  const char* name;
  ProbeKind kind;
};
constexpr NamedKind kKinds[] = {
    {"ridge", ProbeKind::kRidge}, {"logistic", ProbeKind::kLogistic}, {"mlp", ProbeKind::kMlp}};

// What a network is fitted to: (N, outputs).
struct Problem {
  Matrix x, targets;
  Activation last = Activation::kNone;
};

Loss loss_behind(Activation last) {
  return last == Activation::kNone ? Loss::kSquaredError : Loss::kCrossEntropy;
}

void check_features(const Vectors& vectors) {
  const Matrix& x = vectors.values;
  for (std::size_t i = 0; i < x.columns(); ++i) {
    std::size_t n = 1;
    while (n < x.rows() && x(n, i) == x(0, i)) ++n;
    if (n < x.rows()) continue;
    throw refused("a feature has the same value in every example")
        .in(vectors.origin.file)
        .at(fmt::format("x[{}]", i))
        .found(fmt::format("{}", x(0, i)));
  }
}

std::vector<std::string> wanted_classes(const Examples& examples, const FitOptions& options) {
  const std::string& file = examples.vectors.origin.file;
  const bool are_quantities = !examples.labels.numbers.empty() && !options.numbers_are_classes &&
                              options.kind != ProbeKind::kLogistic;
  if (are_quantities) return {};
  std::vector<std::string> classes = classes_of(examples.labels);
  if (classes.size() == 1) throw refused("all examples are of one class").in(file).found(kinglet::quoted(classes[0]));
  // Two examples of each on average, or the labels are something else.
  if (classes.size() * 2 > examples.rows() && classes.size() > 2) {
    throw refused("there are almost as many classes as examples: are the labels quantities?")
        .in(file)
        .found(fmt::format("{} classes of {} examples", classes.size(), examples.rows()));
  }
  return classes;
}

std::vector<std::size_t> indices_of(const Labels& labels, const std::vector<std::string>& classes) {
  std::map<std::string_view, std::size_t> index;
  for (std::size_t c = 0; c < classes.size(); ++c) index.emplace(classes[c], c);
  std::vector<std::size_t> result;
  for (const std::string& name : labels.names) result.push_back(index.at(name));
  return result;
}

Problem problem_of(const Examples& examples, const std::vector<std::string>& classes, ProbeKind kind) {
  Problem problem{.x = examples.vectors.values, .targets = {}};
  if (classes.empty()) {
    problem.targets = Matrix(examples.rows(), 1, examples.labels.numbers);
    return problem;
  }
  const bool is_one_output = classes.size() == 2 && kind != ProbeKind::kRidge;
  if (kind != ProbeKind::kRidge) problem.last = is_one_output ? Activation::kSigmoid : Activation::kSoftmax;
  problem.targets = Matrix(examples.rows(), is_one_output ? 1 : classes.size());
  const std::vector<std::size_t> indices = indices_of(examples.labels, classes);
  for (std::size_t n = 0; n < indices.size(); ++n) {
    if (is_one_output) {
      problem.targets(n, 0) = static_cast<double>(indices[n]);
    } else {
      problem.targets(n, indices[n]) = 1;
    }
  }
  return problem;
}

// `near`: what was fitted to the same rows before, or nothing.
Network fit_network(const Problem& problem, const FitOptions& options, double l2, const Network* near) {
  if (options.kind == ProbeKind::kRidge) return {{fit_ridge(problem.x, problem.targets, l2)}};
  if (options.kind == ProbeKind::kLogistic) {
    return {{fit_logistic(problem.x, problem.targets, l2, near != nullptr ? &near->layers[0] : nullptr)}};
  }
  return train_network(problem.x, problem.targets, problem.last,
                       {.hidden = options.hidden, .epochs = options.epochs, .l2 = l2, .seed = options.seed});
}

// How a network does on rows that it was not fitted to.
struct Judgement {
  double loss = 0;  // of all rows together
  std::size_t right = 0;
};

bool is_right(const Problem& problem, std::span<const double> outputs, std::span<const double> targets) {
  if (problem.last == Activation::kSigmoid) return (outputs[0] > 0.5) == (targets[0] > 0.5);
  return outputs.size() > 1 && best_class(outputs) == best_class(targets);
}

Judgement judge(const Network& network, const Problem& problem) {
  Judgement result;
  Trace trace;
  for (std::size_t n = 0; n < problem.x.rows(); ++n) {
    network.forward(problem.x.row(n), trace);
    result.loss += loss_of(network, loss_behind(problem.last), trace, problem.targets.row(n));
    result.right += is_right(problem, trace.outputs.back(), problem.targets.row(n)) ? 1 : 0;
  }
  return result;
}

// The fold of each row: of every class (and of numbers, which are all of one) as many in each as can be.
std::vector<std::size_t> folds_of(const Examples& examples, const std::vector<std::string>& classes,
                                  const FitOptions& options) {
  const std::vector<std::size_t> indices =
      classes.empty() ? std::vector<std::size_t>(examples.rows()) : indices_of(examples.labels, classes);
  std::vector<std::size_t> order = shuffled(examples.rows(), options.seed);
  std::ranges::stable_sort(order, {}, [&](std::size_t row) { return indices[row]; });
  std::vector<std::size_t> folds(examples.rows());
  for (std::size_t i = 0; i < order.size(); ++i) folds[order[i]] = i % options.folds;
  return folds;
}

Problem part_of(const Problem& problem, std::span<const std::size_t> rows) {
  return {rows_of(problem.x, rows), rows_of(problem.targets, rows), problem.last};
}

// Each L2 on the rows of one fold, fitted to the others: each fit starts from the one before.
std::vector<Judgement> judge_fold(const Problem& problem, const std::vector<std::size_t>& folds, std::size_t fold,
                                  const FitOptions& options) {
  std::vector<std::size_t> kept, left_out;
  for (std::size_t n = 0; n < folds.size(); ++n) (folds[n] == fold ? left_out : kept).push_back(n);
  const Problem fitted = part_of(problem, kept), judged = part_of(problem, left_out);
  std::vector<Judgement> result;
  std::optional<Network> network;
  for (const double l2 : options.l2) {
    network = fit_network(fitted, options, l2, network ? &*network : nullptr);
    result.push_back(judge(*network, judged));
  }
  return result;
}

// Sets and folds are dealt out to threads; sums are made afterwards, in the order of the folds.
std::vector<Candidate> cross_validate(std::span<const Problem> problems, const std::vector<std::size_t>& folds,
                                      const FitOptions& options, std::size_t threads) {
  const std::size_t tasks = problems.size() * options.folds;
  std::vector<std::vector<Judgement>> judgements(tasks);
  Team team(std::min(threads, tasks));
  team.run_throwing([&](const Member& me) {
    for (Range task = me.take(tasks, 1); !task.empty(); task = me.take(tasks, 1)) {
      judgements[task.begin] = judge_fold(problems[task.begin / options.folds], folds, task.begin % options.folds, options);
    }
  });
  std::vector<Candidate> candidates;
  const auto rows = static_cast<double>(folds.size());
  for (std::size_t set = 0; set < problems.size(); ++set) {
    for (std::size_t i = 0; i < options.l2.size(); ++i) {
      Candidate& candidate = candidates.emplace_back(Candidate{.set = set, .l2 = options.l2[i]});
      for (std::size_t fold = 0; fold < options.folds; ++fold) {
        const Judgement& judgement = judgements[set * options.folds + fold][i];
        candidate.loss += judgement.loss / rows;
        candidate.accuracy += static_cast<double>(judgement.right) / rows;
      }
    }
  }
  return candidates;
}

const Candidate& best_of(const std::vector<Candidate>& candidates) {
  const auto is_better = [](const Candidate& a, const Candidate& b) {
    if (a.loss != b.loss) return a.loss < b.loss;
    return a.set != b.set ? a.set < b.set : a.l2 > b.l2;
  };
  return *std::ranges::min_element(candidates, is_better);
}

Fit fit(std::span<const Examples> sets, const FitOptions& options, std::size_t threads) {
  const Examples& examples = sets.front();
  for (const Examples& set : sets) check_features(set.vectors);
  const std::vector<std::string> classes = wanted_classes(examples, options);
  std::vector<Problem> problems;
  for (const Examples& set : sets) problems.push_back(problem_of(set, classes, options.kind));
  Fit result;
  Candidate best{.l2 = options.l2.front()};
  if (sets.size() * options.l2.size() > 1) {
    if (options.folds > examples.rows()) {
      throw usage_error("more folds than examples")
          .at("folds")
          .found(fmt::format("{}", options.folds))
          .allowed(fmt::format("up to {}", examples.rows()));
    }
    result.candidates = cross_validate(problems, folds_of(examples, classes, options), options, threads);
    best = best_of(result.candidates);
  }
  result.set = best.set;
  result.probe = {.kind = options.kind,
                  .network = fit_network(problems[best.set], options, best.l2, nullptr),
                  .classes = classes,
                  .l2 = best.l2,
                  .rows = examples.rows()};
  return result;
}

}  // namespace

const char* name_of(ProbeKind kind) { return kKinds[static_cast<std::size_t>(kind)].name; }

std::optional<ProbeKind> probe_kind_named(std::string_view name) {
  for (const NamedKind& known : kKinds) {
    if (name == known.name) return known.kind;
  }
  return std::nullopt;
}

Fit fit_probe(const Examples& examples, const FitOptions& options) { return fit_probe({&examples, 1}, options, 1); }

Fit fit_probe(std::span<const Examples> sets, const FitOptions& options, std::size_t threads) {
  try {
    return fit(sets, options, threads);
  } catch (Error& error) {
    // What the mathematics refuses knows of no file.
    if (error.file().empty()) error.in(sets.front().vectors.origin.file);
    throw;
  }
}

Matrix scores_of(const Probe& probe, const Vectors& vectors) {
  Matrix outputs = outputs_of(probe.network, vectors, "the probe");
  if (probe.classes.empty() || outputs.columns() == probe.classes.size()) return outputs;
  Matrix scores(outputs.rows(), 2);
  for (std::size_t n = 0; n < outputs.rows(); ++n) {
    scores(n, 0) = 1 - outputs(n, 0);
    scores(n, 1) = outputs(n, 0);
  }
  return scores;
}

std::size_t best_class(std::span<const double> scores) {
  return static_cast<std::size_t>(std::ranges::max_element(scores) - scores.begin());
}

}  // namespace kinglet::dense
