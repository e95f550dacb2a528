#pragma once

// Looking inside a model while it reads a text: what each layer would predict, where each head looks,
// and what the text loses without a head. Everything is computed by the passes of generate(), so the
// last layer's predictions are the model's own, to the bit.
//
// Shapes: T tokens of the text, L layers, H query heads, V vocabulary.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kinglet/generate.h"
#include "kinglet/model.h"

namespace kinglet {

// The functions below read `ids` (not empty, in the vocabulary, no more than the context holds), and
// return nothing where `is_interrupted` said so. Errors: kUsage, what is out of range; kRuntime, out of
// memory or logits that are not finite, naming position and layer.
struct LensOptions {
  CacheKind cache = CacheKind::kF16;
  std::size_t context = 0;  // limit on the text; 0: the model's own
  std::size_t threads = 0;  // 0: all that the process may use
  std::size_t chunk = 128;  // rows of a pass at most: changes speed and memory, never a bit
  std::function<bool()> is_interrupted = {};  // asked between passes
};

// --- attention --------------------------------------------------------------------------------

// Which maps; all where neither is given.
struct HeadChoice {
  std::optional<std::size_t> layer, head;  // in [0, L), [0, H)
};

struct AttentionMaps {
  std::vector<std::size_t> layers, heads;  // those chosen, ascending
  std::size_t tokens = 0;                  // T
  // (layers, heads, T, T): in row t, how much token t takes from tokens [0, t]; their sum is 1. Zero
  // for tokens after t, and for those outside the layer's window.
  std::vector<float> weights;

  // By index into `layers` and `heads`.
  std::span<const float> row(std::size_t layer, std::size_t head, std::size_t token) const {
    return std::span(weights).subspan(((layer * heads.size() + head) * tokens + token) * tokens, tokens);
  }
};
std::optional<AttentionMaps> attention_maps(const Model& model, std::span<const TokenId> ids,
                                            const HeadChoice& choice = {}, const LensOptions& options = {});

// The weights as a NumPy array of that shape, f32, whole or not at all. Errors: kRuntime.
void write_npy(const AttentionMaps& maps, const std::filesystem::path& path);

// --- logit lens -------------------------------------------------------------------------------

struct Guess {
  TokenId id = 0;
  double log_probability = 0;  // natural
};

// What one hidden state predicts once it goes through the final norm and the head.
struct Reading {
  std::vector<Guess> top;      // most probable first, ties by lower id
  double entropy = 0;          // nats
  std::size_t rank = 0;        // of the next token: 1 is the most probable
  double log_probability = 0;  // of the next token
};

struct LogitLens {
  std::size_t layers = 0;              // L
  std::vector<std::size_t> positions;  // those asked for, ascending
  // (positions): the token that comes next in the text; after its last one, the model's own best.
  std::vector<TokenId> next;
  std::vector<Reading> readings;  // (positions, L + 1): of the embedding, then after each layer
  std::string digest;  // of the last layer's logits at these positions, as a Result's

  // row: 0 is the embedding, i + 1 is after layer i.
  const Reading& at(std::size_t position_index, std::size_t row) const {
    return readings[position_index * (layers + 1) + row];
  }
};
// positions: ascending, in [0, T). top: in [1, V].
std::optional<LogitLens> logit_lens(const Model& model, std::span<const TokenId> ids,
                                    std::span<const std::size_t> positions, std::size_t top,
                                    const LensOptions& options = {});

// --- ablation ---------------------------------------------------------------------------------

struct HeadPlace {
  std::size_t layer = 0, head = 0;
};

// A head is taken away by putting zeros in place of its output, before the output projection mixes
// the heads. All of `heads` at once.
struct Ablation {
  std::vector<HeadPlace> heads;
  std::vector<double> before, after;  // (T - 1): log-probabilities of tokens 1 to T - 1
};
// ids: two at least.
std::optional<Ablation> ablate(const Model& model, std::span<const TokenId> ids,
                               std::span<const HeadPlace> heads, const LensOptions& options = {});

// Each head by itself: one run of the text for every head.
struct AblationSweep {
  std::size_t layers = 0, heads = 0;  // L, H
  std::vector<double> before;         // (T - 1)
  std::vector<double> changes;        // (L, H, T - 1): log-probability without the head, less that with it

  std::span<const double> of(std::size_t layer, std::size_t head) const {
    return std::span(changes).subspan((layer * heads + head) * before.size(), before.size());
  }
};
std::optional<AblationSweep> ablate_each(const Model& model, std::span<const TokenId> ids,
                                         const LensOptions& options = {});

double total(std::span<const double> values);

// --- a page -----------------------------------------------------------------------------------

// What a page shows; what is null is left out.
struct LensPage {
  std::span<const TokenId> ids;
  const AttentionMaps* attention = nullptr;
  const LogitLens* logit_lens = nullptr;  // of all positions, ten tokens a reading at most are shown
  const Ablation* ablation = nullptr;
  const AblationSweep* sweep = nullptr;
  CacheKind cache = CacheKind::kF16;
};
// One file of HTML that needs nothing from outside, whole or not at all. The page keeps attention
// weights in 255 steps. Errors: kUsage, more maps than a page should hold; kRuntime.
void write_html(const Model& model, const LensPage& page, const std::filesystem::path& path);

}  // namespace kinglet
