#include "dense/vectors.h"

#include <limits>

#include "io/npy.h"
#include "support/temp_dir.h"
#include "vectors.h"

namespace kinglet::dense {
namespace {

const Matrix kTwo(2, 3, {1, 2, 3, 4, 5.5, -6});

void expect_refused(const std::function<void()>& call, const std::string& says) {
  try {
    call();
    ADD_FAILURE() << "was accepted, should say: " << says;
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kRefused) << error.what();
    EXPECT_NE(std::string(error.what()).find(says), std::string::npos) << error.what() << "\n  should say: " << says;
  }
}

TEST(Vectors, AreTheSameFromJsonLinesAndNpy) {
  const test::TempDir folder;
  EXPECT_EQ(parse_vectors("[1, 2, 3]", "x").values, Matrix(1, 3, {1, 2, 3}));
  EXPECT_EQ(parse_vectors("[[1, 2, 3], [4, 5.5, -6]]", "x").values, kTwo);
  EXPECT_EQ(parse_vector_lines("[1, 2, 3]\n\n{\"x\": [4, 5.5, -6], \"y\": 1}", "x").values, kTwo);
  EXPECT_EQ(read_vectors(folder.write("x.json", "[[1, 2, 3], [4, 5.5, -6]]")).values, kTwo);
  EXPECT_EQ(read_vectors(folder.write("x.jsonl", "[1, 2, 3]\n[4, 5.5, -6]\n")).values, kTwo);
  const std::uint64_t shape[] = {2, 3}, one[] = {6};
  io::write_npy(folder / "x.npy", shape, kTwo.values());
  EXPECT_EQ(read_vectors(folder / "x.npy").values, kTwo);
  io::write_npy(folder / "one.npy", one, kTwo.values());
  EXPECT_EQ(read_vectors(folder / "one.npy").values.rows(), 1u);
}

TEST(Vectors, ThatAreWrongAreRefusedByLineOrRow) {
  const auto json = [](const char* text) { return [text] { parse_vectors(text, "x.json"); }; };
  const auto lines = [](const char* text) { return [text] { parse_vector_lines(text, "x.jsonl"); }; };
  expect_refused(json("[]"), "empty");
  expect_refused(json("3"), "list of numbers");
  expect_refused(json("{\"a\": 1}"), "list of numbers");
  expect_refused(json("[[1], [2, 3]]"), "row 1: found 2, allowed 1");
  expect_refused(json("[1, [2]]"), "not a number");
  expect_refused(json("[1, true]"), "found true");
  expect_refused(json("[NaN]"), "JSON");
  expect_refused(json("[1e999]"), "1e999");
  expect_refused(json("[1] 2"), "JSON");
  expect_refused(lines("[1]\n\n[1, 2]\n"), "x.jsonl:3");
  expect_refused(lines("[1]\n[\"a\"]\n"), "x.jsonl:2");
  expect_refused(lines("[1]\n[1\n"), "x.jsonl:2");
  expect_refused(lines("{\"z\": [1]}\n"), "x.jsonl:1");
  expect_refused(lines("\n"), "no vectors");
}

TEST(Vectors, OfANpyAreFinite) {
  const test::TempDir folder;
  const std::uint64_t shape[] = {2, 2};
  const float values[] = {1, 2, 3, std::numeric_limits<float>::quiet_NaN()};
  io::write_npy(folder / "x.npy", shape, std::span<const float>(values));
  expect_refused([&] { read_vectors(folder / "x.npy"); }, "x.npy: value 1 is not finite (row 1: found nan)");
}

TEST(Vectors, OfAnotherWidthAreRefused) {
  EXPECT_NO_THROW(check_width(parse_vectors("[1, 2]", "x"), 2, "the network"));
  expect_refused([] { check_width(parse_vectors("[1, 2]", "x"), 4, "the network"); },
                 "fit the network (row 0: found 2 values, allowed 4)");
}

}  // namespace
}  // namespace kinglet::dense
