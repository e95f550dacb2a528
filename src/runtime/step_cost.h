#pragma once

// What one step of a pass reads, writes and computes at least. Letters of src/README.md; T is the
// step's own rows, S the positions that a row sees.
//
//   product      every panel of its weights once; 2 * N * K operations a row, of bytes where the
//                format is an integer one; x (T, K), its int8 form, and the output (T, N); where it adds
//                to the residual stream, that too: 3 * N values and N operations a row
//   attention    keys and values of the positions that any row sees, once; 4 * H * d * S
//                floating-point operations a row (the softmax is not counted)
//   embedding    one row of the matrix a token
//   rope_store   3 operations for each value of q and k; keys and values of T positions written
//   norm         4 operations a value; activation 5 (the exponential counts as one)
//
// The steps around a pass (waking threads, sampling) cost nothing that a limit could be held against.

#include <span>

#include "nn/recorder.h"
#include "nn/shape.h"
#include "runtime/cost.h"

namespace kinglet {

// The pass that a step belongs to.
struct StepSetting {
  const nn::Shape& shape;
  nn::CacheType cache;
  Math math;
  std::span<const nn::Recorder::Context> contexts;
};
Cost cost_of(const nn::Step& step, const StepSetting& setting);

}  // namespace kinglet
