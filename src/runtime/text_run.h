#pragma once

// One text, run through a model as often as is wanted, each time with an observer in the passes: what
// the lens is made of.

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "kinglet/lens.h"
#include "nn/kv_cache.h"
#include "runtime/engine.h"

namespace kinglet {

const nn::Shape& shape_of(const Model& model);

// Errors (kUsage): `given` is not in [0, count); `what` names it: "layer", "position".
void check_below(std::size_t given, std::size_t count, std::string_view what);

class TextRun {
 public:
  enum class Logits { kNone, kAll };

  // `options` outlives it. Errors (kUsage): no token, too many, one outside the vocabulary.
  TextRun(const Model& model, std::span<const TokenId> ids, const LensOptions& options);

  // Runs the text from its start; false where it was interrupted. After each pass, `after` is given
  // the pass's number of rows and their logits, where wanted.
  bool run(const nn::Tap& tap, Logits wanted,
           const std::function<void(std::size_t rows, Rows logits)>& after = {});

  // The position of the first row of the pass that is under way, or just over.
  std::size_t first() const { return first_; }
  std::size_t chunk() const { return chunk_; }  // rows of a pass at most
  Rows logits_of(ConstRows hidden) { return engine_.logits_of(hidden); }  // up to `chunk` rows

 private:
  std::span<const TokenId> ids_;
  const LensOptions& options_;
  std::size_t chunk_;
  std::size_t first_ = 0;
  std::vector<std::size_t> rows_;  // 0, 1, 2, ...
  Engine engine_;
  nn::KvCache cache_;
};

}  // namespace kinglet
