// safetensors files: one, several as one source, and written ones.

#include "io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/safetensors_writer.h"
#include "reading.h"
#include "support/temp_dir.h"
#include "support/tiny_files.h"

namespace kinglet::io {
namespace {

using test::as_text;
using test::ramp;
using test::safetensors_file;
using testing::ElementsAre;

SafetensorsHeader header_of(const std::string& text) {
  return read_safetensors_header(File::memory("hostile.file", bytes_of(text)));
}

TEST(Safetensors, GivesNamesShapesAndBytesBack) {
  const std::string text = test::tiny_safetensors();
  const ModelFile model = open_text(Format::kSafetensors, text);
  EXPECT_THAT(names_of(*model.tensors), ElementsAre("a", "b"));
  EXPECT_EQ(floats_of(*model.tensors, "a"), ramp(6));
  const TensorInfo& b = *model.tensors->find("b");
  EXPECT_EQ(b.dtype, DType::kU8);
  EXPECT_THAT(b.shape, ElementsAre(4));
  EXPECT_EQ(raw_of(*model.tensors, b), "wxyz");
  EXPECT_EQ(header_of(text).metadata.at("k"), "v");
}

TEST(Safetensors, ReadsSingleRows) {
  const std::string text = test::tiny_safetensors();
  const ModelFile model = open_text(Format::kSafetensors, text);
  std::string row(12, '\0');
  model.tensors->read_rows(*model.tensors->find("a"), 1, std::as_writable_bytes(std::span(row)));
  EXPECT_EQ(row, as_text(ramp(3, 3)));
}

// What the reference reads too: scalars, empty tensors, any order of keys, spaces behind the header.
TEST(Safetensors, AcceptsWhatIsOddButWellFormed) {
  const std::string header =
      R"({"z":{"dtype":"F32","shape":[],"data_offsets":[8,12]},)"
      R"("empty":{"data_offsets":[0,0],"shape":[3,0],"dtype":"F32"},)"
      R"("a":{"data_offsets":[0,8],"dtype":"F16","shape":[2,2],"more":{"x":1}}}   )";
  const std::string text = safetensors_file(header, std::string(8, '\0') + as_text(ramp(1, 5)));
  const SafetensorsHeader read = header_of(text);
  ASSERT_EQ(read.tensors.size(), 3u);
  const ModelFile model = open_text(Format::kSafetensors, text);
  EXPECT_THAT(floats_of(*model.tensors, "z"), ElementsAre(5));
  EXPECT_TRUE(floats_of(*model.tensors, "empty").empty());
  const std::string nothing = safetensors_file("{}", "");
  EXPECT_TRUE(header_of(nothing).tensors.empty());
}

TEST(Safetensors, KnowsItsTypesByNameBothWays) {
  for (const char* name :
       {"F64", "F32", "F16", "BF16", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "BOOL"}) {
    const auto dtype = dtype_of_safetensors(name);
    ASSERT_TRUE(dtype) << name;
    EXPECT_EQ(safetensors_of_dtype(*dtype), name);
  }
  EXPECT_FALSE(dtype_of_safetensors("f32"));
  EXPECT_FALSE(dtype_of_safetensors("F8_E4M3"));
  EXPECT_FALSE(safetensors_of_dtype(DType::kQ8_0));
}

TEST(Safetensors, RefusesTwoShardsWithOneTensor) {
  const std::string text = test::tiny_safetensors();
  SafetensorsSource source;
  source.add(File::memory("first", bytes_of(text)));
  expect_refused([&] { source.add(File::memory("second", bytes_of(text))); }, "second",
                 "two tensors have the name 'a'");
}

// ---- writing ----

const std::vector<TensorPlan> kPlan = {{"w", DType::kF32, {2, 3}},
                                       {"ids", DType::kI32, {3}},
                                       {"empty", DType::kF16, {0}},
                                       {"name \"with\" \u00e9", DType::kBF16, {1}}};

void write_plan(const std::filesystem::path& path) {
  SafetensorsWriter writer(path, kPlan, {{"format", "pt"}});
  const std::string data = as_text(ramp(6)) + std::string(12, 'i') + "xy";
  writer.write(bytes_of(data).first(10));  // pieces need not end where tensors do
  writer.write(bytes_of(data).subspan(10));
  writer.finish();
}

TEST(SafetensorsWriter, WritesWhatTheReaderReads) {
  const test::TempDir folder;
  write_plan(folder / "out.safetensors");
  const File file = File::open(folder / "out.safetensors");
  const SafetensorsHeader header = read_safetensors_header(file);
  EXPECT_EQ(header.data_offset % 8, 0u);
  EXPECT_EQ(header.metadata.at("format"), "pt");
  ASSERT_EQ(header.tensors.size(), 4u);
  const ModelFile model = open_model_file(folder / "out.safetensors");
  EXPECT_EQ(floats_of(*model.tensors, "w"), ramp(6));
  EXPECT_EQ(raw_of(*model.tensors, *model.tensors->find("ids")), std::string(12, 'i'));
  EXPECT_EQ(raw_of(*model.tensors, *model.tensors->find("name \"with\" \u00e9")), "xy");
  for (const TensorPlan& plan : kPlan) {
    EXPECT_EQ(model.tensors->find(plan.name)->shape, plan.shape);
    EXPECT_EQ(model.tensors->find(plan.name)->dtype, plan.dtype);
  }
}

TEST(SafetensorsWriter, GivesTheSameBytesEachTime) {
  const test::TempDir folder;
  write_plan(folder / "a");
  write_plan(folder / "b");
  EXPECT_EQ(test::read_file(folder / "a"), test::read_file(folder / "b"));
}

TEST(SafetensorsWriter, LeavesNoFileWhereBytesAreMissingOrTooMany) {
  const test::TempDir folder;
  const TensorPlan plan[] = {{"w", DType::kF32, {2}}};
  {
    SafetensorsWriter writer(folder / "out", plan);
    writer.write(bytes_of("1234"));
    EXPECT_THROW(writer.finish(), Error);
    EXPECT_THROW(writer.write(bytes_of("12345")), Error);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(SafetensorsWriter, RefusesWhatTheFormatCannotHold) {
  const test::TempDir folder;
  const auto fault_of = [&](std::vector<TensorPlan> plan) {
    try {
      SafetensorsWriter(folder / "out", plan);
      return Fault::kRuntime;
    } catch (const Error& error) {
      return error.fault();
    }
  };
  EXPECT_EQ(fault_of({{"w", DType::kQ8_0, {32}}}), Fault::kUsage);
  EXPECT_EQ(fault_of({{"w", DType::kF32, {1}}, {"w", DType::kF32, {1}}}), Fault::kUsage);
  EXPECT_EQ(fault_of({{"__metadata__", DType::kF32, {1}}}), Fault::kUsage);
  EXPECT_EQ(fault_of({{"\xff", DType::kF32, {1}}}), Fault::kUsage);
  EXPECT_EQ(fault_of({{"w", DType::kF32, {1ull << 62, 4}}}), Fault::kUsage);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace kinglet::io
