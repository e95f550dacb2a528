#pragma once

// What stands beside the weights in a Hugging Face model directory (hf_directory.h).

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "io/open.h"

namespace kinglet::io {

struct NamedText {
  std::string name, text;
};

// config.json, generation_config.json (unless `model` has an empty one), the tokenizer under the name
// that its kind has, chat_template.jinja (unless empty). `config` takes the place of model.config.
std::vector<NamedText> hf_files(const ModelFile& model, const nlohmann::json& config);

}  // namespace kinglet::io
