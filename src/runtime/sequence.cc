#include "runtime/sequence.h"

#include <algorithm>
#include <utility>

#include "runtime/cache_type.h"
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
}

std::span<const TokenId> Sequence::pending() const {
  if (is_prefill()) return std::span(request_.prompt).subspan(cache_.length());
  return std::span(generated_).last(1);
}

void Sequence::hash(std::span<const float> logits) {
  if (digest_) digest_->add(logits);
}

void Sequence::step(std::span<const float> logits, const Show& show) {
  if (request_.tokens == 0) return end(Finish::kLength, show);
  const std::size_t position = request_.prompt.size() + generated_.size();
  const TokenId id = sampler_.sample(logits, request_.prompt, generated_, position);
  const auto ends = model_.end_ids();
  if (!request_.ignore_end_ids && std::binary_search(ends.begin(), ends.end(), id)) {
    return end(Finish::kEnd, show);
  }
  accept(id, show);
}

void Sequence::accept(TokenId id, const Show& show) {
  generated_.push_back(id);
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
