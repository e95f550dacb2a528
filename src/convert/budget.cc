#include "convert/budget.h"

#include <algorithm>
#include <vector>

namespace kinglet {
namespace {

// Divergence saved for each byte more.
double slope(const TypeChoice& from, const TypeChoice& to) {
  return (from.kl - to.kl) / static_cast<double>(to.bytes - from.bytes);
}

// The choices that are best for some price of a byte, by bytes; each saves less for a byte than the one before.
std::vector<TypeChoice> lower_hull(std::span<const TypeChoice> choices) {
  std::vector<TypeChoice> hull;
  for (const TypeChoice& choice : choices) {
    if (!hull.empty() && choice.bytes == hull.back().bytes) {
      if (choice.kl >= hull.back().kl) continue;
      hull.pop_back();
    }
    if (!hull.empty() && choice.kl >= hull.back().kl) continue;
    while (hull.size() >= 2 && slope(hull.back(), choice) >= slope(hull[hull.size() - 2], hull.back())) hull.pop_back();
    hull.push_back(choice);
  }
  return hull;
}

struct Step {
  std::size_t matrix;
  std::size_t place;  // on the hull, after the step
  std::uint64_t bytes;
  double gain;  // for a byte
};

template <class Value>
Value sum_of(std::span<const Sensitivity> matrices, const ChosenTypes& types, Value TypeChoice::* member) {
  Value sum = 0;
  for (const Sensitivity& matrix : matrices) {
    const auto type = types.find(matrix.name);
    for (const TypeChoice& choice : matrix.choices) {
      if (type != types.end() && choice.dtype == type->second) sum += choice.*member;
    }
  }
  return sum;
}

}  // namespace

ChosenTypes smallest_types(std::span<const Sensitivity> matrices) { return types_within(matrices, 0); }

std::uint64_t bytes_of(std::span<const Sensitivity> matrices, const ChosenTypes& types) {
  return sum_of(matrices, types, &TypeChoice::bytes);
}

double divergence_of(std::span<const Sensitivity> matrices, const ChosenTypes& types) {
  return sum_of(matrices, types, &TypeChoice::kl);
}

ChosenTypes types_within(std::span<const Sensitivity> matrices, std::uint64_t bytes) {
  std::vector<std::vector<TypeChoice>> hulls;
  std::vector<Step> steps;
  std::uint64_t used = 0;
  for (const Sensitivity& matrix : matrices) {
    const std::vector<TypeChoice>& hull = hulls.emplace_back(lower_hull(matrix.choices));
    if (!hull.empty()) used += hull[0].bytes;
    for (std::size_t i = 1; i < hull.size(); ++i) {
      steps.push_back({hulls.size() - 1, i, hull[i].bytes - hull[i - 1].bytes, slope(hull[i - 1], hull[i])});
    }
  }
  std::stable_sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) { return a.gain > b.gain; });
  std::vector<std::size_t> places(matrices.size(), 0);
  for (const Step& step : steps) {
    // A matrix that could not take a step takes none after it.
    if (places[step.matrix] + 1 != step.place || used + step.bytes > bytes) continue;
    places[step.matrix] = step.place;
    used += step.bytes;
  }
  ChosenTypes types;
  for (std::size_t i = 0; i < matrices.size(); ++i) {
    if (!hulls[i].empty()) types[matrices[i].name] = hulls[i][places[i]].dtype;
  }
  return types;
}

}  // namespace kinglet
