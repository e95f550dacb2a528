#include "nn/rope.h"

#include "nn/elementary.h"

namespace kinglet::nn {

std::vector<double> rope_frequencies(std::size_t head_width, double theta) {
  std::vector<double> frequencies(head_width / 2);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] =
        1.0 / power(theta, 2.0 * static_cast<double>(i) / static_cast<double>(head_width));
  }
  return frequencies;
}

void scale_frequencies(const Llama3Scaling& scaling, std::vector<double>& frequencies) {
  constexpr double kTwoPi = 6.28318530717958647692;
  const double longest_kept = scaling.original_context / scaling.high_frequency_factor;
  const double shortest_slowed = scaling.original_context / scaling.low_frequency_factor;
  for (double& frequency : frequencies) {
    const double wavelength = kTwoPi / frequency;
    if (wavelength < longest_kept) continue;
    if (wavelength > shortest_slowed) {
      frequency /= scaling.factor;
      continue;
    }
    const double blend =
        (scaling.original_context / wavelength - scaling.low_frequency_factor) /
        (scaling.high_frequency_factor - scaling.low_frequency_factor);
    frequency = (1 - blend) * frequency / scaling.factor + blend * frequency;
  }
}

void Rope::angles(const Member& me, std::span<const Place> places, Rows angles) const {
  const std::size_t pairs = frequencies_.size();
  const Range mine = me.mine(places.size() * pairs);
  for (std::size_t unit = mine.begin; unit < mine.end; ++unit) {
    const std::size_t row = unit / pairs, pair = unit % pairs;
    const SinCos turned = sin_cos(static_cast<double>(places[row].position) * frequencies_[pair]);
    angles.row(row)[pair] = static_cast<float>(turned.cosine);
    angles.row(row)[pairs + pair] = static_cast<float>(turned.sine);
  }
}

void Rope::rotate(const Member& me, const Pass& pass, Rows x) const {
  const std::size_t pairs = frequencies_.size();
  const std::size_t heads = x.width / (2 * pairs);
  const Range mine = me.mine(x.count * heads);
  for (std::size_t unit = mine.begin; unit < mine.end; ++unit) {
    const std::size_t row = unit / heads;
    const float* angles = pass.angles.row(row);
    pass.kernels.rotate(x.row(row) + unit % heads * 2 * pairs, angles, angles + pairs, pairs);
  }
}

}  // namespace kinglet::nn
