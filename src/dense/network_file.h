#pragma once

// A dense network in a model file. In any format that kinglet reads:
//
//   config    {"model_type": "mlp", "layers": [{"in": 4, "out": 8, "activation": "relu"}, ...]}
//   tensors   layers.{i}.weight (out, in), layers.{i}.bias (out; absent: zeros)
//
// Floats of any width; kinglet-json keeps doubles. Other keys of the config are left alone: probes
// keep theirs under "probe".

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "dense/network.h"
#include "tensor/metadata.h"
#include "tensor/source.h"

namespace kinglet::dense {

struct NetworkFile {
  Network network;
  Metadata config;
};

// Errors (kRefused): another kind of model, layers that do not fit each other or their tensors,
// unknown tensors, weights that are not finite.
NetworkFile open_network(const std::filesystem::path& path);
Network read_network(const Metadata& config, const TensorSource& tensors);

// The network as kinglet-json, every bit kept; `more` (an object) goes into the config beside what
// the network itself needs.
std::string network_json(const Network& network, const nlohmann::ordered_json& more);

}  // namespace kinglet::dense
