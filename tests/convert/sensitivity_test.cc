// A matrix's divergence against that of a converted model in which it alone has the type, as the conversion's own
// verification measures it on the same text.

#include "convert/sensitivity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "convert/convert.h"
#include "dtype/format.h"
#include "io/open.h"
#include "support/temp_dir.h"

namespace kinglet::test {
namespace {

const std::filesystem::path kSource = KINGLET_SOURCE_DIR;

std::vector<Sensitivity> measured(const std::filesystem::path& path, std::size_t threads) {
  const io::ModelFile model = io::open_model_file(path);
  return *measure_sensitivity(model, {}, threads, {});
}

double of_whole_models(const std::filesystem::path& path, const Sensitivity& matrix) {
  const TempDir directory;
  ConvertOptions options;
  options.dtype = "f32";
  options.tensor_dtypes = {"^" + matrix.name + "$=" + dtype::name_of(matrix.measured)};
  options.threads = 1;
  const Converted converted = convert(path, directory / "one.gguf", options);
  return converted.verification && converted.verification->logits ? converted.verification->logits->mean_kl : -1;
}

TEST(Sensitivity, EqualsTheDivergenceOfAModelWithThatMatrixReplaced) {
  const std::filesystem::path path = kSource / "tests/models/tiny-untied-bf16";  // a context of 64: the same tokens
  const auto matrices = measured(path, 2);
  ASSERT_EQ(matrices.size(), 9u);
  for (const Sensitivity& matrix : matrices) {
    const double whole = of_whole_models(path, matrix);
    EXPECT_GT(matrix.kl, 0) << matrix.name;
    EXPECT_NEAR(matrix.kl, whole, 1e-9 + 1e-6 * whole) << matrix.name;
  }
}

TEST(Sensitivity, IsTheSameForEveryNumberOfThreads) {
  const std::filesystem::path path = kSource / "tests/models/tiny-untied-bf16";
  const auto expected = measured(path, 1);
  for (const std::size_t threads : {2u, 3u, 5u}) {
    const auto found = measured(path, threads);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].kl, expected[i].kl) << found[i].name << ", " << threads << " threads";
      for (std::size_t j = 0; j < found[i].choices.size(); ++j) {
        EXPECT_EQ(found[i].choices[j].kl, expected[i].choices[j].kl) << found[i].name;
      }
    }
  }
}

TEST(Sensitivity, ChoicesGrowAndEndWithTheSourcesOwnType) {
  for (const Sensitivity& matrix : measured(kSource / "tests/models/tiny-untied-bf16", 2)) {
    ASSERT_GE(matrix.choices.size(), 3u);
    EXPECT_EQ(matrix.choices.back().dtype, DType::kBF16);
    EXPECT_EQ(matrix.choices.back().kl, 0);
    EXPECT_TRUE(std::ranges::is_sorted(matrix.choices, {}, &TypeChoice::bytes));
    const auto own = std::ranges::find(matrix.choices, matrix.measured, &TypeChoice::dtype);
    ASSERT_NE(own, matrix.choices.end());
    EXPECT_DOUBLE_EQ(own->kl, matrix.kl);  // the ratio of an error to itself
  }
}

TEST(Sensitivity, EndsWhereItIsInterrupted) {
  const io::ModelFile model = io::open_model_file(kSource / "tests/models/tiny-untied-bf16");
  std::uint64_t done = 0, of = 0;
  SensitivityWatch watch;
  watch.on_progress = [&](std::uint64_t steps, std::uint64_t all) { done = steps, of = all; };
  watch.is_interrupted = [&] { return done == 3; };
  EXPECT_FALSE(measure_sensitivity(model, {}, 1, watch));
  EXPECT_EQ(done, 3u);
  EXPECT_GT(of, 3u);
}

// A budget that is kept by the file itself, and types that a rule gives stay the rule's.
TEST(SizeTarget, IsKeptByTheFile) {
  const TempDir directory;
  ConvertOptions options;
  options.verify = false;
  options.target_bytes = 32'000;
  options.tensor_dtypes = {"q_proj=q8_0"};
  const Converted converted = convert(kSource / "tests/models/tiny-untied-bf16", directory / "small.gguf", options);
  const auto size = std::filesystem::file_size(directory / "small.gguf");
  EXPECT_EQ(size, converted.bytes);
  EXPECT_LE(size, options.target_bytes);
  EXPECT_GT(size, options.target_bytes * 9 / 10);
  const io::ModelFile small = io::open_model_file(directory / "small.gguf");
  EXPECT_EQ(small.tensors->find("model.layers.0.self_attn.q_proj.weight")->dtype, DType::kQ8_0);
}

TEST(SizeTarget, BitsPerWeightCountAllTensors) {
  const TempDir directory;
  ConvertOptions options;
  options.verify = false;
  options.target_bpw = 6.5;
  convert(kSource / "tests/models/tiny-untied-bf16", directory / "small.gguf", options);
  double bits = 0, values = 0;
  const io::ModelFile small = io::open_model_file(directory / "small.gguf");
  for (const TensorInfo& tensor : small.tensors->tensors()) {
    double count = 1;
    for (const std::uint64_t size : tensor.shape) count *= static_cast<double>(size);
    values += count;
    bits += 8 * static_cast<double>(tensor.nbytes);
  }
  EXPECT_LE(bits / values, 6.5);
  EXPECT_GT(bits / values, 6.0);
}

}  // namespace
}  // namespace kinglet::test
