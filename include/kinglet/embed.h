#pragma once

// Texts to vectors: the hidden states of a text's tokens, pooled into one vector.
//
// Many texts share each pass, and by the numerics contract each gets the vector, bit for bit, that it
// gets alone, for any chunk and number of threads: pooling adds in double, in the order of the tokens.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kinglet/model.h"

namespace kinglet {

// Over the T hidden states of a text: their mean, the first, the last, or no pooling: all of them.
enum class Pooling { kMean, kCls, kLast, kNone };
std::string_view name_of(Pooling pooling);  // "mean", "cls", "last", "none"
std::optional<Pooling> pooling_named(std::string_view name);

// What the model was trained to be embedded by; the mean for those that generate.
Pooling default_pooling(const Model& model);

// Which hidden states: 0 what the first block receives, N in [1, L] what block N gives; nothing: what
// the final norm gives, the input of the head.
using HiddenLayer = std::optional<std::size_t>;

struct EmbedOptions {
  std::optional<Pooling> pooling;  // nothing: the model's default
  HiddenLayer layer;
  std::size_t dimensions = 0;  // the first so many; 0: all, D
  bool normalize = true;       // afterwards, to length 1 (all zeros stay zeros)
  std::size_t threads = 0;     // 0: all that the process may use
  std::size_t chunk = 256;     // rows of a pass at most: changes speed and memory, never a bit
};

// One vector a text; without pooling, one a token.
class Embeddings {
 public:
  Embeddings(std::size_t width, std::vector<std::size_t> first_rows);

  std::size_t texts() const { return first_rows_.size() - 1; }
  std::size_t rows() const { return first_rows_.back(); }
  std::size_t width() const { return width_; }
  std::span<const float> values() const { return values_; }  // (rows, width)
  std::span<float> row(std::size_t row) { return std::span(values_).subspan(row * width_, width_); }
  std::span<const float> row(std::size_t row) const { return std::span(values_).subspan(row * width_, width_); }
  std::size_t first_row(std::size_t text) const { return first_rows_[text]; }

 private:
  std::size_t width_;
  std::vector<std::size_t> first_rows_;  // (texts + 1)
  std::vector<float> values_;
};

// (rows, width) as the bytes of a .npy file, f32.
std::string npy_bytes(const Embeddings& vectors);

// The tokens of a text as the model wants to have texts embedded: BOS in front where its texts start
// with it. Errors (kUsage): no tokenizer; no token at all; more tokens than the context.
std::vector<TokenId> embedding_ids(const Model& model, std::string_view text);

// Errors: kUsage, before any work (an empty text, one that is longer than the context, an id outside
// the vocabulary, a layer or dimensions that the model does not have), naming the text's index;
// kRuntime (out of memory, a vector that is not finite).
Embeddings embed(const Model& model, const std::vector<std::vector<TokenId>>& texts, const EmbedOptions& options = {});
Embeddings embed(const Model& model, const std::vector<std::string>& texts, const EmbedOptions& options = {});

// The same for several layers (options.layer is not looked at) from one pass over the texts.
std::vector<Embeddings> embed_layers(const Model& model, const std::vector<std::vector<TokenId>>& texts,
                                     std::span<const HiddenLayer> layers, const EmbedOptions& options = {});
std::vector<HiddenLayer> all_layers(const Model& model);  // 0 to L, and the final norm's

}  // namespace kinglet
