// kinglet-json: lists of numbers, places in a blob, an embedded tokenizer.

#include "io/json_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "reading.h"
#include "support/temp_dir.h"
#include "support/tiny_files.h"

namespace kinglet::io {
namespace {

using testing::ElementsAre;

std::string with_tensors(const std::string& tensors) {
  return R"({"format":"kinglet-json","version":1,"config":{},"tensors":{)" + tensors + "}}";
}

TEST(JsonWeights, GivesTensorsBackInTheFilesOrder) {
  const std::string text = test::tiny_json_weights();
  const ModelFile model = open_text(Format::kJson, text);
  EXPECT_THAT(names_of(*model.tensors), ElementsAre("m", "v", "b"));
  EXPECT_THAT(floats_of(*model.tensors, "m"), ElementsAre(1, 2.5f, -3, 4, 0.5f, 6));
  EXPECT_THAT(model.tensors->find("m")->shape, ElementsAre(2, 3));
  EXPECT_THAT(floats_of(*model.tensors, "v"), ElementsAre(7, 8));
  EXPECT_THAT(floats_of(*model.tensors, "b"), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(model.config.string("model_type"), "mlp");
  EXPECT_EQ(model.format, "kinglet-json v1");
}

TEST(JsonWeights, GivesTheTokenizersTextAsItStands) {
  const std::string text = test::tiny_json_weights();
  const ModelFile model = open_text(Format::kJson, text);
  EXPECT_EQ(model.tokenizer.kind, TokenizerText::Kind::kTokenizerJson);
  EXPECT_EQ(model.tokenizer.content, R"({"model": {"type": "BPE"}})");
}

TEST(JsonWeights, ReadsSingleRowsOfALists) {
  const std::string text = test::tiny_json_weights();
  const ModelFile model = open_text(Format::kJson, text);
  std::string row(12, '\0');
  model.tensors->read_rows(*model.tensors->find("m"), 1, std::as_writable_bytes(std::span(row)));
  EXPECT_EQ(row, test::as_text(std::vector<float>{4, 0.5f, 6}));
  EXPECT_THROW(model.tensors->read_rows(*model.tensors->find("m"), 2,
                                        std::as_writable_bytes(std::span(row))),
               Error);
}

// 1 + 2^-24 + 2^-50: a double first would be rounded to 1 + 2^-24, which then ties to 1.
TEST(JsonWeights, RoundsANumberOnce) {
  const std::string text = with_tensors("\"x\":[1.00000005960464566,16777217,1e-50,-0.0]");
  const ModelFile model = open_text(Format::kJson, text);
  const auto x = floats_of(*model.tensors, "x");
  EXPECT_EQ(x[1], 16777216.0f);
  EXPECT_EQ(x[2], 0.0f);
  EXPECT_TRUE(std::signbit(x[3]));
  const std::string close = with_tensors("\"x\":[1.000000059604644775390625000000000000000001]");
  EXPECT_EQ(floats_of(*open_text(Format::kJson, close).tensors, "x")[0],
            std::nextafter(1.0f, 2.0f));
}

TEST(JsonWeights, KeepsDoublesWhereAsked) {
  const std::string text = with_tensors(R"("x": [0.1, 16777217, -1e300])");
  const ModelFile model = open_json_weights(File::memory("x.json", bytes_of(text)),
                                            Folder::in_memory("folder", {}), TextNumbers::kF64);
  EXPECT_EQ(model.tensors->find("x")->dtype, DType::kF64);
  double values[3] = {};
  model.tensors->read_rows(*model.tensors->find("x"), 0, std::as_writable_bytes(std::span(values)));
  EXPECT_THAT(values, ElementsAre(0.1, 16777217, -1e300));
}

TEST(JsonWeights, ReadsUpToEightDimensions) {
  const std::string text = with_tensors("\"x\":[[[[[[[[1,2]]]]]]]]");
  EXPECT_THAT(open_text(Format::kJson, text).tensors->find("x")->shape,
              ElementsAre(1, 1, 1, 1, 1, 1, 1, 2));
}

TEST(JsonWeights, RefusesTensorsThatShareBytesOfTheBlob) {
  const std::string text = R"({"format":"kinglet-json","version":1,"config":{},"blob":"model.blob",
    "tensors":{"x":{"dtype":"f32","shape":[2],"offset":0},"y":{"dtype":"f32","shape":[2],"offset":4}}})";
  expect_refused([&] { open_text(Format::kJson, text); }, "folder/model.blob",
                 "tensors 'x' and 'y' overlap");
}

TEST(JsonWeights, FindsTheBlobBesideTheFile) {
  const test::TempDir folder;
  const auto path = folder.write("model.json", test::tiny_json_weights());
  expect_refused([&] { open_model_file(path); }, "model.blob", "No such file");
  folder.write("model.blob", blob_content());
  EXPECT_THAT(floats_of(*open_model_file(path).tensors, "b"), ElementsAre(1, 2, 3, 4));
}

}  // namespace
}  // namespace kinglet::io
