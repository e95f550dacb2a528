#pragma once

// What stands behind kinglet::Model.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "arch/model.h"
#include "kinglet/embed.h"
#include "kinglet/model.h"
#include "kinglet/sampler.h"
#include "kinglet/tokenizer.h"

namespace kinglet {

struct Model::Parts {
  std::string file, format;
  std::unique_ptr<arch::Model> model;
  std::optional<Tokenizer> tokenizer;
  std::optional<TokenId> bos;
  bool adds_bos = false;
  std::vector<TokenId> end_ids;
  SamplerOptions sampling;
  std::string chat_template;
  Pooling pooling = Pooling::kMean;  // what the model was trained to be embedded by
  std::vector<std::string> warnings;
};

}  // namespace kinglet
