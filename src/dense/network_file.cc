#include "dense/network_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.h"
#include "dtype/format.h"
#include "io/open.h"
#include "kinglet/error.h"

namespace kinglet::dense {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxLayers = 1024;
constexpr std::uint64_t kMaxWidth = 1u << 24;

std::string shown(const json& value) {
  return printable(value.dump(-1, ' ', false, json::error_handler_t::replace));
}

struct LayerShape {
  std::uint64_t in = 0, out = 0;
  Activation activation = Activation::kNone;
};

// One entry of config "layers".
class LayerEntry {
 public:
  LayerEntry(const std::string& file, std::size_t index, const json& entry)
      : file_(file), path_(fmt::format("config.layers[{}]", index)), entry_(entry) {}

  Error error(std::string problem, const std::string& key = "") const {
    return refused(std::move(problem)).in(file_).at(key.empty() ? path_ : path_ + "." + key);
  }

  LayerShape read() const {
    if (!entry_.is_object()) throw error("not an object");
    for (const auto& [key, value] : entry_.items()) {
      if (key == "in" || key == "out" || key == "activation") continue;
      throw error("an unknown field", printable(key)).allowed("in, out, activation");
    }
    return {width("in"), width("out"), activation()};
  }

 private:
  const json& need(const char* key) const {
    const auto found = entry_.find(key);
    if (found == entry_.end()) throw error("a field is missing", key);
    return *found;
  }
  std::uint64_t width(const char* key) const {
    const json& value = need(key);
    if (value.is_number_unsigned() && value.get<std::uint64_t>() >= 1 && value.get<std::uint64_t>() <= kMaxWidth) {
      return value.get<std::uint64_t>();
    }
    throw error("not a width", key).found(shown(value)).allowed(fmt::format("[1, {}]", kMaxWidth));
  }
  Activation activation() const {
    const json& value = need("activation");
    const auto known = value.is_string() ? activation_named(value.get_ref<const std::string&>()) : std::nullopt;
    if (known) return *known;
    throw error("not an activation", "activation").found(shown(value)).allowed(activation_names());
  }

  const std::string& file_;
  std::string path_;
  const json& entry_;
};

std::vector<LayerShape> shapes_of(const Metadata& config) {
  if (const std::string type = config.string("model_type"); type != "mlp") {
    throw refused("not a dense network").in(config.file()).at("model_type").found(kinglet::quoted(type)).allowed("'mlp'");
  }
  const auto layers = config.json().find("layers");
  if (layers == config.json().end() || !layers->is_array() || layers->empty() || layers->size() > kMaxLayers) {
    throw refused("not a list of layers").in(config.file()).at("config.layers").allowed(fmt::format("1 to {} entries", kMaxLayers));
  }
  std::vector<LayerShape> shapes;
  for (const json& entry : *layers) {
    const LayerEntry reader(config.file(), shapes.size(), entry);
    const LayerShape shape = reader.read();
    if (!shapes.empty() && shape.in != shapes.back().out) {
      throw reader.error("a layer does not fit the one before it", "in")
          .found(fmt::format("{}", shape.in))
          .allowed(fmt::format("{}, its outputs", shapes.back().out));
    }
    shapes.push_back(shape);
  }
  return shapes;
}

// A tensor's values in double. Errors (kRefused): another shape, a type that is no float, not finite.
std::vector<double> values_of(const TensorSource& tensors, const TensorInfo& info,
                              const std::vector<std::uint64_t>& shape) {
  const auto error = [&](std::string problem) {
    return refused(fmt::format("tensor {} {}", kinglet::quoted(info.name), problem)).in(info.file).at("", info.offset);
  };
  const auto spelled = [](const std::vector<std::uint64_t>& dimensions) {
    return fmt::format("({})", fmt::join(dimensions, ", "));
  };
  if (info.shape != shape) throw error("has another shape than its layer").found(spelled(info.shape)).allowed(spelled(shape));
  const auto& format = dtype::format_of(info.dtype);
  if (info.dtype != DType::kF64 && format.unpack == nullptr) throw error("is no tensor of floats").found(format.name);

  std::vector<std::byte> bytes(static_cast<std::size_t>(info.nbytes));
  tensors.read_rows(info, 0, bytes);
  const std::size_t count = static_cast<std::size_t>(shape[0] * (shape.size() == 2 ? shape[1] : 1));
  std::vector<double> values(count);
  if (info.dtype == DType::kF64) {
    std::memcpy(values.data(), bytes.data(), bytes.size());
  } else {
    std::vector<float> floats(count);
    format.unpack(bytes.data(), count, floats.data());
    std::copy(floats.begin(), floats.end(), values.begin());
  }
  const auto bad = std::find_if(values.begin(), values.end(), [](double v) { return !std::isfinite(v); });
  if (bad != values.end()) throw error(fmt::format("has a value that is not finite at [{}]", bad - values.begin()));
  return values;
}

std::string list_of(std::span<const double> values) {
  std::string list = "[";
  for (const double value : values) {
    if (list.size() > 1) list += ", ";
    // The shortest text that gives the same double; a bare -0 would be read as a whole number.
    list += value == 0 && std::signbit(value) ? "-0.0" : fmt::format("{}", value);
  }
  return list + "]";
}

}  // namespace

