#include "dense/network_file.h"

#include <nlohmann/json.hpp>

#include "io/hf_directory.h"
#include "io/json_weights.h"
#include "kinglet/error.h"
#include "support/temp_dir.h"
#include "vectors.h"

namespace kinglet::dense {
namespace {

void expect_refused(const std::string& text, const std::string& says) {
  const test::TempDir folder;
  try {
    open_network(folder.write("net.json", text));
    ADD_FAILURE() << "was accepted, should say: " << says;
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.fault(), Fault::kRefused) << message;
    EXPECT_NE(message.find("net.json"), message.npos) << message;
    EXPECT_NE(message.find(says), message.npos) << message << "\n  should say: " << says;
  }
}

std::string with(const std::string& layers, const std::string& tensors, const std::string& type = "mlp") {
  return R"({"format": "kinglet-json", "version": 1, "config": {"model_type": ")" + type + R"(", "layers": )" +
         layers + R"(}, "tensors": {)" + tensors + "}}";
}

TEST(NetworkFile, TheModelOfTheProjectIsThePublishedOne) {
  const auto file = vectors("mlp.json");
  const NetworkFile opened = open_network(KINGLET_SOURCE_DIR "/models/mlp-2020.json");
  const Network wanted = network_of(file["layers"]);
  ASSERT_EQ(opened.network.layers.size(), wanted.layers.size());
  for (std::size_t i = 0; i < wanted.layers.size(); ++i) {
    EXPECT_EQ(opened.network.layers[i].weight, wanted.layers[i].weight) << i;  // every bit
    EXPECT_EQ(opened.network.layers[i].bias, wanted.layers[i].bias) << i;
    EXPECT_EQ(opened.network.layers[i].activation, wanted.layers[i].activation) << i;
  }
}

TEST(NetworkFile, KeepsEveryBitAndTheOtherKeys) {
  const test::TempDir folder;
  const Network network{{{Matrix(2, 2, {0.1, -0.0, 1e-300, 3}), {1.0 / 3, -2e15}, Activation::kGelu},
                         {Matrix(1, 2, {5e-324, 1.7976931348623157e308}), {0}, Activation::kNone}}};
  const auto path = folder.write("net.json", network_json(network, {{"probe", {{"kind", "ridge"}}}}));
  const NetworkFile opened = open_network(path);
  EXPECT_EQ(opened.config.object("probe").string("kind"), "ridge");
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(opened.network.layers[i].weight, network.layers[i].weight);
    EXPECT_EQ(opened.network.layers[i].bias, network.layers[i].bias);
  }
  EXPECT_TRUE(std::signbit(opened.network.layers[0].weight(0, 1)));
}

TEST(NetworkFile, ReadsFloatsOfABlobAndDoesWithoutBiases) {
  static const std::string blob("0123\0\0\x80\x3f\0\0\0\x40", 12);  // 1, 2 from byte 4
  static const io::MemoryFile files[] = {{"model.blob", std::as_bytes(std::span(blob))}};
  const std::string text = R"({"format": "kinglet-json", "version": 1, "blob": "model.blob",
    "config": {"model_type": "mlp", "layers": [{"in": 2, "out": 1, "activation": "none"}]},
    "tensors": {"layers.0.weight": {"dtype": "f32", "shape": [1, 2], "offset": 4}}})";
  const io::ModelFile file = io::open_json_weights(File::memory("net.json", std::as_bytes(std::span(text))),
                                                   io::Folder::in_memory("folder", files));
  const Network network = read_network(file.config, *file.tensors);
  EXPECT_EQ(network.forward(std::vector<double>{10, 1}), (std::vector<double>{12}));
}

TEST(NetworkFile, RefusesWhatDoesNotFit) {
  const std::string one = R"([{"in": 2, "out": 1, "activation": "relu"}])";
  const std::string weight = R"("layers.0.weight": [[1, 2]])";
  expect_refused(with(one, weight, "llama"), "'llama'");
  expect_refused(with("[]", ""), "config.layers");
  expect_refused(with("[3]", ""), "config.layers[0]");
  expect_refused(with(R"([{"in": 2, "out": 1}])", weight), "config.layers[0].activation");
  expect_refused(with(R"([{"in": 2, "out": 1, "activation": "elu"}])", weight), "relu, sigmoid");
  expect_refused(with(R"([{"in": 0, "out": 1, "activation": "relu"}])", weight), "config.layers[0].in");
  expect_refused(with(R"([{"in": 2, "out": -1, "activation": "relu"}])", weight), "config.layers[0].out");
  expect_refused(with(R"([{"in": 2, "out": 1, "activation": "relu", "dropout": 1}])", weight), "dropout");
  expect_refused(with(one, ""), "layers.0.weight");
  expect_refused(with(one, R"("layers.0.weight": [[1, 2, 3]])"), "found (1, 3), allowed (1, 2)");
  expect_refused(with(one, weight + R"(, "layers.0.bias": [1, 2])"), "layers.0.bias");
  expect_refused(with(one, weight + R"(, "layers.1.bias": [1])"), "no layer has");
  expect_refused(with(R"([{"in": 2, "out": 1, "activation": "relu"}, {"in": 2, "out": 1, "activation": "relu"}])",
                      weight), "config.layers[1].in: found 2, allowed 1");
  expect_refused(with(one, R"("layers.0.weight": [[1, 2], [3]])"), "layers.0.weight");
  expect_refused(with(one, R"("layers.0.weight": [[1, NaN]])"), "JSON");
  expect_refused(with(one, R"("layers.0.weight": [[1, 1e999]])"), "1e999");
}

}  // namespace
}  // namespace kinglet::dense
