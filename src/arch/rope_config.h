#pragma once

// What a configuration says of the rotary embedding, in its older form (rope_theta, rope_scaling)
// and its newer one (rope_parameters).

#include <vector>

#include "arch/binder.h"
#include "tensor/metadata.h"

namespace kinglet::arch {

// The angle per position of each pair of a head of `head_width`. Understands the types "default",
// "linear" and "llama3", and a tensor "rope_freqs.weight" (GGUF: divisors of the frequencies).
// Errors (kRefused): another type, a value that is not finite or not positive.
std::vector<double> rope_frequencies(const Metadata& config, std::size_t head_width,
                                     Binder& binder);

}  // namespace kinglet::arch
