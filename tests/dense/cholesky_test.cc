#include "dense/cholesky.h"

#include "vectors.h"

namespace kinglet::dense {
namespace {

// A A^T + n I for a random A: far from singular.
Matrix positive_definite(std::size_t n) {
  const Matrix a(n, n, random_values(n * n, n));
  Matrix product(n, n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) product(i, j) = dot(a.row(i), a.row(j));
    product(i, i) += static_cast<double>(n);
  }
  return product;
}

TEST(Cholesky, SolvesWhatWasMultiplied) {
  for (const std::size_t n : {1u, 2u, 5u, 31u}) {
    const Matrix a = positive_definite(n);
    const std::vector<double> x = random_values(n, 100 + n);
    std::vector<double> b(n);
    for (std::size_t i = 0; i < n; ++i) b[i] = dot(a.row(i), x);
    const Cholesky factor(a);
    ASSERT_FALSE(factor.dependent_row()) << n;
    factor.solve(b);
    expect_near(b, x, 1e-12);
  }
}

TEST(Cholesky, NamesTheRowThatOthersDetermine) {
  // Row 2 is row 0 + row 1.
  EXPECT_EQ(Cholesky(Matrix(3, 3, {2, 0, 2, 0, 3, 3, 2, 3, 5})).dependent_row(), 2u);
  EXPECT_EQ(Cholesky(Matrix(2, 2, {0, 0, 0, 1})).dependent_row(), 0u);
  EXPECT_EQ(Cholesky(Matrix(2, 2, {1, 2, 2, 1})).dependent_row(), 1u);  // not positive
  EXPECT_FALSE(Cholesky(Matrix(2, 2, {1, 0, 0, 1e-30})).dependent_row());  // small is not singular
}

}  // namespace
}  // namespace kinglet::dense
