#pragma once

// One forward pass: the batch that goes in, and what every step of it needs.
//
// How steps share work. A step splits its output over the team and either ends in me.sync(), or
// says that it does not: those that write "by parts" (parts() below) are followed by steps that
// read the very parts that the same member wrote, and only then by a sync.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>

#include "base/checked.h"
#include "base/team.h"
#include "kernels/table.h"
#include "nn/kv_cache.h"
#include "nn/recorder.h"
#include "nn/tap.h"
#include "tensor/rows.h"

namespace kinglet::nn {

// Consecutive rows of a batch that belong to one sequence; its cache grows by them.
struct SequenceRows {
  KvCache* cache = nullptr;
  std::size_t rows = 0;
};

// Where logits go that are too many to keep.
class LogitsSink {
 public:
  virtual ~LogitsSink() = default;
  // Those of wanted row `index` (V). Called once for each, by any member of the team, side by side
  // with others. Must not throw.
  virtual void take(std::size_t index, std::span<const float> logits) = 0;
};

struct Batch {
  std::span<const std::int32_t> tokens;        // (T), or empty where vectors are given
  ConstRows vectors;                           // (T, D): what the first block receives
  std::span<const SequenceRows> sequences;     // their rows add up to T
  std::span<const std::size_t> wanted;         // rows whose logits are wanted, ascending
  LogitsSink* sink = nullptr;                  // where they go, slice by slice; null: all are kept
  // How far the pass goes: 0 the embedding alone, N the first N blocks, L + 1 the final norm of the
  // wanted rows too; from L + 2 on their logits.
  std::size_t depth = std::numeric_limits<std::size_t>::max();

  std::size_t size() const { return tokens.empty() ? vectors.count : tokens.size(); }
};

// Where a row stands.
struct Place {
  KvCache* cache = nullptr;
  std::size_t position = 0;
};

struct Pass {
  const kernels::Table& kernels;
  std::span<const SequenceRows> sequences;
  std::span<const Place> places;  // (T)
  Rows angles;                    // (T, d): cosines, then sines, of each row's position
  kernels::Int8Rows int8;         // activations for the integer formats
  Rows rounded;                   // and for bf16 weights, rounded (T, K); empty where math is exact
  const Tap* tap = nullptr;
};

// f(row, begin, end) for this member's share of (rows, width), in pieces of whole blocks of 32.
template <class Function>
void parts(const Member& me, std::size_t rows, std::size_t width, const Function& f) {
  constexpr std::size_t kBlock = 32;
  const std::size_t blocks = ceil_div(width, kBlock);
  const Range mine = me.mine(rows * blocks);
  for (std::size_t unit = mine.begin; unit < mine.end;) {
    const std::size_t row = unit / blocks;
    const std::size_t last = std::min(mine.end, (row + 1) * blocks);
    f(row, unit % blocks * kBlock, std::min(width, (last - row * blocks) * kBlock));
    unit = last;
  }
}

// Shows an activation to the tap. Every member calls it; one branch where there is no tap.
inline void observe(const Member& me, const Pass& pass, const Activation& activation, Rows rows) {
  if (pass.tap == nullptr || !pass.tap->see) return;
  me.sync();
  if (me.rank() == 0) pass.tap->see(activation, rows);
  me.sync();
}

// The end of a step, for the clock. Every member calls it; one branch where there is no clock.
inline void lap(const Member& me, const Pass& pass, const Step& step) {
  if (pass.tap == nullptr || pass.tap->recorder == nullptr) return;
  pass.tap->recorder->lap(me.rank(), step);
}

}  // namespace kinglet::nn
