#include "arch/rope_config.h"

#include <fmt/format.h>

#include "base/text.h"
#include "kinglet/error.h"
#include "nn/rope.h"

namespace kinglet::arch {
namespace {

double positive(const Metadata& config, const char* key, double value) {
  if (value > 0) return value;
  throw refused("a configuration value is not positive")
      .in(config.file())
      .at(key)
      .found(fmt::format("{}", value))
      .allowed("> 0");
}

// The object that holds the kind of scaling, or an empty one.
Metadata scaling_of(const Metadata& config) {
  if (config.has("rope_parameters")) return config.object("rope_parameters");
  if (config.has("rope_scaling")) return config.object("rope_scaling");
  return Metadata();
}

}  // namespace

std::vector<double> rope_frequencies(const Metadata& config, std::size_t head_width,
                                     Binder& binder) {
  const Metadata scaling = scaling_of(config);
  const double theta = scaling.number_or("rope_theta", config.number_or("rope_theta", 10000.0));
  std::vector<double> frequencies =
      nn::rope_frequencies(head_width, positive(config, "rope_theta", theta));

  const std::string type =
      scaling.string_or("rope_type", scaling.string_or("type", "default"));
  if (type == "linear") {
    const double factor = positive(scaling, "factor", scaling.number("factor"));
    for (double& frequency : frequencies) frequency /= factor;
  } else if (type == "llama3") {
    nn::scale_frequencies(
        {.factor = positive(scaling, "factor", scaling.number("factor")),
         .low_frequency_factor =
             positive(scaling, "low_freq_factor", scaling.number("low_freq_factor")),
         .high_frequency_factor =
             positive(scaling, "high_freq_factor", scaling.number("high_freq_factor")),
         .original_context = positive(scaling, "original_max_position_embeddings",
                                      scaling.number("original_max_position_embeddings"))},
        frequencies);
  } else if (type != "default") {
    throw refused("this kind of RoPE scaling is not supported")
        .in(config.file())
        .at("rope_type")
        .found(quoted(type))
        .allowed("default, linear, llama3");
  }

  if (binder.has("rope_freqs.weight")) {
    const std::vector<float> divisors = binder.vector("rope_freqs.weight", frequencies.size());
    for (std::size_t i = 0; i < frequencies.size(); ++i) {
      frequencies[i] /= positive(config, "rope_freqs.weight", static_cast<double>(divisors[i]));
    }
  }
  return frequencies;
}

}  // namespace kinglet::arch
