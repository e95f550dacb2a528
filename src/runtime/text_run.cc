#include "runtime/text_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "kinglet/error.h"
#include "runtime/cache_type.h"
#include "runtime/model_parts.h"

namespace kinglet {
namespace {

std::span<const TokenId> checked(const Model& model, std::span<const TokenId> ids, std::size_t context) {
  const std::size_t limit = context == 0 ? model.context() : context;
  if (ids.empty()) throw usage_error("the text is empty");
  if (ids.size() > limit) {
    throw usage_error(fmt::format("the text has {} tokens, the context {}", ids.size(), limit));
  }
  for (const TokenId id : ids) {
    if (id >= 0 && static_cast<std::size_t>(id) < model.vocabulary()) continue;
    throw usage_error("a token id is outside the vocabulary")
        .at("ids")
        .found(fmt::format("{}", id))
        .allowed(fmt::format("[0, {})", model.vocabulary()));
  }
  return ids;
}

}  // namespace

const nn::Shape& shape_of(const Model& model) { return model.parts().model->shape(); }

void check_below(std::size_t given, std::size_t count, std::string_view what) {
  if (given < count) return;
  throw usage_error(fmt::format("there is no such {}", what))
      .at(std::string(what))
      .found(fmt::format("{}", given))
      .allowed(fmt::format("[0, {})", count));
}

TextRun::TextRun(const Model& model, std::span<const TokenId> ids, const LensOptions& options)
    : ids_(checked(model, ids, options.context)),
      options_(options),
      chunk_(std::min(std::max<std::size_t>(options.chunk, 1), ids.size())),
      rows_(chunk_),
      engine_(*model.parts().model, options.threads, chunk_, chunk_),
      cache_(shape_of(model), ids.size(), cache_type(options.cache)) {
  std::iota(rows_.begin(), rows_.end(), std::size_t{0});
}

bool TextRun::run(const nn::Tap& tap, Logits wanted,
                  const std::function<void(std::size_t rows, Rows logits)>& after) {
  cache_.truncate(0);
  for (first_ = 0; first_ < ids_.size(); first_ += chunk_) {
    if (options_.is_interrupted && options_.is_interrupted()) return false;
    const std::size_t rows = std::min(chunk_, ids_.size() - first_);
    const nn::SequenceRows sequence = {&cache_, rows};
    const Rows logits = engine_.forward({.tokens = ids_.subspan(first_, rows),
                                         .vectors = {},
                                         .sequences = {&sequence, 1},
                                         .wanted = std::span(rows_).first(wanted == Logits::kAll ? rows : 0)},
                                        &tap);
    if (after) after(rows, logits);
  }
  return true;
}

}  // namespace kinglet
