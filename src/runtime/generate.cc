#include "kinglet/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "kinglet/error.h"
#include "runtime/engine.h"
#include "runtime/model_parts.h"
#include "runtime/sequence.h"

namespace kinglet {
namespace {

using Clock = std::chrono::steady_clock;

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
    std::size_t longest = 0;
    for (const Request& request : requests) {
      check_request(model, request, limit_);
      longest = std::max(longest, request.prompt.size());
    }
    rows_ = std::min(options.chunk, longest * slots_);
    engine_.emplace(*model.parts().model, options.threads,
                    rows_, options.digest ? rows_ : slots_);
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

  // Every sequence with one token to evaluate has its row; prompts share what room is left.
  void gather() {
    tokens_.clear();
    parts_.clear();
    slots_of_parts_.clear();
    wanted_.clear();
    prefill_rows_ = 0;
    std::size_t room = rows_;
    for (const auto& sequence : running_) {
      if (sequence && !sequence->is_prefill()) --room;
    }
    for (std::size_t slot = 0; slot < slots_; ++slot) {
      if (!running_[slot]) continue;
      Sequence& sequence = *running_[slot];
      std::span<const TokenId> pending = sequence.pending();
      bool is_whole = true;
      if (sequence.is_prefill()) {
        is_whole = pending.size() <= room;
        pending = pending.first(std::min(pending.size(), room));
        room -= pending.size();
        prefill_rows_ += pending.size();
      }
      if (pending.empty()) continue;
      tokens_.insert(tokens_.end(), pending.begin(), pending.end());
      parts_.push_back({&sequence.cache(), pending.size()});
      slots_of_parts_.push_back(slot);
      const std::size_t first_wanted = options_.digest ? tokens_.size() - pending.size()
                                                       : tokens_.size() - (is_whole ? 1 : 0);
      for (std::size_t row = first_wanted; row < tokens_.size(); ++row) wanted_.push_back(row);
    }
  }

  void pass() {
    const Clock::time_point begin = Clock::now();
    gather();
    const Rows logits = engine_->forward(
        {.tokens = tokens_, .vectors = {}, .sequences = parts_, .wanted = wanted_});
    deal_out(logits);

    Timings& t = generated_.timings;
    t.prompt_tokens += prefill_rows_;
    (prefill_rows_ > 0 ? t.prefill_seconds : t.decode_seconds) += seconds_since(begin);
  }

  // Gives each sequence its rows of logits.
  void deal_out(Rows logits) {
    std::size_t row = 0, next_logits = 0;
    for (std::size_t part = 0; part < parts_.size(); ++part) {
      const std::size_t slot = slots_of_parts_[part];
      Sequence& sequence = *running_[slot];
      const std::size_t end = row + parts_[part].rows;
      std::optional<std::size_t> last;
      for (; next_logits < wanted_.size() && wanted_[next_logits] < end; ++next_logits) {
        sequence.hash(logits.span(next_logits));
        if (wanted_[next_logits] == end - 1) last = next_logits;
      }
      row = end;
      if (!last || sequence.is_prefill()) continue;
      sequence.step(logits.span(*last), show(slot));
      ++generated_.timings.new_tokens;
      if (sequence.is_done()) retire(slot);
    }
  }

  void retire(std::size_t slot) {
    if (!running_[slot]) return;
    generated_.results[request_of_[slot]] = running_[slot]->take_result();
    running_[slot].reset();
    if (watch_.on_result) watch_.on_result(request_of_[slot], generated_.results[request_of_[slot]]);
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

  // The pass in the making.
  std::vector<TokenId> tokens_;
  std::vector<nn::SequenceRows> parts_;
  std::vector<std::size_t> slots_of_parts_;
  std::vector<std::size_t> wanted_;
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
