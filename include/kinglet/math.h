#pragma once

// How matrix products are computed.

namespace kinglet {

enum class Math {
  kExact,   // activations as they are (f32), or as int8 where the weights are integers
  kBfloat,  // with bf16 weights, activations rounded to bf16: faster where the processor multiplies
            // pairs of them, and as reproducible (src/kernels/bfloat.h); other weights as above
};

}  // namespace kinglet
