#include "dense/examples.h"

#include "dense/probe.h"
#include "io/npy.h"
#include "kinglet/error.h"
#include "support/temp_dir.h"
#include "vectors.h"

namespace kinglet::dense {
namespace {

using Names = std::vector<std::string>;

TEST(Examples, ReadLinesWithVectorsAndLabels) {
  const test::TempDir folder;
  const Examples words = read_examples(
      folder.write("a.jsonl", "{\"x\": [1, 2], \"y\": \"dog\"}\n\n{\"x\": [3, 4], \"label\": \"cat\", \"id\": 7}\n"), "");
  EXPECT_EQ(words.vectors.values, Matrix(2, 2, {1, 2, 3, 4}));
  EXPECT_EQ(words.labels.names, (Names{"dog", "cat"}));
  EXPECT_TRUE(words.labels.numbers.empty());
  EXPECT_EQ(words.vectors.origin.lines, (std::vector<std::size_t>{1, 3}));
  EXPECT_EQ(classes_of(words.labels), (Names{"cat", "dog"}));

  const Examples numbers = read_examples(folder.write("b.jsonl", "{\"x\":[1],\"y\":10}\n{\"x\":[2],\"y\":9.5}\n{\"x\":[2],\"y\":-0.0}\n"), "");
  EXPECT_EQ(numbers.labels.numbers, (std::vector<double>{10, 9.5, 0}));
  EXPECT_EQ(classes_of(numbers.labels), (Names{"0", "9.5", "10"}));

  const Examples booleans = read_examples(folder.write("c.jsonl", "{\"x\":[1],\"y\":true}\n{\"x\":[2],\"y\":false}\n"), "");
  EXPECT_EQ(booleans.labels.names, (Names{"true", "false"}));
}

TEST(Examples, MayBeTexts) {
  const test::TempDir folder;
  const auto path = folder.write("t.jsonl", "\n{\"text\": \"The fox\", \"label\": \"a\"}\n\n{\"y\": \"b\", \"text\": \"\"}\n");
  EXPECT_TRUE(has_texts(path));
  const TextExamples examples = read_text_examples(path);
  EXPECT_EQ(examples.texts, (Names{"The fox", ""}));
  EXPECT_EQ(examples.labels.names, (Names{"a", "b"}));
  EXPECT_EQ(examples.origin.lines, (std::vector<std::size_t>{2, 4}));
  for (const char* other : {"", "{\"x\": [1], \"text\": \"about it\", \"y\": 1}\n", "{\"text\"\n", "[1]\n", "{\"label\": 1}\n"}) {
    EXPECT_FALSE(has_texts(folder.write("o.jsonl", other))) << other;
  }
}

TEST(Examples, ReadLabelsBesideAnArray) {
  const test::TempDir folder;
  const auto x = folder.path() / "x.npy", y = folder.path() / "y.npy";
  io::write_npy(x, std::vector<std::uint64_t>{2, 2}, std::vector<double>{1, 2, 3, 4});
  io::write_npy(y, std::vector<std::uint64_t>{2}, std::vector<double>{1, 0});
  EXPECT_EQ(read_examples(x, y).labels.names, (Names{"1", "0"}));
  EXPECT_EQ(read_examples(x, folder.write("y.jsonl", "\"a\"\n\"b\"\n")).labels.names, (Names{"a", "b"}));
}

void expect_refused(const std::string& lines, const std::string& says) {
  const test::TempDir folder;
  try {
    read_examples(folder.write("d.jsonl", lines), "");
    ADD_FAILURE() << "was accepted, should say: " << says;
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kRefused);
    EXPECT_NE(std::string(error.what()).find(says), std::string::npos) << error.what() << "\n  should say: " << says;
  }
}

TEST(Examples, NameTheLineThatIsWrong) {
  const std::string good = "{\"x\": [1, 2], \"y\": 1}\n";
  expect_refused("", "no examples");
  expect_refused(good + "{\"x\": [1, 2]}\n", "d.jsonl:2: a line has no \"y\"");
  expect_refused(good + "{\"y\": 1}\n", "d.jsonl:2: a line has no \"x\"");
  expect_refused(good + "[1, 2]\n", "d.jsonl:2");
  expect_refused(good + "\n{\"x\": [1], \"y\": 1}\n", "d.jsonl:3");
  expect_refused(good + "{\"x\": [1, NaN], \"y\": 1}\n", "d.jsonl:2");
  expect_refused(good + "{\"x\": [1, 1e999], \"y\": 1}\n", "d.jsonl:2");
  expect_refused(good + "{\"x\": [1, 2], \"y\": \"a\"}\n", "d.jsonl:2: a label of another type");
  expect_refused(good + "{\"x\": [1, 2], \"y\": null}\n", "d.jsonl:2: a label is a number");
  expect_refused(good + "{\"x\": [1, 2], \"y\": [1]}\n", "d.jsonl:2: a label is a number");
}

TEST(Examples, WantAsManyLabelsAsVectors) {
  const test::TempDir folder;
  const auto x = folder.path() / "x.npy";
  io::write_npy(x, std::vector<std::uint64_t>{2, 2}, std::vector<double>{1, 2, 3, 4});
  EXPECT_THROW(read_examples(x, ""), Error);
  EXPECT_THROW(read_examples(x, folder.write("y.jsonl", "1\n")), Error);
  EXPECT_THROW(read_examples(x, x), Error);
}

void expect_no_fit(Examples examples, const FitOptions& options, const std::string& says) {
  examples.vectors.origin.file = "some.jsonl";
  try {
    fit_probe(examples, options);
    ADD_FAILURE() << "was fitted, should say: " << says;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("some.jsonl: "), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find(says), std::string::npos) << error.what() << "\n  should say: " << says;
  }
}

TEST(Fit, RefusesWhatNothingCanBeLearntFrom) {
  const Matrix x(4, 2, {1, 5, 2, 7, 3, 6, 4, 9});
  const Labels numbers{.names = {"1", "2", "3", "5"}, .numbers = {1, 2, 3, 5}};
  expect_no_fit({{x, {}}, {.names = {"a", "a", "a", "a"}, .numbers = {}}}, {.l2 = {1}}, "one class");
  expect_no_fit({{x, {}}, {.names = {"a", "b", "c", "d"}, .numbers = {}}}, {.l2 = {1}}, "quantities");
  expect_no_fit({{Matrix(4, 2, {1, 5, 2, 5, 3, 5, 4, 5}), {}}, numbers}, {.kind = ProbeKind::kRidge, .l2 = {1}}, "x[1]: found 5");
  expect_no_fit({{Matrix(4, 2, {1, 2, 2, 4, 3, 6, 4, 8}), {}}, numbers}, {.kind = ProbeKind::kRidge, .l2 = {0}}, "singular");
  expect_no_fit({{x, {}}, numbers}, {.kind = ProbeKind::kRidge, .l2 = {1, 2}, .folds = 5}, "folds");
}

}  // namespace
}  // namespace kinglet::dense
