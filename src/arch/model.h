#pragma once

// A model bound to its weights: immutable, shared by sessions. The forward call has one shape for
// prefill, decode and batches.

#include <memory>

#include "base/team.h"
#include "nn/pass.h"
#include "nn/shape.h"
#include "nn/workspace.h"
#include "tensor/metadata.h"
#include "tensor/source.h"

namespace kinglet::arch {

class Model {
 public:
  virtual ~Model() = default;

  virtual const nn::Shape& shape() const = 0;
  virtual std::size_t weight_bytes() const = 0;

  // Runs the batch's T rows through the model, stores their keys and values in their sequences'
  // caches (which have room for them) and returns the wanted rows' logits, (W, V), in the workspace
  // (which is large enough). Token ids are in [0, V). Caches are not advanced: the caller does that
  // once it has accepted the pass.
  virtual Rows forward(Team& team, const nn::Batch& batch, nn::Workspace& workspace,
                       const nn::Tap* tap) const = 0;
};

}  // namespace kinglet::arch
