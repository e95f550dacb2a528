#include "dense/probe.h"

#include <nlohmann/json.hpp>

#include "dense/evaluation.h"
#include "dense/linear_fit.h"
#include "dense/probe_file.h"
#include "kinglet/error.h"
#include "support/temp_dir.h"
#include "vectors.h"

namespace kinglet::dense {
namespace {

// A concept that lies along one direction of 24, with noise beside it.
constexpr std::size_t kWidth = 24;
std::vector<double> planted() { return random_values(kWidth, 77); }

Examples planted_examples(std::size_t rows, std::uint64_t seed) {
  Examples examples{{Matrix(rows, kWidth, random_values(rows * kWidth, seed)), {.file = "planted", .lines = {}}}, {}};
  const std::vector<double> direction = planted(), noise = random_values(rows, seed + 1000);
  for (std::size_t n = 0; n < rows; ++n) {
    const bool has_it = dot(direction, examples.vectors.values.row(n)) + 0.3 * noise[n] > 0;
    examples.labels.names.push_back(has_it ? "with" : "without");
  }
  return examples;
}

double cosine_of(std::span<const double> a, std::span<const double> b) {
  return dot(a, b) / std::sqrt(dot(a, a) * dot(b, b));
}

TEST(Probe, FindsAPlantedConcept) {
  const Examples known = planted_examples(400, 1), unseen = planted_examples(1000, 2);
  for (const ProbeKind kind : {ProbeKind::kRidge, ProbeKind::kLogistic, ProbeKind::kMlp}) {
    const Fit fit = fit_probe(known, {.kind = kind, .l2 = {0.01, 1, 100}, .epochs = 40});
    EXPECT_EQ(fit.probe.classes, (std::vector<std::string>{"with", "without"}));
    EXPECT_GT(evaluate(fit.probe, unseen).classes->accuracy, 0.93) << name_of(kind);
    if (kind == ProbeKind::kMlp) continue;
    // The weights of "without" point away from it: an output of its own under ridge, the second class.
    const Layer& layer = fit.probe.network.layers[0];
    EXPECT_LT(cosine_of(layer.weight.row(layer.out() - 1), planted()), -0.97) << name_of(kind);
  }
}

TEST(Probe, NoConceptIsFoundWhereThereIsNone) {
  Examples examples = planted_examples(300, 1);
  examples.vectors.values = Matrix(300, kWidth, random_values(300 * kWidth, 99));
  Examples unseen = planted_examples(1000, 2);
  unseen.vectors.values = Matrix(1000, kWidth, random_values(1000 * kWidth, 98));
  const Fit fit = fit_probe(examples, {.l2 = {1}});
  EXPECT_NEAR(evaluate(fit.probe, unseen).classes->accuracy, 0.5, 0.08);  // 5 deviations of a coin
}

// Folds choose what is better for rows that the fit has not seen: much noise wants much L2.
TEST(Probe, ChoosesL2ByRowsLeftOut) {
  Examples examples{{Matrix(40, 30, random_values(40 * 30, 5)), {.file = "noise", .lines = {}}}, {}};
  const std::vector<double> noise = random_values(40, 6);
  for (std::size_t n = 0; n < 40; ++n) {
    examples.labels.numbers.push_back(examples.vectors.values(n, 0) + 3 * noise[n]);
    examples.labels.names.emplace_back("unused");
  }
  const Fit fit = fit_probe(examples, {.kind = ProbeKind::kRidge, .l2 = {0.001, 1, 1000}});
  ASSERT_EQ(fit.candidates.size(), 3u);
  EXPECT_EQ(fit.probe.l2, 1000);
  EXPECT_LT(fit.candidates[2].loss, fit.candidates[0].loss);

  // The loss of one fold per row is that of leaving each out by hand.
  const Fit by_rows = fit_probe(examples, {.kind = ProbeKind::kRidge, .l2 = {1, 1000}, .folds = 40});
  double by_hand = 0;
  for (std::size_t out = 0; out < 40; ++out) {
    std::vector<std::size_t> kept;
    for (std::size_t n = 0; n < 40; ++n) {
      if (n != out) kept.push_back(n);
    }
    const Matrix all(40, 1, examples.labels.numbers);
    const Layer layer = fit_ridge(rows_of(examples.vectors.values, kept), rows_of(all, kept), 1);
    const double off = dot(layer.weight.row(0), examples.vectors.values.row(out)) + layer.bias[0] - all(out, 0);
    by_hand += off * off / 40;
  }
  EXPECT_NEAR(by_rows.candidates[0].loss, by_hand, 1e-10 * by_hand);
}

// Several sets of features of the same examples: the one that tells the labels is found, and what it is
// judged by does not depend on how many threads judge.
TEST(Probe, ChoosesTheFeaturesThatTellTheLabels) {
  const Examples told = planted_examples(120, 1);
  std::vector<Examples> sets(4, told);
  for (const std::size_t set : {0, 1, 3}) sets[set].vectors.values = Matrix(120, kWidth, random_values(120 * kWidth, 50 + set));
  const FitOptions options = {.l2 = {0.1, 10}};
  const Fit alone = fit_probe(sets, options, 1);
  EXPECT_EQ(alone.set, 2u);
  ASSERT_EQ(alone.candidates.size(), 8u);
  EXPECT_EQ(alone.candidates[5].set, 2u);
  EXPECT_EQ(alone.candidates[5].l2, 10);
  EXPECT_GT(std::max(alone.candidates[4].accuracy, alone.candidates[5].accuracy), 0.75);  // 5 deviations
  EXPECT_NEAR(alone.candidates[0].accuracy, 0.5, 0.2);  // 4
  for (const std::size_t threads : {2, 3}) {
    const Fit together = fit_probe(sets, options, threads);
    EXPECT_EQ(together.probe.network.layers[0].weight, alone.probe.network.layers[0].weight);
    for (std::size_t i = 0; i < 8; ++i) {
      EXPECT_EQ(together.candidates[i].loss, alone.candidates[i].loss);
      EXPECT_EQ(together.candidates[i].accuracy, alone.candidates[i].accuracy);
    }
  }
  // One set is what it is alone.
  const Fit one = fit_probe(told, options);
  EXPECT_EQ(one.candidates[0].loss, alone.candidates[4].loss);
  EXPECT_EQ(one.probe.network.layers[0].weight, alone.probe.network.layers[0].weight);
  // A choice of features alone is one, too.
  EXPECT_EQ(fit_probe(sets, {.l2 = {1}}, 2).candidates.size(), 4u);
}

TEST(Probe, ComesBackFromItsFileBitForBit) {
  const test::TempDir folder;
  const Examples examples = planted_examples(60, 3);
  for (const ProbeKind kind : {ProbeKind::kRidge, ProbeKind::kLogistic, ProbeKind::kMlp}) {
    const Probe probe = fit_probe(examples, {.kind = kind, .l2 = {0.5}, .hidden = 3, .epochs = 2}).probe;
    const auto path = folder.path() / "probe.json";
    write_probe(path, probe);
    const Probe back = open_probe(path);
    EXPECT_EQ(back.kind, kind);
    EXPECT_EQ(back.classes, probe.classes);
    EXPECT_EQ(back.l2, 0.5);
    EXPECT_EQ(back.rows, 60u);
    EXPECT_EQ(scores_of(back, examples.vectors), scores_of(probe, examples.vectors));
    EXPECT_FALSE(back.text);
  }
}

TEST(Probe, KeepsHowItsTextsBecameVectors) {
  const test::TempDir folder;
  Probe probe = fit_probe(planted_examples(60, 3), {.l2 = {0.5}}).probe;
  for (const std::optional<std::size_t> layer : {std::optional<std::size_t>(3), std::optional<std::size_t>()}) {
    probe.text = {.layer = layer, .pooling = "cls", .normalized = false, .model = "a \"model\"\xff", .layers = 5,
                  .width = 24, .vocabulary = 99, .fingerprint = {0.1, -1e-300}};
    write_probe(folder.path() / "probe.json", probe);
    const Probe back = open_probe(folder.path() / "probe.json");
    ASSERT_TRUE(back.text);
    EXPECT_EQ(back.text->layer, layer);
    EXPECT_EQ(back.text->pooling, "cls");
    EXPECT_FALSE(back.text->normalized);
    EXPECT_EQ(back.text->model, "a \"model\"\\xff");
    EXPECT_EQ(back.text->layers, 5u);
    EXPECT_EQ(back.text->width, 24u);
    EXPECT_EQ(back.text->vocabulary, 99u);
    EXPECT_EQ(back.text->fingerprint, probe.text->fingerprint);
  }
}

Network constant_network(std::vector<double> biases, Activation activation) {
  const std::size_t out = biases.size();
  return {{{Matrix(out, 1), std::move(biases), activation}}};
}

TEST(Evaluation, CountsByHand) {
  // p = 0.75 for "b", whatever the row: three of four are "b".
  Probe probe{.kind = ProbeKind::kLogistic, .network = constant_network({std::log(3)}, Activation::kSigmoid), .classes = {"a", "b"}};
  Examples examples{{Matrix(4, 1, {1, 2, 3, 4}), {.file = "four", .lines = {}}}, {.names = {"b", "a", "b", "b"}, .numbers = {}}};
  const Evaluation found = evaluate(probe, examples);
  ASSERT_TRUE(found.classes && found.classes->calibration);
  EXPECT_DOUBLE_EQ(found.classes->accuracy, 0.75);
  EXPECT_EQ(found.classes->confusion, (std::vector<std::vector<std::size_t>>{{0, 1}, {0, 3}}));
  const Calibration& calibration = *found.classes->calibration;
  EXPECT_EQ(calibration.bins[7].rows, 4u);
  EXPECT_NEAR(calibration.bins[7].confidence, 0.75, 1e-15);
  EXPECT_NEAR(calibration.bins[7].accuracy, 0.75, 1e-15);
  EXPECT_NEAR(calibration.expected_error, 0, 1e-15);
  EXPECT_NEAR(calibration.brier, (3 * 2 * 0.0625 + 2 * 0.5625) / 4, 1e-15);
  EXPECT_NEAR(calibration.log_loss, -(3 * std::log(0.75) + std::log(0.25)) / 4, 1e-15);

  // Sure of itself, and wrong half of the time.
  probe.network = constant_network({800}, Activation::kSigmoid);
  examples.labels.names = {"b", "a", "b", "a"};
  const Calibration sure = *evaluate(probe, examples).classes->calibration;
  EXPECT_EQ(sure.bins[9].rows, 4u);
  EXPECT_NEAR(sure.expected_error, 0.5, 1e-15);
  EXPECT_NEAR(sure.log_loss, 400, 1e-12);  // and not infinite
}

TEST(Evaluation, MeasuresNumbersByHand) {
  const Probe probe{.network = constant_network({2}, Activation::kNone), .classes = {}};
  const Examples examples{{Matrix(3, 1, {1, 2, 3}), {.file = "three", .lines = {}}},
                          {.names = {"1", "2", "6"}, .numbers = {1, 2, 6}}};
  const Evaluation found = evaluate(probe, examples);
  ASSERT_TRUE(found.numbers);
  EXPECT_NEAR(found.numbers->rmse, std::sqrt(17.0 / 3), 1e-15);
  EXPECT_NEAR(found.numbers->mean_absolute_error, 5.0 / 3, 1e-15);
  EXPECT_NEAR(found.numbers->r_squared, 1 - 17.0 / 14, 1e-15);
}

TEST(ProbeFile, RefusesWhatDoesNotFit) {
  const test::TempDir folder;
  const auto expect_refused = [&](const std::string& layer, const std::string& probe, const std::string& says) {
    const std::string text = R"({"format": "kinglet-json", "version": 1, "config": {"model_type": "mlp", "layers": [)" +
                             layer + "]" + probe + R"(}, "tensors": {"layers.0.weight": [[1]]}})";
    try {
      open_probe(folder.write("p.json", text));
      ADD_FAILURE() << "was accepted, should say: " << says;
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::kRefused);
      EXPECT_NE(std::string(error.what()).find(says), std::string::npos) << error.what() << "\n  should say: " << says;
    }
  };
  const std::string sigmoid = R"({"in": 1, "out": 1, "activation": "sigmoid"})", none = R"({"in": 1, "out": 1, "activation": "none"})";
  expect_refused(none, "", "no probe");
  expect_refused(none, R"(, "probe": {"kind": "svm", "l2": 1, "rows": 1})", "svm");
  expect_refused(none, R"(, "probe": {"kind": "logistic", "l2": 1, "rows": 1})", "classes");
  expect_refused(none, R"(, "probe": {"kind": "logistic", "classes": ["a", "b"], "l2": 1, "rows": 1})", "sigmoid");
  expect_refused(sigmoid, R"(, "probe": {"kind": "logistic", "classes": ["a"], "l2": 1, "rows": 1})", "fewer than two");
  expect_refused(sigmoid, R"(, "probe": {"kind": "logistic", "classes": ["a", "a"], "l2": 1, "rows": 1})", "twice");
  expect_refused(sigmoid, R"(, "probe": {"kind": "logistic", "classes": ["a", "b", "c"], "l2": 1, "rows": 1})", "do not fit");
  expect_refused(sigmoid, R"(, "probe": {"kind": "mlp", "classes": ["a", "b"], "l2": "1", "rows": 1})", "l2");
}

}  // namespace
}  // namespace kinglet::dense
