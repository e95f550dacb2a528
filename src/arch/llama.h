#pragma once

// Llama-type decoders: RMSNorm, RoPE, grouped-query attention, SwiGLU (arXiv:2302.13971,
// arXiv:2307.09288). Mistral (arXiv:2310.06825) adds a window, Qwen2 (arXiv:2407.10671) biases on
// q, k and v; SmolLM2 is a Llama.

#include <memory>

#include "arch/model.h"

namespace kinglet::arch {

std::unique_ptr<Model> bind_llama(const Metadata& config, const TensorSource& tensors, Team& team, Math math);
nn::Shape llama_shape(const Metadata& config);

}  // namespace kinglet::arch
