// kinglet probe fit DATA -o PROBE.json | eval PROBE.json DATA | predict PROBE.json INPUT: small
// networks fitted to labelled vectors, or to labelled texts, which a model turns into vectors.

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/embedding.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/probe_report.h"
#include "cli/probe_texts.h"
#include "cli/vectors_option.h"
#include "dense/evaluation.h"
#include "dense/examples.h"
#include "dense/probe.h"
#include "dense/probe_file.h"
#include "kinglet/error.h"

namespace kinglet::cli {
namespace {

struct Options : EmbeddingOptions {
  std::string probe, data, labels, file;
  std::vector<std::string> inputs;
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

bool are_texts(const Options& options) { return options.labels.empty() && dense::has_texts(options.data); }

// What a probe is fitted to: one set of features, or those of all layers, to choose from.
struct Training {
  std::vector<dense::Examples> sets;
  std::vector<std::string> names;                      // of the sets, where there is a choice
  std::vector<std::optional<dense::TextFeatures>> text;  // how the sets were made, if of texts
};

Training training_on_vectors(const Options& options) {
  if (!options.layer.empty()) throw usage_error("vectors have no layers: this is for texts").at("--layer");
  return {.sets = {dense::read_examples(options.data, options.labels)}, .names = {}, .text = {std::nullopt}};
}

Training training_on_texts(const Options& options) {
  const bool is_auto = options.layer == "auto";
  Options known = options;
  if (is_auto) known.layer.clear();
  const EmbedOptions how = embed_options(known);
  if (how.pooling == Pooling::kNone) throw usage_error("a probe wants one vector a text").at("--pooling").found("none");
  const dense::TextExamples examples = dense::read_text_examples(options.data);
  const Model model = open_embedder(options);
  const std::vector<HiddenLayer> layers = is_auto ? all_layers(model) : std::vector{how.layer};
  Training training{.sets = features_of(model, examples, layers, how), .names = {}, .text = {}};
  for (const HiddenLayer layer : layers) {
    training.text.emplace_back(describe(model, layer, how));
    if (is_auto) training.names.push_back(layer_name(layer));
  }
  return training;
}

void fit(const Options& options) {
  dense::FitOptions how = {.l2 = l2_of(options.l2),
                           .folds = options.folds,
                           .hidden = options.hidden,
                           .epochs = options.epochs,
                           .seed = parse_seed("--seed", options.seed),
                           .numbers_are_classes = options.classes};
  const Training training = are_texts(options) ? training_on_texts(options) : training_on_vectors(options);
  how.kind = kind_of(options, training.sets[0].labels);
  if (how.kind == dense::ProbeKind::kLogistic && std::ranges::count(how.l2, 0.0) > 0) {
    throw usage_error("logistic regression wants an L2 above 0: without it separable classes have no optimum").at("--l2");
  }
  const std::size_t threads = options.model.threads > 0 ? options.model.threads : usable_cores();
  dense::Fit result = dense::fit_probe(training.sets, how, threads);
  result.probe.text = training.text[result.set];
  const dense::Evaluation evaluation = dense::evaluate(result.probe, training.sets[result.set]);
  dense::write_probe(options.probe, result.probe);
  print_fit(result, training.names, evaluation, options.format());
  flush();
}

// Refuses texts for a probe that knows only vectors.
void check_takes_texts(const dense::Probe& probe, const Options& options) {
  if (!probe.text) throw refused("a probe over vectors: it takes no texts").in(printable(options.probe));
}

dense::Examples labelled_texts(const dense::Probe& probe, const Options& options) {
  check_takes_texts(probe, options);
  const dense::TextExamples examples = dense::read_text_examples(options.data);
  const Model model = open_embedder(options);
  const EmbedOptions how = features_for(probe, model, options);
  return features_of(model, examples, {&how.layer, 1}, how).front();
}

void evaluate(const Options& options) {
  const dense::Probe probe = dense::open_probe(options.probe);
  const dense::Examples examples =
      are_texts(options) ? labelled_texts(probe, options) : dense::read_examples(options.data, options.labels);
  print_evaluation(probe, dense::evaluate(probe, examples), options.format());
  flush();
}

dense::Vectors input_of(const dense::Probe& probe, const Options& options) {
  if (probe.text) {
    const Texts texts = given_texts(options.inputs, options.file);
    const Model model = open_embedder(options);
    return vectors_of(model, texts, features_for(probe, model, options));
  }
  if (!options.file.empty()) check_takes_texts(probe, options);
  if (options.inputs.size() != 1) {
    throw usage_error("a probe over vectors wants one INPUT").found(fmt::format("{}", options.inputs.size()));
  }
  return vectors_given(options.inputs.front(), "INPUT");
}

void predict(const Options& options) {
  const dense::Probe probe = dense::open_probe(options.probe);
  print_predictions(probe, dense::scores_of(probe, input_of(probe, options)), options.format());
  flush();
}

void add_data_options(CLI::App* command, Options& options) {
  command->add_option("data", options.data, "JSON lines {\"text\", \"label\"} or {\"x\": [...], \"y\"}, or vectors as .npy with --labels")
      ->type_name("DATA")
      ->required();
  command->add_option("--labels", options.labels, "The labels of a .npy: .npy of one dimension, or JSON lines")
      ->type_name("FILE");
}

void add_probe_argument(CLI::App* command, Options& options) {
  command->add_option("probe", options.probe, "The probe, as fit has written it")->type_name("PROBE.json")->required();
}

// What makes vectors of texts for a probe that says all else.
void add_model(CLI::App* command, Options& options) {
  add_model_options(command, options.model);
  command->add_flag("-q,--quiet", options.quiet, "Say less on stderr");
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
  add_embedding_options(command, *options);
  for (const char* name : {"--pooling", "--layer", "--no-normalize", "--dimensions", "--chunk", "--model", "--tokenizer"}) {
    command->get_option(name)->group("Texts to vectors, as embed does");
  }
  command->get_option("--layer")->description("0 to the model's blocks, final (default), or auto: the best by folds")->type_name("N|auto");
  set_examples(command, "kinglet probe fit texts.jsonl --layer auto -o probe.json",
               "kinglet probe fit x.npy --labels y.npy --kind mlp --classes --l2 0.1 -o probe.json");
  command->callback([options] { fit(*options); });
}

void add_eval(CLI::App* probe) {
  auto options = std::make_shared<Options>();
  CLI::App* command = probe->add_subcommand("eval", "Accuracy, confusion and calibration on other examples");
  add_probe_argument(command, *options);
  add_data_options(command, *options);
  add_model(command, *options);
  add_json(command, *options);
  set_examples(command, "kinglet probe eval probe.json test.jsonl",
               "kinglet probe eval probe.json x.npy --labels y.jsonl --json");
  command->callback([options] { evaluate(*options); });
}

void add_predict(CLI::App* probe) {
  auto options = std::make_shared<Options>();
  CLI::App* command = probe->add_subcommand("predict", "What the probe says of texts or vectors");
  add_probe_argument(command, *options);
  add_arguments(command, "input", options->inputs,
                "For a probe over texts: texts. Over vectors: [...] or [[...], ...] as JSON, - for JSON lines on stdin, "
                "else a file: .json, .jsonl, .npy")
      ->type_name("INPUT ...");
  command->add_option("-f,--file", options->file, "A text a line; .jsonl: {\"text\": ...} a line; else from stdin")
      ->type_name("FILE");
  add_model(command, *options);
  add_json(command, *options);
  set_examples(command, "kinglet probe predict kind.json \"The badger slept in his hole.\"",
               "kinglet probe predict probe.json new.jsonl --json");
  command->callback([command, options] {
    take_more_arguments(command, options->inputs);
    predict(*options);
  });
}

}  // namespace

void add_probe(CLI::App& app) {
  CLI::App* command = app.add_subcommand("probe", "Fit small networks to labelled texts or vectors, and use them");
  command->require_subcommand(1);
  add_fit(command);
  add_eval(command);
  add_predict(command);
  set_examples(command, "kinglet probe fit train.jsonl -o probe.json", "kinglet probe eval probe.json test.jsonl");
}

}  // namespace kinglet::cli
