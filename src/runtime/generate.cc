#include "kinglet/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "kinglet/error.h"
#include "nn/recorder.h"
#include "runtime/engine.h"
#include "runtime/model_parts.h"
#include "runtime/sequence.h"

namespace kinglet {
namespace {

using Clock = std::chrono::steady_clock;
using Phase = nn::Recorder::Phase;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void check_request(const Model& model, const Request& request, std::size_t limit) {
  if (request.prompt.empty()) throw usage_error("the prompt is empty");
  if (request.prompt.size() > limit) {
    throw usage_error(fmt::format("the prompt has {} tokens, the context {}",
                                  request.prompt.size(), limit));
  }
  for (const TokenId id : request.prompt) {
    if (id >= 0 && static_cast<std::size_t>(id) < model.vocabulary()) continue;
    throw usage_error("a token id is outside the vocabulary")
        .at("ids")
        .found(fmt::format("{}", id))
        .allowed(fmt::format("[0, {})", model.vocabulary()));
  }
}

void check_draft(const GenerateOptions& options) {
  if (options.draft_ngram <= NgramDraft::kLongestNgram) return;
  throw usage_error("the n-grams of a draft are too long")
      .at("draft_ngram")
      .found(fmt::format("{}", options.draft_ngram))
      .allowed(fmt::format("[0, {}]", NgramDraft::kLongestNgram));
}

// One run of generate(): sequences that are under way, and the passes that move them on.
class Run {
 public:
  Run(const Model& model, const std::vector<Request>& requests, const GenerateOptions& options,
      const Watch& watch)
      : model_(model),
        requests_(requests),
        options_(options),
        watch_(watch),
        limit_(options.context == 0 ? model.context() : options.context),
        slots_(std::min({requests.size(), options.sequences, options.chunk})),
        running_(slots_),
        request_of_(slots_) {
    check_draft(options);
    const std::size_t ahead = options.draft_ngram == 0 ? 1 : 1 + NgramDraft::kMostTokens;
    std::size_t longest = ahead;
    for (const Request& request : requests) {
      check_request(model, request, limit_);
      longest = std::max(longest, request.prompt.size());
    }
    rows_ = std::min(options.chunk, longest * slots_);
    engine_.emplace(*model.parts().model, options.threads, rows_,
                    options.digest ? rows_ : std::min(rows_, ahead * slots_));
    tokens_.reserve(rows_);
    wanted_.reserve(rows_);
    drafts_.reserve(rows_);
    generated_.results.resize(requests.size());
    generated_.timings.scratch_bytes = engine_->scratch_bytes();
  }

  Generated finish() && {
    while (admit() && !is_interrupted()) pass();
    for (std::size_t slot = 0; slot < slots_; ++slot) {
      if (running_[slot]) running_[slot]->end(Finish::kInterrupted, show(slot));
      retire(slot);
    }
    for (; next_ < requests_.size(); ++next_) {
      generated_.results[next_].finish = Finish::kInterrupted;
    }
    return std::move(generated_);
  }

 private:
  bool is_interrupted() const { return watch_.is_interrupted && watch_.is_interrupted(); }

  // Fills free slots; false where nothing is left to do.
  bool admit() {
    bool is_any = false;
    for (std::size_t slot = 0; slot < slots_; ++slot) {
      if (!running_[slot] && next_ < requests_.size()) {
        running_[slot].emplace(model_, requests_[next_], options_, limit_);
        request_of_[slot] = next_++;
        count_cache();
      }
      is_any = is_any || running_[slot].has_value();
    }
    return is_any;
  }

  void count_cache() {
    std::size_t bytes = 0;
    for (const auto& sequence : running_) {
      if (sequence) bytes += sequence->cache_bytes();
    }
    generated_.timings.cache_bytes = std::max(generated_.timings.cache_bytes, bytes);
  }

  Sequence::Show show(std::size_t slot) {
    return [this, slot](TokenId id, std::string_view text) {
      Timings& t = generated_.timings;
      if (t.new_tokens == 0 && id >= 0) t.first_token_seconds = seconds_since(start_);
      if (watch_.on_token) watch_.on_token(request_of_[slot], id, text);
    };
  }

  // Every sequence past its prompt has a row; prompts share what room is left, and drafts what
  // prompts leave.
  void gather() {
    tokens_.clear();
    rows_of_.clear();
    parts_.clear();
    wanted_.clear();
    drafts_.clear();
    std::size_t room = rows_;
    for (const auto& sequence : running_) {
      if (sequence && !sequence->is_prefill()) --room;
    }
    for (std::size_t slot = 0; slot < slots_; ++slot) {
      if (room == 0) break;
      if (running_[slot] && running_[slot]->is_prefill()) room -= add_prompt(slot, room);
    }
    prefill_rows_ = tokens_.size();
    for (std::size_t slot = 0; slot < slots_; ++slot) {
      if (running_[slot] && !running_[slot]->is_prefill()) room -= add_new(slot, 1 + room) - 1;
    }
  }

