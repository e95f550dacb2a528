#include "dense/cosine.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>

#include "dense/matrix.h"

namespace kinglet::dense {
namespace {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kPiece = 256;  // rows that a thread takes at a time

// |x|, without overflow: scaled by the largest value.
double norm(std::span<const double> x) {
  double largest = 0;
  for (const double value : x) largest = std::max(largest, std::abs(value));
  if (largest > 1e-100 && largest < 1e100) return std::sqrt(dot(x, x));
  double sum = 0;
  for (const double value : x) sum += value / largest * (value / largest);
  return largest * std::sqrt(sum);
}

double cosine_by_norms(std::span<const double> a, double a_norm, std::span<const double> b, double b_norm) {
  if (a_norm > 1e-100 && a_norm < 1e100 && b_norm > 1e-100 && b_norm < 1e100) {
    return dot(a, b) / (a_norm * b_norm);
  }
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] / a_norm * (b[i] / b_norm);
  return sum;
}

// Asks for what lies kAhead bytes further on, which may be past the last row: processors themselves
// look no further than the end of a page. Some 15 % of a search.
void call_for_what_follows(const float* values) {
  constexpr std::uintptr_t kAhead = 4096;
  __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(values) + kAhead));
}

// In f32, 16 sums side by side. Vectors by name: a compiler left to itself shuffles more than it adds.
float dot_of_floats(const float* a, const float* b, std::size_t n) {
  using Lanes [[gnu::vector_size(kLanes * sizeof(float))]] = float;
  Lanes sums = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Lanes x, y;
    std::memcpy(&x, a + i, sizeof x);
    std::memcpy(&y, b + i, sizeof y);
    call_for_what_follows(a + i);
    sums += x * y;
  }
  for (std::size_t k = 0; i < n; ++i, ++k) sums[k] += a[i] * b[i];
  for (std::size_t step = kLanes / 2; step > 0; step /= 2) {
    for (std::size_t k = 0; k < step; ++k) sums[k] += sums[k + step];
  }
  return sums[0];
}

// How far the pass in f32 can be off, for unit vectors of n values: each sum has n / 16 + 4 steps,
// and query, row, their product and 1 / |row| are rounded once each. Doubled for safety.
double error_bound(std::size_t n) {
  return 2 * (static_cast<double>(n / kLanes) + 10) * std::numeric_limits<float>::epsilon() / 2;
}

bool is_nearer(const Neighbour& a, const Neighbour& b) {
  return a.similarity != b.similarity ? a.similarity > b.similarity : a.row < b.row;
}

}  // namespace

double cosine(std::span<const double> a, std::span<const double> b) {
  return cosine_by_norms(a, norm(a), b, norm(b));
}

Matrix cosine_matrix(const VectorTable& table) {
  Matrix result(table.rows(), table.rows());
  std::vector<double> first, second;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const auto a = table.doubles(i, first);
    for (std::size_t j = i; j < table.rows(); ++j) {
      result(i, j) = result(j, i) = cosine(a, table.doubles(j, second));
    }
  }
  return result;
}

CosineIndex::CosineIndex(const VectorTable& table, Team& team)
    : table_(table), norms_(table.rows()), inverse_(table.rows()) {
  team.run_throwing([&](const Member& me) {
    std::vector<double> scratch;
    for (Range rows = me.take(table.rows(), kPiece); !rows.empty(); rows = me.take(table.rows(), kPiece)) {
      for (std::size_t row = rows.begin; row < rows.end; ++row) {
        norms_[row] = norm(table.doubles(row, scratch));
        const bool fits_f32 = norms_[row] > 1e-15 && norms_[row] < 1e15;
        inverse_[row] = fits_f32 ? static_cast<float>(1 / norms_[row]) : 0.0f;
      }
    }
  });
}

double CosineIndex::similarity(std::span<const double> query, double query_norm, std::size_t row) const {
  std::vector<double> scratch;
  return cosine_by_norms(query, query_norm, table_.doubles(row, scratch), norms_[row]);
}

std::vector<Neighbour> CosineIndex::nearest(std::span<const double> query, std::size_t k, Team& team) const {
  const double query_norm = norm(query);
  std::vector<float> unit;
  for (const double value : query) unit.push_back(static_cast<float>(value / query_norm));

  constexpr float kUnknown = std::numeric_limits<float>::infinity();
  std::vector<float> rough(table_.rows());
  team.run([&](const Member& me) noexcept {
    for (Range rows = me.take(rough.size(), kPiece); !rows.empty(); rows = me.take(rough.size(), kPiece)) {
      for (std::size_t row = rows.begin; row < rows.end; ++row) {
        rough[row] = inverse_[row] == 0 ? kUnknown
                                        : dot_of_floats(table_.floats(row).data(), unit.data(), unit.size()) * inverse_[row];
      }
    }
  });

  // A row is out only when k others are surely nearer.
  std::vector<float> known;
  known.reserve(rough.size());
  std::copy_if(rough.begin(), rough.end(), std::back_inserter(known), [](float s) { return s != kUnknown; });
  double least = -std::numeric_limits<double>::infinity();
  if (k > 0 && k < known.size()) {
    const auto kth = known.begin() + static_cast<std::ptrdiff_t>(k - 1);
    std::nth_element(known.begin(), kth, known.end(), std::greater<>());
    least = *kth - 2 * error_bound(table_.width());
  }
  std::vector<Neighbour> found;
  for (std::size_t row = 0; row < rough.size(); ++row) {
    if (rough[row] >= least) found.push_back({row, similarity(query, query_norm, row)});
  }
  const std::size_t wanted = std::min(k, found.size());
  std::partial_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(wanted), found.end(), is_nearer);
  found.resize(wanted);
  return found;
}

}  // namespace kinglet::dense
