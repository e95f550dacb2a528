#include "runtime/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "base/cpu.h"
#include "base/finite.h"
#include "kinglet/error.h"

namespace kinglet {

namespace {

// Hands on what it is given, and remembers where a number was not finite.
class CheckedSink final : public nn::LogitsSink {
 public:
  explicit CheckedSink(nn::LogitsSink& next) : next_(next) {}
  void take(std::size_t index, std::span<const float> logits) override {
    if (!all_finite(logits)) {
      std::size_t lowest = first_bad_.load();
      while (index < lowest && !first_bad_.compare_exchange_weak(lowest, index)) {
      }
    }
    next_.take(index, logits);
  }
  std::optional<std::size_t> first_bad() const {
    const std::size_t index = first_bad_.load();
    return index == kNone ? std::nullopt : std::optional(index);
  }

 private:
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  nn::LogitsSink& next_;
  std::atomic<std::size_t> first_bad_ = kNone;
};

}  // namespace

Engine::Engine(const arch::Model& model, std::size_t threads, std::size_t tokens,
               std::size_t wanted)
    : model_(model),
      team_(threads == 0 ? usable_cores() : threads),
      workspace_(model.shape(), tokens, wanted, model.math()) {
  if (threads == 0) choice_.emplace(team_.threads(), model.weight_bytes());
}

Rows Engine::run(const nn::Batch& batch, const nn::Tap* tap) {
  if (!choice_) return model_.forward(team_, batch, workspace_, tap);
  using Clock = std::chrono::steady_clock;
  team_.set_threads(choice_->threads(batch.size()));
  const Clock::time_point start = Clock::now();
  const Rows logits = model_.forward(team_, batch, workspace_, tap);
  choice_->record(batch.size(), team_.threads(),
                  std::chrono::duration<double>(Clock::now() - start).count());
  return logits;
}

Rows Engine::forward(const nn::Batch& given, const nn::Tap* tap,
                     std::span<const std::size_t> drafts) {
  nn::Recorder* recorder = tap == nullptr ? nullptr : tap->recorder;
  team_.note_waits(recorder == nullptr ? std::span<WaitLog>() : recorder->waits());
  if (recorder != nullptr) recorder->start(given.sequences);
  nn::Batch batch = given;
  std::optional<CheckedSink> sink;
  if (given.sink != nullptr) batch.sink = &sink.emplace(*given.sink);
  const Rows logits = run(batch, tap);
  if (recorder != nullptr) recorder->lap(0, {nn::Op::kJoin});
  if (sink && sink->first_bad()) blame(given, given.wanted[*sink->first_bad()]);
  for (std::size_t i = 0; !sink && i < logits.count; ++i) {
    if (std::binary_search(drafts.begin(), drafts.end(), batch.wanted[i])) continue;
    if (!all_finite(logits.span(i))) blame(batch, batch.wanted[i]);
  }
  for (const nn::SequenceRows& sequence : batch.sequences) sequence.cache->advance(sequence.rows);
  if (recorder != nullptr) recorder->lap(0, {nn::Op::kCheck, -1, logits.count});
  return logits;
}

Rows Engine::logits_of(ConstRows hidden) {
  team_.note_waits({});
  return model_.logits_of(team_, hidden, workspace_);
}

// Runs the pass once more with an observer that notes the first layer whose output is not finite.
void Engine::blame(const nn::Batch& batch, std::size_t row) {
  std::optional<int> first;
  nn::Tap tap;
  tap.see = [&](const nn::Activation& activation, Rows rows) {
    if (first || rows.count <= row || std::string_view(activation.name) != "out") return;
    if (!all_finite(rows.span(row))) first = activation.layer;
  };
  nn::Batch without_head = batch;
  without_head.wanted = {};
  without_head.sink = nullptr;
  model_.forward(team_, without_head, workspace_, &tap);
  const std::size_t position = workspace_.place(batch)[row].position;
  throw runtime_error(fmt::format("logits are not finite at position {} (first in {})", position,
                                  first ? fmt::format("layer {}", *first) : "the head"));
}

}  // namespace kinglet
