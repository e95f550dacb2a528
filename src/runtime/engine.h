#pragma once

// A model with what one run of it needs: the team of threads and the scratch memory.

#include <cstddef>
#include <optional>
#include <span>

#include "arch/model.h"
#include "base/team.h"
#include "nn/pass.h"
#include "nn/workspace.h"
#include "runtime/thread_choice.h"

namespace kinglet {

class Engine {
 public:
  // For passes of up to `tokens` rows, `wanted` of them with logits (as many as are in memory at a
  // time where the batch has a sink). `threads`: so many for every
  // pass; 0: up to as many as the process may use. Errors: kRuntime.
  Engine(const arch::Model& model, std::size_t threads, std::size_t tokens, std::size_t wanted);

  // One pass; the sequences' caches are longer by their rows after it. Returns the wanted rows'
  // logits, valid until the next pass; where the batch has a sink, all have gone there. Errors (kRuntime): logits that are not finite, naming the
  // position and the layer in which such a number came up first; the caches are then as before.
  // Those of `drafts`, rows that may turn out not to be text, ascending, are not looked at (where
  // there is no sink).
  Rows forward(const nn::Batch& batch, const nn::Tap* tap = nullptr,
               std::span<const std::size_t> drafts = {});

  // The logits of hidden rows (arch::Model::logits_of), valid until the next pass or call. Not looked
  // at. hidden: up to `wanted` and `tokens` rows.
  Rows logits_of(ConstRows hidden);

  const arch::Model& model() const { return model_; }
  std::size_t scratch_bytes() const { return workspace_.bytes(); }

 private:
  Rows run(const nn::Batch& batch, const nn::Tap* tap);
  [[noreturn]] void blame(const nn::Batch& batch, std::size_t row);

  const arch::Model& model_;
  Team team_;
  std::optional<ThreadChoice> choice_;  // where the number of threads is ours to choose
  nn::Workspace workspace_;
};

}  // namespace kinglet
