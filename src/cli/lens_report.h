#pragma once

// What `lens` prints of what it found. Text for people; one JSON document with every digit.

#include <optional>
#include <string>
#include <vector>

#include "kinglet/lens.h"

namespace kinglet::cli {

struct LensFindings {
  std::vector<TokenId> ids;
  std::vector<std::string> texts;  // of the ids
  std::optional<LogitLens> logit_lens;
  std::optional<AttentionMaps> attention;
  std::optional<Ablation> ablation;
  std::optional<AblationSweep> sweep;
};

// Where text goes to. Maps are made of colours, or of the characters from ' ' to '@'.
struct Screen {
  std::size_t width = 80;
  bool has_colour = false;
};

// Attention maps, ablation, or, where there is neither, the logit lens. A map of one head has a line
// for each token; those of several stand side by side.
void print_text(const Model& model, const LensFindings& found, const Screen& screen);

// All of it.
void print_json(const Model& model, const LensFindings& found, CacheKind cache);

}  // namespace kinglet::cli
