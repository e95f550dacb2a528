#include "runtime/sequence.h"

#include <algorithm>
#include <utility>

#include "base/finite.h"
#include "runtime/cache_type.h"
#include "runtime/engine.h"
#include "runtime/model_parts.h"

namespace kinglet {

Sequence::Sequence(const Model& model, const Request& request, const GenerateOptions& options,
                   std::size_t limit)
    : model_(model),
      request_(request),
      limit_(limit),
      cache_(model.parts().model->shape(),
             std::min(limit, request.prompt.size() + request.tokens),
             cache_type(options.cache)),
      sampler_(request.sampling, model.vocabulary()),
      stop_text_(request.stops) {
  if (model.tokenizer() != nullptr) stream_.emplace(*model.tokenizer());
  if (options.digest) digest_.emplace();
  generated_.reserve(std::min(request.tokens, limit));
  ahead_.reserve(1 + NgramDraft::kMostTokens);
  if (options.draft_ngram == 0) return;
  draft_.emplace(options.draft_ngram, cache_.capacity());
  for (const TokenId id : request.prompt) draft_->push(id);
}

std::span<const TokenId> Sequence::pending(std::size_t most) {
  if (is_prefill()) {
    const auto rest = std::span(request_.prompt).subspan(cache_.length());
    return rest.first(std::min(rest.size(), most));
  }
  ahead_.assign(1, generated_.back());
  if (draft_) {
    // The last token that there is room for is never evaluated.
    const std::size_t room = cache_.capacity() - 1 - known();
    const auto proposal = draft_->propose(std::min(most - 1, room));
    ahead_.insert(ahead_.end(), proposal.begin(), proposal.end());
    result_.drafted += proposal.size();
  }
  return ahead_;
}

std::size_t Sequence::step(Rows logits, const Show& show) {
  const std::size_t prompt = request_.prompt.size();
  std::size_t length = cache_.length() - logits.count;  // of the text before the row at hand
  std::size_t draws = 0;
  for (std::size_t row = 0; row < logits.count && !is_done_; ++row, ++length) {
    const bool is_draft = length >= prompt && row > 0;
    // Logits that are not finite: the next pass, where this row is no draft, makes an error of it.
    if (is_draft && (ahead_[row] != generated_.back() || !all_finite(logits.span(row)))) break;
    if (digest_) digest_->add(logits.span(row));
    if (length + 1 < prompt) continue;
    draw(logits.span(row), show);
    ++draws;
    result_.accepted += is_draft;
  }
  cache_.truncate(length);
  return draws;
}

void Sequence::draw(std::span<const float> logits, const Show& show) {
  if (request_.tokens == 0) return end(Finish::kLength, show);
  const TokenId id = sampler_.sample(logits, request_.prompt, generated_, known());
  const auto ends = model_.end_ids();
  if (!request_.ignore_end_ids && std::binary_search(ends.begin(), ends.end(), id)) {
    return end(Finish::kEnd, show);
  }
  accept(id, show);
}

void Sequence::accept(TokenId id, const Show& show) {
  generated_.push_back(id);
  if (draft_) draft_->push(id);
  std::string text;
  if (stream_) text = stop_text_.push(stream_->push(id));
  result_.text += text;
  show(id, text);

  if (stop_text_.is_stopped()) return end(Finish::kStop, show);
  if (generated_.size() == request_.tokens) return end(Finish::kLength, show);
  if (request_.prompt.size() + generated_.size() >= limit_) return end(Finish::kContext, show);
}

void Sequence::end(Finish finish, const Show& show) {
  is_done_ = true;
  result_.finish = finish;
  if (!stream_ || stop_text_.is_stopped()) return;
  std::string rest = stop_text_.push(stream_->finish());
  rest += stop_text_.finish();
  if (rest.empty()) return;
  result_.text += rest;
  show(generated_.empty() ? -1 : generated_.back(), rest);
}

Result Sequence::take_result() {
  result_.ids = std::move(generated_);
  result_.positions = cache_.length();
  if (digest_) result_.digest = digest_->finish();
  return std::move(result_);
}

}  // namespace kinglet
