#pragma once

// Rotary position embedding (RoPE, arXiv:2104.09864), half-split pairing: dimensions i and i + d/2
// of a head turn together by position * frequency[i].

#include <cstddef>
#include <vector>

#include "nn/pass.h"

namespace kinglet::nn {

// Angles per position for each pair: frequency[i] = theta^(-2i / d), i in [0, d/2).
std::vector<double> rope_frequencies(std::size_t head_width, double theta);

// Llama 3.1's scaling by wavelength: long waves are slowed down by `factor`, short ones kept, those
// between blended.
struct Llama3Scaling {
  double factor = 8, low_frequency_factor = 1, high_frequency_factor = 4;
  double original_context = 8192;
};
void scale_frequencies(const Llama3Scaling& scaling, std::vector<double>& frequencies);

class Rope {
 public:
  Rope() = default;
  explicit Rope(std::vector<double> frequencies) : frequencies_(std::move(frequencies)) {}

  // angles[t] = the cosines, then the sines, of row t's position; computed in double, rounded once.
  // Does not end in sync.
  void angles(const Member& me, std::span<const Place> places, Rows angles) const;

  // Turns every head of x, (T, heads * d), by the angles of its row. Does not end in sync: a member
  // turns the heads that me.mine(T * heads) gives it, row by row.
  void rotate(const Member& me, const Pass& pass, Rows x) const;

 private:
  std::vector<double> frequencies_;  // (d / 2)
};

}  // namespace kinglet::nn
