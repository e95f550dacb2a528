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
#include "runtime/draft.h"
#include "runtime/stop_text.h"
#include "tensor/rows.h"

namespace kinglet {

class Sequence {
 public:
  // Room for the prompt and the new tokens, at most `limit` in all. Takes the memory.
  Sequence(const Model& model, const Request& request, const GenerateOptions& options,
           std::size_t limit);

  using Show = std::function<void(TokenId id, std::string_view text)>;

  bool is_prefill() const { return cache_.length() < request_.prompt.size(); }
  // The next tokens to evaluate, at most `most` of them (1 or more): what is left of the prompt, or
  // the last new token and, where there is a draft, what may follow it. Valid until step().
  std::span<const TokenId> pending(std::size_t most);

  // The cache has grown by what pending() gave, and these are the logits of the last of those
  // positions, none or some: hashes them where a digest is wanted and, after the prompt, draws
  // tokens. From the first token on that is not what was drafted, they are not used, and the cache
  // forgets their positions. Returns the number of draws.
  std::size_t step(Rows logits, const Show& show);
  void end(Finish finish, const Show& show);

  bool is_done() const { return is_done_; }
  nn::KvCache& cache() { return cache_; }
  std::size_t cache_bytes() const { return cache_.bytes(); }
  Result take_result();

 private:
  std::size_t known() const { return request_.prompt.size() + generated_.size(); }
  void draw(std::span<const float> logits, const Show& show);
  void accept(TokenId id, const Show& show);

  const Model& model_;
  const Request& request_;
  std::size_t limit_;
  nn::KvCache cache_;
  Sampler sampler_;
  std::optional<TextStream> stream_;
  StopText stop_text_;
  std::optional<LogitsDigest> digest_;
  std::optional<NgramDraft> draft_;
  std::vector<TokenId> generated_;
  std::vector<TokenId> ahead_;  // the last new token and the draft that are being evaluated
  Result result_;
  bool is_done_ = false;
};

}  // namespace kinglet
