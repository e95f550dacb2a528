#pragma once

// A model of which one block is in memory at a time: for a walk over a text layer by layer, with models
// that would not fit, or several at once. The results are those of the whole model, to the bit.

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "arch/model.h"
#include "kinglet/tokenizer.h"
#include "nn/kv_cache.h"
#include "runtime/engine.h"
#include "tensor/metadata.h"
#include "tensor/source.h"

namespace kinglet {

class StreamedModel {
 public:
  // For texts of up to `tokens` tokens. `config` and `tensors` outlive it. Errors (kRefused): as bind_model().
  StreamedModel(const Metadata& config, const TensorSource& tensors, std::size_t threads, std::size_t tokens);
  ~StreamedModel();

  const nn::Shape& shape() const { return shape_; }

  // What the first block receives: (T, D), row-major. Ids are in [0, V).
  std::vector<float> embed(std::span<const TokenId> tokens) const;

  // The tensors of one block (then forward() runs it), or of the final norm and head (then logits() does).
  // What was loaded before is gone. `replaced`: tensors that stand for those of the same names.
  // Errors (kRefused): a tensor is missing or does not fit.
  void load_block(std::size_t layer, const TensorSource* replaced = nullptr);
  void load_head(const TensorSource* replaced = nullptr);

  // Called with each activation of the block by its name (nn/tap.h). Must not throw.
  using See = std::function<void(std::string_view name, ConstRows rows)>;

  // A text from its start through the block, in place: (T, D).
  void forward(Rows hidden, const See& see = {});
  // (W, V) of hidden states after the last block; valid until the next call. W: at most kLogitRows.
  static constexpr std::size_t kLogitRows = 32;
  Rows logits(ConstRows hidden);

 private:
  class Part;
  void bind(std::unique_ptr<Part> part);

  const Metadata& config_;
  const TensorSource& tensors_;
  std::size_t threads_, tokens_;
  nn::Shape shape_;
  std::unique_ptr<const Part> part_;
  std::unique_ptr<const arch::Model> model_;
  std::optional<nn::KvCache> cache_;
  std::optional<Engine> engine_;
};

}  // namespace kinglet
