#pragma once

// What the commands that embed texts have in common: where the texts come from, and how they become
// vectors.

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

#include "cli/options.h"
#include "dense/vectors.h"
#include "kinglet/embed.h"
#include "kinglet/model.h"

namespace kinglet::cli {

struct EmbeddingOptions {
  ModelOptions model;
  std::string pooling, layer;  // empty: the model's own, the final norm
  bool no_normalize = false;
  std::size_t dimensions = 0;
  std::size_t chunk = EmbedOptions().chunk;
  bool quiet = false;
};
// -m and its company, --pooling, --layer, --no-normalize, --dimensions, --chunk, -q
void add_embedding_options(CLI::App* command, EmbeddingOptions& options);

// Errors (kUsage): a pooling or a layer that is none.
EmbedOptions embed_options(const EmbeddingOptions& options);
HiddenLayer parse_layer(const std::string& text);  // "3", "final"
std::string layer_name(HiddenLayer layer);

// Opens the model and says its warnings.
Model open_embedder(const EmbeddingOptions& options);

struct Texts {
  std::vector<std::string> texts;
  dense::Origin origin;
};
// A text a line, blank lines left out; {"text": ...} a line where the name ends in .jsonl.
// Errors (kRefused): naming file and line; no text at all.
Texts read_texts(const std::string& path);
// TEXT arguments; else a file; else lines on stdin. Errors (kUsage): none of them.
Texts given_texts(const std::vector<std::string>& arguments, const std::string& file);

// Errors (kUsage), by origin: what embed() says of a text.
std::vector<std::vector<TokenId>> ids_of(const Model& model, const Texts& texts);

}  // namespace kinglet::cli
