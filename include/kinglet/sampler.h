#pragma once

// From logits to the next token.
//
// Order: logit bias, penalties, top-k, typical, top-p, min-p, temperature, draw. Ties go to the
// lower id. Temperature 0 takes the highest logit. The draw is a function of (seed, position)
// alone (Philox4x32-10, Salmon et al. 2011), so a sequence has the same draws alone and in a batch.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "kinglet/tokenizer.h"

namespace kinglet {

struct SamplerOptions {
  float temperature = 0.8f;  // 0: greedy
  int top_k = 0;             // 0: off
  float top_p = 0.95f;       // 1: off
  float min_p = 0.0f;        // 0: off
  float typical = 1.0f;      // 1: off; locally typical sampling, arXiv:2202.00666
  float repeat_penalty = 1.0f;     // 1: off; divides (or multiplies) the logits of tokens seen in
                                   // prompt and text (arXiv:1909.05858)
  float presence_penalty = 0.0f;   // taken off once for each token in the generated text,
  float frequency_penalty = 0.0f;  // and for each time it occurs there
  std::vector<std::pair<TokenId, float>> logit_bias;
  std::uint64_t seed = 0;
};

class Sampler {
 public:
  // Allocates all it needs. Errors (kUsage): a value out of range, a biased id outside the
  // vocabulary; each names the option.
  Sampler(const SamplerOptions& options, std::size_t vocabulary);
  Sampler(Sampler&&) noexcept;
  ~Sampler();

  // The token for `position` (the index of the new token in the sequence). `prompt` and `generated`
  // are the tokens before it. The logits are finite. Does not allocate.
  TokenId sample(std::span<const float> logits, std::span<const TokenId> prompt,
                 std::span<const TokenId> generated, std::size_t position);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kinglet
