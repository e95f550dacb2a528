#pragma once

// The architectures, by the model_type of a config.json.

#include <memory>
#include <string>
#include <vector>

#include "arch/model.h"

namespace kinglet::arch {

// Binds the model that `config` describes: every tensor found, its shape checked, packed by the
// team. Errors (kRefused): a model_type that is not supported, a key or tensor that is missing or
// does not fit.
std::unique_ptr<Model> bind_model(const Metadata& config, const TensorSource& tensors, Team& team,
                                  Math math = Math::kExact);

// The sizes alone, from the configuration. Same errors.
nn::Shape shape_of(const Metadata& config);

// "llama, mistral, qwen2": for messages.
std::string supported();

}  // namespace kinglet::arch
