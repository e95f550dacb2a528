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

}  // namespace

void write_probe(const std::filesystem::path& path, const Probe& probe) {
  nlohmann::ordered_json about = {{"kind", name_of(probe.kind)}};
  if (!probe.classes.empty()) about["classes"] = probe.classes;
  about["l2"] = probe.l2;
  about["rows"] = probe.rows;
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
  return probe;
}

}  // namespace kinglet::dense
