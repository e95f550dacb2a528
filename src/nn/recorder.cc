#include "nn/recorder.h"

#include <array>

#include "nn/pass.h"

namespace kinglet::nn {

std::string_view name_of(Op op) {
  static constexpr std::array<std::string_view, kOps> kNames = {
      "gather",   "start",   "embed",   "attn_norm", "qkv",        "rope_store", "attention", "attn_out",
      "mlp_norm", "gate_up", "mlp_act", "mlp_out",   "final_norm", "head",       "join",      "check",
      "sample"};
  return kNames[static_cast<std::size_t>(op)];
}

Recorder::Recorder(const Capacity& capacity)
    : laps_(capacity.threads, LapLog(capacity.passes * capacity.steps)),
      waits_(capacity.threads, WaitLog(capacity.passes * capacity.steps)),
      records_(capacity.passes + 1),
      places_((capacity.passes + 1) * capacity.threads),
      contexts_(capacity.passes * capacity.sequences) {
  tap_.recorder = this;
}

const Tap* Recorder::begin_pass() {
  ++begun_;
  is_full_ = is_full_ || passes_ + 1 == records_.size();
  if (is_full_) return nullptr;
  records_[passes_].contexts = contexts_used_;
  records_[passes_].begin = now_ns();
  return &tap_;
}

void Recorder::start(std::span<const SequenceRows> sequences) {
  for (const SequenceRows& sequence : sequences) {
    if (contexts_used_ == contexts_.size()) {
      is_full_ = true;
      break;
    }
    contexts_[contexts_used_++] = {sequence.cache->length(), sequence.rows};
  }
  lap(0, {Op::kGather});
  records_[passes_].fork = laps_[0].size() == 0 ? 0 : laps_[0].entries().back().end;
}

void Recorder::end_pass(Phase phase) {
  lap(0, {Op::kSample});
  for (std::size_t rank = 0; rank < laps_.size(); ++rank) {
    is_full_ = is_full_ || laps_[rank].lost() > 0 || waits_[rank].lost() > 0;
  }
  if (is_full_) return;
  Record& record = records_[passes_];
  record.phase = phase;
  record.end = laps_[0].entries().back().end;
  ++passes_;
  records_[passes_].contexts = contexts_used_;
  for (std::size_t rank = 0; rank < laps_.size(); ++rank) {
    place(passes_, rank) = {laps_[rank].size(), waits_[rank].size()};
  }
}

Recorder::Pass Recorder::pass(std::size_t index) const {
  const Record& record = records_[index];
  Pass pass = {.begin = record.begin, .end = record.end, .phase = record.phase, .contexts = {}, .members = {}};
  const std::size_t contexts = records_[index + 1].contexts - record.contexts;
  pass.contexts = std::span(contexts_).subspan(record.contexts, contexts);
  for (std::size_t rank = 0; rank < laps_.size(); ++rank) {
    const Place& first = place(index, rank);
    const Place& last = place(index + 1, rank);
    if (first.lap == last.lap) continue;
    pass.members.push_back(
        {.begin = rank == 0 ? record.begin : record.fork,
         .laps = laps_[rank].entries().subspan(first.lap, last.lap - first.lap),
         .waits = waits_[rank].entries().subspan(first.wait, last.wait - first.wait)});
  }
  return pass;
}

std::size_t Recorder::Pass::rows() const {
  std::size_t rows = 0;
  for (const Context& context : contexts) rows += context.rows;
  return rows;
}

}  // namespace kinglet::nn
