#pragma once

// Probes over texts: an embedding makes their features, when they are fitted and ever after.

#include <vector>

#include "cli/embedding.h"
#include "dense/examples.h"
#include "dense/probe.h"
#include "kinglet/embed.h"
#include "kinglet/model.h"

namespace kinglet::cli {

// The features that each layer gives, from one pass over the texts. Errors (kUsage): naming file and line.
std::vector<dense::Examples> features_of(const Model& model, const dense::TextExamples& examples,
                                         std::span<const HiddenLayer> layers, const EmbedOptions& how);

// What a probe has to remember of them.
dense::TextFeatures describe(const Model& model, HiddenLayer layer, const EmbedOptions& how);

// How to make features for a probe over texts. Errors (kRefused): a model that does not fit the probe, by
// its shape or by what it computes.
EmbedOptions features_for(const dense::Probe& probe, const Model& model, const EmbeddingOptions& options);

// The vectors of texts. Errors (kUsage): naming file and line, or the argument.
dense::Vectors vectors_of(const Model& model, const Texts& texts, const EmbedOptions& how);

}  // namespace kinglet::cli
