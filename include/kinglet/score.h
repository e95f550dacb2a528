#pragma once

// How well a model predicts a text: the log-probability of each token given those before it.
//
// A text that is longer than the model's context is evaluated in windows, each from an empty cache.
//   kSliding    windows of `window` tokens, `stride` apart; a token is scored in the first window that
//               holds it, so all but the first token are scored (with a stride as long as the window,
//               all but each window's first), and those of later windows have at least
//               window - stride tokens before them (the Hugging Face documentation's way)
//   kLlamaCpp   windows of `window` tokens side by side, what is left over is dropped; the token for
//               "a text begins", where the text has it in front, takes the place of each window's first
//               too; only the tokens after the middle are scored (llama.cpp's perplexity tool)

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "kinglet/generate.h"
#include "kinglet/model.h"

namespace kinglet {

enum class ScoreProtocol { kSliding, kLlamaCpp };

struct ScoreOptions {
  ScoreProtocol protocol = ScoreProtocol::kSliding;
  std::size_t window = 0;  // tokens; 0: the model's context, 2048 at most (kLlamaCpp: 512)
  std::size_t stride = 0;  // kSliding; 0: half the window
  CacheKind cache = CacheKind::kF16;
  std::size_t threads = 0;  // 0: all that the process may use
  std::size_t chunk = 128;  // rows of a pass at most: changes speed and memory, never a bit
};

struct TokenScore {
  std::size_t index = 0;  // of the token in the text
  TokenId id = 0;
  double log_probability = 0;  // natural logarithm
  std::size_t rank = 1;        // 1: the most likely; ties by lower id
  double entropy = 0;          // of what the model expected here, in nats
};

struct Score {
  std::size_t tokens = 0;      // scored
  std::size_t evaluated = 0;   // positions that went through the model
  std::size_t windows = 0;
  double log_probability = 0;  // of all scored tokens: their sum in the text's order
  double squares = 0;          // the sum of the squares of log-probabilities
  std::size_t bytes = 0;       // of the text that the scored tokens stand for
  double seconds = 0;
  bool is_interrupted = false;  // what there is, is of the text so far

  double mean() const;              // negative log-likelihood of a token, in nats
  double mean_error() const;        // its standard error, tokens taken as independent
  double perplexity() const;        // exp(mean)
  double perplexity_error() const;  // to first order
  double bits_per_byte() const;
};

// What a call may look at while it runs. All optional.
struct ScoreWatch {
  std::function<void(const TokenScore& token)> on_token;  // in the text's order
  std::function<void(std::size_t evaluated, std::size_t of)> on_progress;
  std::function<bool()> is_interrupted;  // asked between passes: true ends the run
  // score() alone: each row of the activations that go through the model, by the names of tools/README.md;
  // layer -1 where the name stands alone. Must not throw.
  std::function<void(std::string_view name, int layer, std::span<const float> row)> on_activation;
};

// `text`: the tokens with the bytes they came from, as encode_with_offsets() gives them, and BOS in
// front where the model's texts start with one. `text_bytes`: the text's length.
// Errors: kUsage (fewer than two tokens, or than a window of kLlamaCpp; an id out of range; a window
// or a stride that cannot be); kRuntime as generate().
Score score(const Model& model, std::span<const Token> text, std::size_t text_bytes,
            const ScoreOptions& options = {}, const ScoreWatch& watch = {});

// Two models on the same tokens: p is the reference's probability of each token, q the model's own.
struct TokenDivergence {
  std::size_t index = 0;
  TokenId id = 0;
  double kl = 0;                   // KL(p || q) over the vocabulary, in nats
  double p = 0, q = 0;             // of the text's token
  TokenId best_p = 0, best_q = 0;  // what each expects most
};

struct Divergence {
  Score model, reference;
  std::size_t same_best = 0;              // positions where both expect the same token most
  std::vector<double> kl;                 // of every scored token, ascending
  std::vector<double> difference;         // q - p of every scored token, ascending
  double mean_kl = 0, mean_kl_error = 0;  // and its standard error
  std::vector<TokenDivergence> worst;     // by KL, the largest first; ten at most
};

// One pass over the text; the logits of a chunk are in memory at a time.
// Errors: as score(); kUsage where the vocabularies differ in size.
Divergence score_against(const Model& model, const Model& reference, std::span<const Token> text,
                         std::size_t text_bytes, const ScoreOptions& options = {},
                         const ScoreWatch& watch = {});

}  // namespace kinglet
