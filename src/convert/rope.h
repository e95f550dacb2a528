#pragma once

// Scaled rotary frequencies: parameters in an HF configuration, divisors in a GGUF file's tensor
// "rope_freqs.weight".

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "io/open.h"

namespace kinglet {

struct Rope {
  Metadata config;  // rope_parameters or rope_scaling, may be empty
  std::string type;
  double base = 10000;
};
Rope rope_of(const Metadata& config);

// Llama 3's scaling as divisors of the frequencies.
struct Llama3Scaling {
  double factor = 1, low = 1, high = 4, original = 8192;  // as rope_scaling names them
};
Llama3Scaling llama3_of(const Rope& rope);
std::vector<float> divisors_of(const Llama3Scaling& scaling, double base, std::size_t rotated);

// Parameters whose divisors are these, to the bit (those of (low, high, original) that stand for the same have
// low = 1); nothing where none were found.
std::optional<Llama3Scaling> scaling_of(const std::vector<float>& divisors, double base);

inline constexpr const char* kRopeFreqs = "rope_freqs.weight";

// The configuration as an HF directory has it: with a scaling that the source has as divisors. `says_rope_freqs`:
// whether that tensor is not needed any more.
nlohmann::json hf_config_of(const io::ModelFile& model);
bool says_rope_freqs(const io::ModelFile& model);

}  // namespace kinglet
