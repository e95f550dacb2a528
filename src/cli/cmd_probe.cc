// kinglet probe fit DATA -o PROBE.json | eval PROBE.json DATA | predict PROBE.json INPUT: small
// networks fitted to labelled vectors.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/probe_report.h"
#include "cli/vectors_option.h"
#include "dense/evaluation.h"
#include "dense/examples.h"
#include "dense/probe.h"
#include "dense/probe_file.h"
#include "kinglet/error.h"

namespace kinglet::cli {
namespace {

struct Options {
  std::string probe, data, labels;
  std::string kind, l2 = "0.001,0.01,0.1,1,10,100,1000";
  std::size_t folds = 5, hidden = 16, epochs = 100;
  std::string seed = "0";
  bool classes = false, json = false;

  Format format() const { return json ? Format::kJson : Format::kText; }
};

std::vector<double> l2_of(const std::string& list) {
  std::vector<double> values;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    values.push_back(parse_number("--l2", list.substr(at, end - at), 0, 1e30));
    at = end + 1;
  }
  return values;
}

dense::ProbeKind kind_of(const Options& options, const dense::Labels& labels) {
  if (options.kind.empty()) {
    const bool are_quantities = !labels.numbers.empty() && !options.classes;
    return are_quantities ? dense::ProbeKind::kRidge : dense::ProbeKind::kLogistic;
  }
  if (const auto kind = dense::probe_kind_named(options.kind)) return *kind;
  throw usage_error("an unknown kind of probe").at("--kind").found(options.kind).allowed("ridge, logistic, mlp");
}

void fit(const Options& options) {
  dense::FitOptions how = {.l2 = l2_of(options.l2),
                           .folds = options.folds,
                           .hidden = options.hidden,
                           .epochs = options.epochs,
                           .seed = parse_seed("--seed", options.seed),
                           .numbers_are_classes = options.classes};
  const dense::Examples examples = dense::read_examples(options.data, options.labels);
  how.kind = kind_of(options, examples.labels);
  if (how.kind == dense::ProbeKind::kLogistic && std::ranges::count(how.l2, 0.0) > 0) {
    throw usage_error("logistic regression wants an L2 above 0: without it separable classes have no optimum").at("--l2");
  }
  const dense::Fit result = dense::fit_probe(examples, how);
  const dense::Evaluation evaluation = dense::evaluate(result.probe, examples);
  dense::write_probe(options.probe, result.probe);
  print_fit(result, evaluation, options.format());
  flush();
}

void evaluate(const Options& options) {
  const dense::Probe probe = dense::open_probe(options.probe);
  const dense::Examples examples = dense::read_examples(options.data, options.labels);
  print_evaluation(probe, dense::evaluate(probe, examples), options.format());
  flush();
}

void predict(const Options& options) {
  const dense::Probe probe = dense::open_probe(options.probe);
  print_predictions(probe, dense::scores_of(probe, vectors_given(options.data, "INPUT")), options.format());
  flush();
}

void add_data_options(CLI::App* command, Options& options) {
  command->add_option("data", options.data, "JSON lines {\"x\": [...], \"y\": ...}, or vectors as .npy with --labels")
      ->type_name("DATA")
      ->required();
  command->add_option("--labels", options.labels, "The labels of a .npy: .npy of one dimension, or JSON lines")
      ->type_name("FILE");
}

void add_probe_argument(CLI::App* command, Options& options) {
  command->add_option("probe", options.probe, "The probe, as fit has written it")->type_name("PROBE.json")->required();
}

void add_json(CLI::App* command, Options& options) {
  command->add_flag("--json", options.json, "As one JSON document, every digit");
}

void add_fit(CLI::App* probe) {
  auto options = std::make_shared<Options>();
  CLI::App* command = probe->add_subcommand("fit", "Fit a probe to examples");
  add_data_options(command, *options);
  command->add_option("-o,--output", options->probe, "Where the probe goes")->type_name("PROBE.json")->required();
  command
      ->add_option("--kind", options->kind,
                   "ridge, logistic or mlp; default: ridge where labels are numbers, else logistic")
      ->type_name("KIND");
  command->add_flag("--classes", options->classes, "Labels that are numbers name classes");
  command->add_option("--l2", options->l2, "Weight of the squared weights; of several, as 0.1,1,10, the best is chosen by folds")
      ->type_name("X,...")
      ->capture_default_str();
  add_integer(command, "--folds", options->folds, 2, 1000, "Folds to choose by (default 5)");
  add_integer(command, "--hidden", options->hidden, 1, 4096, "mlp: units of the hidden layer (default 16)");
  add_integer(command, "--epochs", options->epochs, 1, 1'000'000, "mlp: passes over the examples (default 100)");
  command->add_option("--seed", options->seed, "Of folds and first weights (default 0)")->type_name("N");
  add_json(command, *options);
  set_examples(command, "kinglet probe fit data.jsonl -o probe.json",
               "kinglet probe fit x.npy --labels y.npy --kind mlp --classes --l2 0.1 -o probe.json");
  command->callback([options] { fit(*options); });
}

void add_eval(CLI::App* probe) {
  auto options = std::make_shared<Options>();
  CLI::App* command = probe->add_subcommand("eval", "Accuracy, confusion and calibration on other examples");
  add_probe_argument(command, *options);
  add_data_options(command, *options);
  add_json(command, *options);
  set_examples(command, "kinglet probe eval probe.json test.jsonl",
               "kinglet probe eval probe.json x.npy --labels y.jsonl --json");
  command->callback([options] { evaluate(*options); });
}

void add_predict(CLI::App* probe) {
  auto options = std::make_shared<Options>();
  CLI::App* command = probe->add_subcommand("predict", "What the probe says of vectors");
  add_probe_argument(command, *options);
  command
      ->add_option("input", options->data,
                   "[...] or [[...], ...] as JSON, - for JSON lines on stdin, else a file: .json, .jsonl, .npy")
      ->type_name("INPUT")
      ->required();
  add_json(command, *options);
  set_examples(command, "kinglet probe predict probe.json \"[0.1, 0.2]\"",
               "kinglet probe predict probe.json new.jsonl --json");
  command->callback([options] { predict(*options); });
}

}  // namespace

void add_probe(CLI::App& app) {
  CLI::App* command = app.add_subcommand("probe", "Fit small networks to labelled vectors, and use them");
  command->require_subcommand(1);
  add_fit(command);
  add_eval(command);
  add_predict(command);
  set_examples(command, "kinglet probe fit train.jsonl -o probe.json", "kinglet probe eval probe.json test.jsonl");
}

}  // namespace kinglet::cli
