#include "dense/cosine.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "support/temp_dir.h"
#include "vectors.h"

namespace kinglet::dense {
namespace {

const Origin kOrigin{.file = "test", .lines = {}};

TEST(Cosine, IsNumPys) {
  const auto file = vectors("cosine.json");
  const VectorTable table(matrix_of(file["vectors"]), file["words"].get<std::vector<std::string>>(), kOrigin);
  const Matrix found = cosine_matrix(table);
  expect_near(found.values(), matrix_of(file["similarity"]).values(), 1e-12);
  for (const auto& [pair, printed] : file["printed"].items()) {
    const std::size_t dash = pair.find('-');
    const auto a = table.find(pair.substr(0, dash)), b = table.find(pair.substr(dash + 1));
    ASSERT_TRUE(a && b) << pair;
    EXPECT_NEAR(found(*a, *b), printed.get<double>(), 5e-4) << pair;  // as printed
  }
}

TEST(Cosine, NeitherOverflowsNorVanishes) {
  for (const double scale : {1e-300, 1e-20, 1e200, 1e308}) {
    const std::vector<double> a{0.6 * scale, 0.8 * scale}, b{scale, 0};
    EXPECT_NEAR(cosine(a, b), 0.6, 1e-15) << scale;
    EXPECT_NEAR(cosine(a, std::vector<double>{0, 2}), 0.8, 1e-15) << scale;
  }
}

// All similarities in double by the definition, sorted.
std::vector<Neighbour> by_definition(const VectorTable& table, const std::vector<double>& query, std::size_t k) {
  std::vector<Neighbour> all;
  std::vector<double> scratch;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const auto x = table.doubles(row, scratch);
    double product = 0, squares = 0, query_squares = 0;
    for (std::size_t i = 0; i < query.size(); ++i) {
      product += query[i] * x[i];
      squares += x[i] * x[i];
      query_squares += query[i] * query[i];
    }
    all.push_back({row, product / (std::sqrt(query_squares) * std::sqrt(squares))});
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.similarity > b.similarity; });
  all.resize(std::min(k, all.size()));
  return all;
}

// Rows that differ from each other by less than f32 can tell, and copies, whose order is by row.
TEST(CosineIndex, IsExactWhereFloatsCannotTell) {
  for (const std::size_t width : {1u, 3u, 16u, 67u}) {
    const std::vector<double> base = random_values(width, 7);
    Matrix values(500, width);
    for (std::size_t row = 0; row < values.rows(); ++row) {
      const auto noise = random_values(width, 100 + row % 250);  // every row has a copy
      for (std::size_t i = 0; i < width; ++i) values(row, i) = base[i] + 1e-7 * noise[i];
    }
    const VectorTable table(values, {}, kOrigin);
    for (const std::size_t threads : {1u, 3u}) {
      Team team(threads);
      const CosineIndex index(table, team);
      for (const std::size_t k : {1u, 2u, 10u, 499u, 500u, 1000u}) {
        EXPECT_EQ(index.nearest(base, k, team), by_definition(table, base, k)) << "width " << width << " k " << k;
      }
    }
  }
}

TEST(CosineIndex, FindsTheNearestOfManyFloats) {
  constexpr std::size_t kWidth = 48;
  const auto doubles = random_values(3000 * kWidth, 1);
  const VectorTable table(std::vector<float>(doubles.begin(), doubles.end()), kWidth, kOrigin);
  Team team(2);
  const CosineIndex index(table, team);
  for (const std::uint64_t seed : {2u, 3u}) {
    const auto query = random_values(kWidth, seed);
    EXPECT_EQ(index.nearest(query, 25, team), by_definition(table, query, 25));
  }
}

TEST(CosineIndex, RanksVectorsThatFloatsCannotHold) {
  const VectorTable table(Matrix(4, 2, {1, 0, 1e-200, 1e-200, 0, 3, 1e200, -1e200}), {}, kOrigin);
  Team team(1);
  const std::vector<Neighbour> found = CosineIndex(table, team).nearest(std::vector<double>{1e-30, 2e-30}, 3, team);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].row, 1u);
  EXPECT_NEAR(found[0].similarity, 3 / std::sqrt(10), 1e-15);
  EXPECT_EQ(found[1].row, 2u);
  EXPECT_EQ(found[2].row, 0u);
}

void expect_table_refused(const std::string& text, const std::string& says) {
  const test::TempDir folder;
  try {
    read_vector_table(folder.write("v.json", text));
    ADD_FAILURE() << "was accepted, should say: " << says;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(says), std::string::npos) << error.what() << "\n  should say: " << says;
  }
}

TEST(VectorTable, NamesItsRows) {
  const test::TempDir folder;
  const VectorTable named = read_vector_table(folder.write("a.json", R"({"words": ["x", "y"], "vectors": [[1], [2]]})"));
  EXPECT_EQ(named.find("y"), 1u);
  EXPECT_EQ(named.find("1"), std::nullopt);
  const VectorTable bare = read_vector_table(folder.write("b.json", "[[1], [2]]"));
  EXPECT_EQ(bare.name(1), "1");
  EXPECT_EQ(bare.find("1"), 1u);
  EXPECT_EQ(bare.find("2"), std::nullopt);
  EXPECT_EQ(bare.find("1x"), std::nullopt);
}

TEST(VectorTable, RefusesWhatHasNoDirection) {
  expect_table_refused(R"({"vectors": [[1, 2], [0, 0]]})", "row 1");
  expect_table_refused(R"({"vectors": [[1, 2], [0]]})", "row 1");
  expect_table_refused(R"({"vectors": []})", "vectors");
  expect_table_refused(R"({"words": ["a"], "vectors": [[1], [2]]})", "found 1, allowed 2");
  expect_table_refused(R"({"words": [1, 2], "vectors": [[1], [2]]})", "words");
  expect_table_refused(R"({"words": ["a"]})", "vectors");
}

}  // namespace
}  // namespace kinglet::dense