  // At most `most` rows of a sequence; returns how many.
  std::size_t add_prompt(std::size_t slot, std::size_t most) {
    Sequence& sequence = *running_[slot];
    const std::span<const TokenId> tokens = sequence.pending(most);
    const std::size_t end = sequence.cache().length() + tokens.size();
    const bool is_whole = end == requests_[request_of_[slot]].prompt.size();
    add(slot, tokens, options_.digest ? tokens.size() : is_whole ? 1 : 0);
    return tokens.size();
  }

  std::size_t add_new(std::size_t slot, std::size_t most) {
    const std::span<const TokenId> tokens = running_[slot]->pending(most);
    add(slot, tokens, tokens.size());
    for (std::size_t i = 1; i < tokens.size(); ++i) {
      drafts_.push_back(tokens_.size() - tokens.size() + i);
    }
    return tokens.size();
  }

  // The logits of the last `wanted` of the tokens are wanted.
  void add(std::size_t slot, std::span<const TokenId> tokens, std::size_t wanted) {
    tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
    rows_of_.push_back({&running_[slot]->cache(), tokens.size()});
    parts_.push_back({slot, wanted});
    for (std::size_t i = tokens_.size() - wanted; i < tokens_.size(); ++i) wanted_.push_back(i);
  }

  void pass() {
    const Clock::time_point begin = Clock::now();
    nn::Recorder* recorder = watch_.recorder;
    const nn::Tap* tap = recorder == nullptr ? nullptr : recorder->begin_pass();
    gather();
    const Rows logits = engine_->forward(
        {.tokens = tokens_, .vectors = {}, .sequences = rows_of_, .wanted = wanted_}, tap, drafts_);
    deal_out(logits);
    if (tap != nullptr) recorder->end_pass(prefill_rows_ > 0 ? Phase::kPrefill : Phase::kDecode);

    Timings& t = generated_.timings;
    t.prompt_tokens += prefill_rows_;
    (prefill_rows_ > 0 ? t.prefill_seconds : t.decode_seconds) += seconds_since(begin);
  }

  // Gives each sequence its rows of logits.
  void deal_out(Rows logits) {
    std::size_t next = 0;
    for (const Part& part : parts_) {
      Sequence& sequence = *running_[part.slot];
      generated_.timings.new_tokens +=
          sequence.step(logits.range(next, part.wanted), show(part.slot));
      next += part.wanted;
      if (sequence.is_done()) retire(part.slot);
    }
  }

  void retire(std::size_t slot) {
    if (!running_[slot]) return;
    Result& result = generated_.results[request_of_[slot]];
    result = running_[slot]->take_result();
    running_[slot].reset();
    generated_.timings.drafted += result.drafted;
    generated_.timings.accepted += result.accepted;
    if (watch_.on_result) watch_.on_result(request_of_[slot], result);
  }

  const Model& model_;
  const std::vector<Request>& requests_;
  const GenerateOptions& options_;
  const Watch& watch_;
  const Clock::time_point start_ = Clock::now();
  std::size_t limit_;
  std::size_t slots_;
  std::size_t rows_ = 0;  // of a pass at most
  std::optional<Engine> engine_;
  std::vector<std::optional<Sequence>> running_;
  std::vector<std::size_t> request_of_;  // by slot
  std::size_t next_ = 0;                 // request to admit

  // The pass in the making: its rows, sequence by sequence.
  struct Part {
    std::size_t slot = 0;
    std::size_t wanted = 0;  // the last of its rows
  };
  std::vector<TokenId> tokens_;
  std::vector<Part> parts_;
  std::vector<nn::SequenceRows> rows_of_;  // by part
  std::vector<std::size_t> wanted_;
  std::vector<std::size_t> drafts_;  // rows of tokens that are not text yet
  std::size_t prefill_rows_ = 0;

  Generated generated_;
};

}  // namespace

std::string_view name_of(Finish finish) {
  switch (finish) {
    case Finish::kLength: return "length";
    case Finish::kEnd: return "eos";
    case Finish::kStop: return "stop";
    case Finish::kContext: return "context";
    case Finish::kInterrupted: return "interrupted";
  }
  return "";
}

Generated generate(const Model& model, const std::vector<Request>& requests,
                   const GenerateOptions& options, const Watch& watch) {
  if (requests.empty()) return {};
  return Run(model, requests, options, watch).finish();
}

}  // namespace kinglet
