#pragma once

// One request on its way: what is evaluated, what came out, when it is over.

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "kinglet/generate.h"
#include "nn/kv_cache.h"
#include "runtime/digest.h"
#include "runtime/stop_text.h"

namespace kinglet {

class Sequence {
 public:
  // Room for the prompt and the new tokens, at most `limit` in all. Takes the memory.
  Sequence(const Model& model, const Request& request, const GenerateOptions& options,
           std::size_t limit);

  using Show = std::function<void(TokenId id, std::string_view text)>;

  // The tokens still to be evaluated: what is left of the prompt, or the last new token.
  std::span<const TokenId> pending() const;
  bool is_prefill() const { return cache_.length() < request_.prompt.size(); }

  // The logits of every evaluated position, once, in order; nothing happens where no digest is
  // wanted.
  void hash(std::span<const float> logits);
  // All of pending() is evaluated, and these are the last position's logits: draws the next token.
  void step(std::span<const float> logits, const Show& show);
  void end(Finish finish, const Show& show);

  bool is_done() const { return is_done_; }
  nn::KvCache& cache() { return cache_; }
  std::size_t cache_bytes() const { return cache_.bytes(); }
  Result take_result();

 private:
  void accept(TokenId id, const Show& show);

  const Model& model_;
  const Request& request_;
  std::size_t limit_;
  nn::KvCache cache_;
  Sampler sampler_;
  std::optional<TextStream> stream_;
  StopText stop_text_;
  std::optional<LogitsDigest> digest_;
  std::vector<TokenId> generated_;
  Result result_;
  bool is_done_ = false;
};

}  // namespace kinglet
