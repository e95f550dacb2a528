#pragma once

// Numbers that NumPy computed in float64, from vectors/, and networks made of them.

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "dense/network.h"

namespace kinglet::dense {

inline nlohmann::json vectors(const std::string& name) {
  return nlohmann::json::parse(std::ifstream(KINGLET_SOURCE_DIR "/tests/dense/vectors/" + name));
}

inline Matrix matrix_of(const nlohmann::json& rows) {
  Matrix matrix(rows.size(), rows[0].size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < rows[i].size(); ++j) matrix(i, j) = rows[i][j];
  }
  return matrix;
}

inline Network network_of(const nlohmann::json& layers) {
  Network network;
  for (const auto& layer : layers) {
    network.layers.push_back({matrix_of(layer["weight"]), layer["bias"].get<std::vector<double>>(),
                              *activation_named(layer["activation"].get<std::string>())});
  }
  return network;
}

inline void expect_near(std::span<const double> found, std::span<const double> wanted, double tolerance) {
  ASSERT_EQ(found.size(), wanted.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], wanted[i], tolerance) << "at " << i;
}

inline std::vector<double> random_values(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> values(count);
  for (double& value : values) value = normal(random);
  return values;
}

}  // namespace kinglet::dense