Network read_network(const Metadata& config, const TensorSource& tensors) {
  Network network;
  std::size_t used = 0;
  for (const LayerShape& shape : shapes_of(config)) {
    const std::string name = fmt::format("layers.{}.", network.layers.size());
    const TensorInfo* weight = tensors.find(name + "weight");
    const TensorInfo* bias = tensors.find(name + "bias");
    if (weight == nullptr) throw refused("a tensor is missing").in(config.file()).at(name + "weight");
    Layer layer;
    layer.weight = Matrix(shape.out, shape.in, values_of(tensors, *weight, {shape.out, shape.in}));
    layer.bias = bias != nullptr ? values_of(tensors, *bias, {shape.out}) : std::vector<double>(shape.out);
    layer.activation = shape.activation;
    network.layers.push_back(std::move(layer));
    used += bias != nullptr ? 2 : 1;
  }
  if (used == tensors.tensors().size()) return network;
  for (const TensorInfo& info : tensors.tensors()) {
    std::size_t layer = 0;
    while (layer < network.layers.size() && info.name != fmt::format("layers.{}.weight", layer) &&
           info.name != fmt::format("layers.{}.bias", layer)) {
      ++layer;
    }
    if (layer < network.layers.size()) continue;
    throw refused("a tensor that no layer has").in(info.file).at(printable(info.name));
  }
  return network;
}

NetworkFile open_network(const std::filesystem::path& path) {
  const io::ModelFile file = io::open_model_file(path, io::TextNumbers::kF64);
  return {read_network(file.config, *file.tensors), file.config};
}

std::string network_json(const Network& network, const nlohmann::ordered_json& more) {
  nlohmann::ordered_json config = {{"model_type", "mlp"}, {"layers", nlohmann::ordered_json::array()}};
  for (const Layer& layer : network.layers) {
    config["layers"].push_back({{"in", layer.in()}, {"out", layer.out()}, {"activation", name_of(layer.activation)}});
  }
  config.update(more);
  std::string text = "{\"format\": \"kinglet-json\", \"version\": 1,\n \"config\": " + config.dump() + ",\n \"tensors\": {";
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const Layer& layer = network.layers[i];
    text += fmt::format("{}\n  \"layers.{}.weight\": [\n", i == 0 ? "" : ",", i);
    for (std::size_t n = 0; n < layer.out(); ++n) {
      text += fmt::format("   {}{}\n", list_of(layer.weight.row(n)), n + 1 < layer.out() ? "," : "],");
    }
    text += fmt::format("  \"layers.{}.bias\": {}", i, list_of(layer.bias));
  }
  return text + "\n }}\n";
}

}  // namespace kinglet::dense
