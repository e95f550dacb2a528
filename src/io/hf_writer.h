#pragma once

// Writes what stands beside the weights in a Hugging Face model directory (hf_directory.h); the
// weights go to folder / "model.safetensors" through a SafetensorsWriter.

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "io/open.h"

namespace kinglet::io {

// config.json, generation_config.json (unless `model` has an empty one), the tokenizer under the name
// that its kind has, chat_template.jinja (unless empty). The folder is made if it is not there.
// `config` takes the place of model.config. Errors: kRuntime.
void write_hf_files(const std::filesystem::path& folder, const ModelFile& model,
                    const nlohmann::json& config);

}  // namespace kinglet::io
