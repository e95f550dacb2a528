#pragma once

// The two ends of the head: the rows whose logits are wanted go in, their logits go out.

#include <algorithm>
#include <span>

#include "nn/pass.h"

namespace kinglet::nn {

// to[i] = from[rows[i]]. Ends in sync.
inline void select(const Member& me, ConstRows from, std::span<const std::size_t> rows, Rows to) {
  const Range mine = me.mine(rows.size());
  for (std::size_t i = mine.begin; i < mine.end; ++i) {
    std::copy_n(from.row(rows[i]), from.width, to.row(i));
  }
  me.sync();
}

// The logits of wanted rows [first, first + logits.count) to the batch's sink, where it has one.
// Ends in sync there.
inline void hand_over(const Member& me, const Batch& batch, std::size_t first, ConstRows logits) {
  if (batch.sink == nullptr) return;
  const Range mine = me.mine(logits.count);
  for (std::size_t i = mine.begin; i < mine.end; ++i) batch.sink->take(first + i, logits.span(i));
  me.sync();
}

}  // namespace kinglet::nn
