#include "convert/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>

#include "convert/heads.h"
#include "tensor/dtype.h"

namespace kinglet {
namespace {

constexpr std::uint64_t kMostDivisors = 4096;

double frequency(double base, std::size_t i, std::size_t count) {
  return std::pow(base, -static_cast<double>(i) / static_cast<double>(count));
}

// The whole number nearby, where there is one: parameters are such.
double simple(double value) {
  const double whole = std::round(value);
  return std::abs(value - whole) < 1e-3 * value ? whole : value;
}

std::optional<Llama3Scaling> scaling_of_source(const io::ModelFile& model) {
  const TensorInfo* tensor = model.tensors->find(kRopeFreqs);
  if (tensor == nullptr || tensor->dtype != DType::kF32 || tensor->shape.size() != 1) return {};
  if (rope_of(model.config).type != "default" || tensor->shape[0] > kMostDivisors) return {};
  std::vector<float> divisors(static_cast<std::size_t>(tensor->shape[0]));
  if (divisors.size() != heads_of(model.config).width / 2) return {};
  model.tensors->read_rows(*tensor, 0, std::as_writable_bytes(std::span(divisors)));
  return scaling_of(divisors, rope_of(model.config).base);
}

}  // namespace

Rope rope_of(const Metadata& config) {
  Rope rope;
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    if (rope.config.json().empty() && config.has(key)) rope.config = config.object(key);
  }
  rope.type = rope.config.string_or("rope_type", rope.config.string_or("type", "default"));
  rope.base = rope.config.number_or("rope_theta", config.number_or("rope_theta", 10000.0));
  return rope;
}

Llama3Scaling llama3_of(const Rope& rope) {
  return {rope.config.number("factor"), rope.config.number("low_freq_factor"), rope.config.number("high_freq_factor"),
          rope.config.number("original_max_position_embeddings")};
}

std::vector<float> divisors_of(const Llama3Scaling& scaling, double base, std::size_t rotated) {
  std::vector<float> divisors;
  for (std::size_t i = 0; i < rotated / 2; ++i) {
    const double turns = scaling.original * frequency(base, i, rotated / 2) / (2 * std::numbers::pi);
    const double share = std::clamp((turns - scaling.low) / (scaling.high - scaling.low), 0.0, 1.0);
    divisors.push_back(static_cast<float>(1 / ((1 - share) / scaling.factor + share)));
  }
  return divisors;
}

// A frequency keeps the share s of itself, a line in the turns t that it makes: s = (t - low) / (high - low) between
// 0 and 1. Two frequencies between give the line; one alone, with the usual high = 4, gives it too.
std::optional<Llama3Scaling> scaling_of(const std::vector<float>& divisors, double base) {
  struct Point {
    double frequency, share;
  };
  if (divisors.size() < 2) return {};
  Llama3Scaling scaling;
  scaling.factor = simple(static_cast<double>(divisors.back()));
  if (!(scaling.factor > 1)) return {};
  std::vector<Point> between;
  for (std::size_t i = 0; i < divisors.size(); ++i) {
    const double divisor = static_cast<double>(divisors[i]);
    const double share = (1 / divisor - 1 / scaling.factor) / (1 - 1 / scaling.factor);
    if (share > 1e-6 && share < 1 - 1e-6) between.push_back({frequency(base, i, divisors.size()), share});
  }
  if (between.size() >= 2) {
    const Point a = between.front(), b = between.back();
    const double slope = (a.share - b.share) / (a.frequency - b.frequency);
    const double at_zero = a.share - slope * a.frequency;  // -low / (high - low)
    scaling.high = simple(1 - 1 / at_zero);
    scaling.original = simple(slope * 2 * std::numbers::pi * (scaling.high - scaling.low));
  } else if (between.size() == 1) {
    scaling.original = simple((3 * between[0].share + 1) * 2 * std::numbers::pi / between[0].frequency);
  } else {
    const auto first_scaled = static_cast<std::size_t>(std::ranges::find_if(divisors, [](float d) { return d > 1; }) - divisors.begin());
    scaling.original = std::floor(2 * std::numbers::pi / frequency(base, first_scaled, divisors.size()));
  }
  if (!(scaling.original > 0) || !(scaling.high > scaling.low)) return {};
  if (divisors_of(scaling, base, 2 * divisors.size()) != divisors) return {};
  return scaling;
}

nlohmann::json hf_config_of(const io::ModelFile& model) {
  nlohmann::json config = model.config.json();
  if (const auto scaling = scaling_of_source(model)) {
    config["rope_scaling"] = {{"rope_type", "llama3"},
                              {"factor", scaling->factor},
                              {"low_freq_factor", scaling->low},
                              {"high_freq_factor", scaling->high},
                              {"original_max_position_embeddings", std::llround(scaling->original)}};
  }
  return config;
}

bool says_rope_freqs(const io::ModelFile& model) { return scaling_of_source(model).has_value(); }

}  // namespace kinglet
