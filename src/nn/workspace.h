#pragma once

// The buffers of a forward pass, allocated once for the longest one and reused.

#include <cstddef>
#include <span>
#include <vector>

#include "base/memory.h"
#include "kinglet/math.h"
#include "kernels/table.h"
#include "nn/pass.h"
#include "nn/shape.h"
#include "tensor/rows.h"

namespace kinglet::nn {

class Workspace {
 public:
  // For passes of up to `tokens` rows, of which up to `wanted` give logits, or give them at a time
  // where they go into a sink.
  Workspace(const Shape& shape, std::size_t tokens, std::size_t wanted, Math math = Math::kExact);

  static std::size_t bytes_needed(const Shape& shape, std::size_t tokens, std::size_t wanted,
                                  Math math = Math::kExact);

  // The buffers cut to the rows of one pass.
  struct Views {
    Rows hidden;    // (T, D) the residual stream
    Rows normed;    // (T, D)
    Rows branch;    // (T, D) what a block adds to the stream
    Rows qkv;       // (T, (H + 2G) * d)
    Rows mixed;     // (T, H * d)
    Rows gate_up;   // (T, 2F)
    Rows angles;    // (T, d)
    Rows selected;  // (W, D) the rows whose logits are wanted
    Rows logits;    // (W, V)
  };
  Views views(std::size_t tokens, std::size_t wanted) const;

  const kernels::Int8Rows& int8() const { return buffers_.int8; }
  const Rows& rounded() const { return buffers_.rounded; }  // empty where math is exact
  std::span<const Place> place(const Batch& batch);  // (T), valid until the next call

  std::size_t max_tokens() const { return tokens_; }
  std::size_t max_wanted() const { return wanted_; }
  std::size_t bytes() const { return memory_.size(); }

 private:
  struct Buffers {
    Views views;
    kernels::Int8Rows int8;
    Rows rounded;
    std::size_t bytes = 0;
  };
  // Places all buffers in `base`; with null, only counts.
  static Buffers lay_out(const Shape& shape, std::size_t tokens, std::size_t wanted, Math math,
                         std::byte* base);

  std::size_t tokens_, wanted_;
  std::vector<Place> places_;
  AlignedBytes memory_;
  Buffers buffers_;
};

}  // namespace kinglet::nn
