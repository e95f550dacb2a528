#include "dense/probe_file.h"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/output_file.h"
#include "base/text.h"
#include "dense/network_file.h"
#include "kinglet/error.h"

namespace kinglet::dense {
namespace {

void check_classes(const Probe& probe, const std::string& file) {
  const auto error = [&](std::string problem) {
    return refused(std::move(problem)).in(file).at("config.probe.classes").found(fmt::format("{}", probe.classes.size()));
  };
  if (probe.classes.size() < 2) throw error("fewer than two classes");
  if (std::set(probe.classes.begin(), probe.classes.end()).size() != probe.classes.size()) {
    throw error("a class stands there twice");
  }
  const bool is_one_output = probe.has_probabilities() && probe.classes.size() == 2;
  const std::size_t wanted = is_one_output ? 1 : probe.classes.size();
  if (probe.network.out() != wanted) {
    throw error("the classes do not fit the network's outputs").allowed(fmt::format("as many as {} outputs mean", probe.network.out()));
  }
  const Activation last = probe.network.layers.back().activation;
  const Activation right = !probe.has_probabilities() ? Activation::kNone
                           : is_one_output            ? Activation::kSigmoid
                                                      : Activation::kSoftmax;
  if (last != right) {
    throw refused("the last activation does not fit the probe")
        .in(file)
        .at("config.layers")
        .found(name_of(last))
        .allowed(name_of(right));
  }
}

nlohmann::ordered_json json_of(const TextFeatures& text) {
  using Json = nlohmann::ordered_json;
  // A name from a path may be no UTF-8 and would make no JSON.
  return {{"layer", text.layer ? Json(*text.layer) : Json("final")},
          {"pooling", text.pooling},
          {"normalized", text.normalized},
          {"model",
           {{"name", printable(text.model)},
            {"layers", text.layers},
            {"width", text.width},
            {"vocabulary", text.vocabulary},
            {"fingerprint", text.fingerprint}}}};
}

TextFeatures text_features_of(const Metadata& about) {
  const Metadata model = about.object("model");
  const auto size = [&](const char* key, std::int64_t min) { return static_cast<std::size_t>(model.integer(key, min)); };
  TextFeatures text{.layer = {},
                    .pooling = about.string("pooling"),
                    .normalized = about.boolean("normalized"),
                    .model = model.string("name"),
                    .layers = size("layers", 0),
                    .width = size("width", 1),
                    .vocabulary = size("vocabulary", 1),
                    .fingerprint = model.numbers("fingerprint")};
  const bool is_named = about.has("layer") && about.json().at("layer").is_string();
  if (!is_named) {
    text.layer = static_cast<std::size_t>(about.integer("layer", 0));
  } else if (const std::string name = about.string("layer"); name != "final") {
    throw refused("an unknown layer").in(about.file()).at("config.probe.text.layer").found(kinglet::quoted(name)).allowed("a number, \"final\"");
  }
  return text;
}

}  // namespace

void write_probe(const std::filesystem::path& path, const Probe& probe) {
  nlohmann::ordered_json about = {{"kind", name_of(probe.kind)}};
  if (!probe.classes.empty()) about["classes"] = probe.classes;
  about["l2"] = probe.l2;
  about["rows"] = probe.rows;
  if (probe.text) about["text"] = json_of(*probe.text);
  OutputFile file(path);
  file.write(network_json(probe.network, {{"probe", about}}));
  file.commit();
}

Probe open_probe(const std::filesystem::path& path) {
  NetworkFile file = open_network(path);
  if (!file.config.has("probe")) {
    throw refused("a dense network, but no probe").in(file.config.file()).at("config.probe");
  }
  const Metadata about = file.config.object("probe");
  Probe probe{.kind = {}, .network = std::move(file.network), .classes = {}};
  const std::string kind = about.string("kind");
  if (const auto known = probe_kind_named(kind)) {
    probe.kind = *known;
  } else {
    throw refused("an unknown kind of probe").in(about.file()).at("config.probe.kind").found(kinglet::quoted(kind)).allowed("ridge, logistic, mlp");
  }
  if (about.has("classes")) {
    probe.classes = about.strings("classes");
    check_classes(probe, about.file());
  } else if (probe.network.out() != 1 || probe.kind == ProbeKind::kLogistic) {
    throw refused("a probe without classes gives one number").in(about.file()).at("config.probe.classes");
  }
  probe.l2 = about.number("l2");
  probe.rows = static_cast<std::size_t>(about.integer("rows", 0, std::numeric_limits<std::int64_t>::max()));
  if (about.has("text")) probe.text = text_features_of(about.object("text"));
  return probe;
}

}  // namespace kinglet::dense
