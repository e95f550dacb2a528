#pragma once

// The clock of a profile: which step each thread was at, and when.
//
// A lap ends what began with the lap before it, so that the laps of a thread leave no gap and add
// up to the pass. The first thread also times what lies around the forward pass. All buffers are
// sized before; a pass that does not fit is not kept, and none after it is recorded.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "base/wait_log.h"
#include "nn/tap.h"

namespace kinglet::nn {

class Linear;
struct SequenceRows;

// In the order of a pass. A model may have several of a kind in a layer, or none.
enum class Op : std::uint8_t {
  kGather,  // between passes: which rows go in
  kStart,   // the threads wake up
  kEmbed,
  kAttentionNorm,
  kQkv,
  kRope,  // and the store into the cache
  kAttention,
  kAttentionOut,  // and what it adds to the residual stream
  kMlpNorm,
  kGateUp,
  kActivation,
  kDown,  // and what it adds
  kFinalNorm,
  kHead,
  kJoin,    // the last thread comes in
  kCheck,   // that all logits are finite
  kSample,  // between passes: digest, draw, text
};
constexpr std::size_t kOps = static_cast<std::size_t>(Op::kSample) + 1;
std::string_view name_of(Op op);  // "attn_norm"

struct Step {
  Op op = Op::kGather;
  int layer = -1;                  // -1: of none
  std::size_t rows = 0;            // of activations: T, or W after the blocks
  const Linear* linear = nullptr;  // the weights that it reads
  std::size_t window = std::numeric_limits<std::size_t>::max();  // of attention
};

struct Lap {
  Step step;
  std::int64_t end = 0;  // nanoseconds
};
using LapLog = Log<Lap>;

class Recorder {
 public:
  struct Capacity {
    std::size_t threads = 1;  // of the team, at most
    std::size_t passes = 0;
    std::size_t steps = 0;      // laps of a pass, and its waits: each no more than this
    std::size_t sequences = 1;  // of a pass
  };
  explicit Recorder(const Capacity& capacity);
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // --- while the model runs; the caller's thread but for lap() ---

  // What the pass is to be shown to: a tap with this recorder in it, or null where no room is left.
  const Tap* begin_pass();
  // The batch is there and the threads are about to start.
  void start(std::span<const SequenceRows> sequences);
  void lap(std::size_t rank, const Step& step) noexcept { laps_[rank].add({step, now_ns()}); }
  enum class Phase : std::uint8_t { kPrefill, kDecode };
  void end_pass(Phase phase);

  std::span<WaitLog> waits() { return waits_; }

  // --- after it ---

  struct Context {
    std::size_t start = 0, rows = 0;  // positions [start, start + rows) of one sequence
  };
  struct Part {
    std::int64_t begin = 0;       // where the first lap starts
    std::span<const Lap> laps;    // of one member
    std::span<const Wait> waits;  // each within one of the laps
  };
  struct Pass {
    std::int64_t begin = 0, end = 0;
    Phase phase = Phase::kPrefill;
    std::span<const Context> contexts;
    std::vector<Part> members;  // those that took part, the first thread's before all
    std::size_t rows() const;
  };
  std::size_t size() const { return passes_; }  // recorded
  std::size_t begun() const { return begun_; }  // those that were not kept among them
  Pass pass(std::size_t index) const;

 private:
  struct Record {
    std::int64_t begin = 0, fork = 0, end = 0;
    Phase phase = Phase::kPrefill;
    std::size_t contexts = 0;  // their first
  };
  struct Place {  // the first lap and wait of a pass in one member's logs
    std::size_t lap = 0, wait = 0;
  };
  Place& place(std::size_t pass, std::size_t rank) { return places_[pass * laps_.size() + rank]; }
  const Place& place(std::size_t pass, std::size_t rank) const {
    return places_[pass * laps_.size() + rank];
  }

  Tap tap_;
  std::vector<LapLog> laps_;    // by rank
  std::vector<WaitLog> waits_;  // by rank
  std::vector<Record> records_;  // by pass, and one more to hold the end
  std::vector<Place> places_;
  std::vector<Context> contexts_;
  std::size_t contexts_used_ = 0;
  std::size_t passes_ = 0, begun_ = 0;
  bool is_full_ = false;
};

}  // namespace kinglet::nn
