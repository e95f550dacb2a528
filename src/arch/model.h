#pragma once

// A model bound to its weights: immutable, shared by sessions. The forward call has one shape for
// prefill, decode and batches.

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/team.h"
#include "kinglet/math.h"
#include "nn/pass.h"
#include "nn/shape.h"
#include "nn/workspace.h"
#include "tensor/dtype.h"
#include "tensor/metadata.h"
#include "tensor/source.h"

namespace kinglet::arch {

// A weight matrix of a model, as it lies in memory, and the rows of a pass that it is applied to.
struct Matrix {
  enum class Rows { kAll, kWanted, kLookedUp };  // of an embedding, one row is read for each token

  std::string name;
  DType dtype = DType::kF32;
  std::size_t out = 0, in = 0, bytes = 0;
  Rows rows = Rows::kAll;
};

class Model {
 public:
  explicit Model(Math math = Math::kExact) : math_(math) {}
  virtual ~Model() = default;

  Math math() const { return math_; }
  virtual const nn::Shape& shape() const = 0;
  virtual std::span<const Matrix> matrices() const = 0;  // all of them, tied ones once
  virtual std::size_t weight_bytes() const = 0;

  // Runs the batch's T rows through the model, stores their keys and values in their sequences'
  // caches (which have room for them) and returns the wanted rows' logits, (W, V), in the workspace
  // (which is large enough); none of a pass that ends before the head. Token ids are in [0, V).
  // Caches are not advanced: the caller does that once it has accepted the pass.
  virtual Rows forward(Team& team, const nn::Batch& batch, nn::Workspace& workspace,
                       const nn::Tap* tap) const = 0;

  // The end of forward() by itself: the logits, (W, V), that a hidden state after any block would give,
  // to the bit those of forward() after the last one. hidden: (W, D), outside the workspace, which is
  // large enough for W rows with logits and holds what is returned.
  virtual Rows logits_of(Team& team, ConstRows hidden, nn::Workspace& workspace) const = 0;

 private:
  Math math_;
};

}  // namespace kinglet::arch
