// What each layer would predict, if it were the last.

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <string_view>

#include "kinglet/error.h"
#include "base/finite.h"
#include "kinglet/lens.h"
#include "runtime/digest.h"
#include "runtime/distribution.h"
#include "runtime/text_run.h"

namespace kinglet {
namespace {

// Hidden states of some positions, (L + 1, positions of a pass, D), as the passes come by.
class HiddenStates {
 public:
  HiddenStates(const nn::Shape& shape, std::size_t rows)
      : width_(shape.width), rows_(rows), values_((shape.layers + 1) * rows * shape.width) {}

  // The rows of the pass that are kept, ascending.
  std::vector<std::size_t> kept;

  void see(const nn::Activation& activation, ConstRows hidden) {
    const bool is_embedding = std::string_view(activation.name) == "embed";
    if (!is_embedding && std::string_view(activation.name) != "out") return;
    const Rows to = of(is_embedding ? 0 : static_cast<std::size_t>(activation.layer) + 1);
    for (std::size_t i = 0; i < kept.size(); ++i) std::copy_n(hidden.row(kept[i]), width_, to.row(i));
  }

  // row: 0 is the embedding.
  Rows of(std::size_t row) { return {values_.data() + row * rows_ * width_, kept.size(), width_, width_}; }

 private:
  std::size_t width_, rows_;
  std::vector<float> values_;
};

std::vector<Guess> best(std::span<const float> logits, const Distribution& distribution, std::size_t count) {
  std::vector<TokenId> ids(logits.size());
  std::iota(ids.begin(), ids.end(), TokenId{0});
  const auto logit = [&](TokenId id) { return logits[static_cast<std::size_t>(id)]; };
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count), ids.end(),
                    [&](TokenId a, TokenId b) { return logit(a) != logit(b) ? logit(a) > logit(b) : a < b; });
  std::vector<Guess> guesses;
  for (const TokenId id : std::span(ids).first(count)) {
    guesses.push_back({id, distribution.log_probability(id)});
  }
  return guesses;
}

void check_positions(std::span<const std::size_t> positions, std::size_t tokens) {
  for (const std::size_t position : positions) check_below(position, tokens, "position");
  if (positions.empty()) throw usage_error("no position to look at");
  if (std::adjacent_find(positions.begin(), positions.end(), std::greater_equal<>()) == positions.end()) return;
  throw usage_error("positions are not in ascending order");
}

// Fills in what the rows of one pass predict, the last layer first: after the text's last token the
// next one is what that layer says.
class Reader {
 public:
  Reader(std::span<const TokenId> ids, std::size_t top, LogitLens& lens) : ids_(ids), top_(top), lens_(lens) {}

  // Positions [index, index + hidden.kept.size()) of the lens.
  void read(std::size_t index, HiddenStates& hidden, TextRun& text) {
    for (std::size_t row = lens_.layers + 1; row-- > 0;) {
      const Rows logits = text.logits_of(hidden.of(row));
      for (std::size_t i = 0; i < logits.count; ++i) read_one(index + i, row, logits.span(i));
    }
  }

  std::string digest() { return digest_.finish(); }

 private:
  void read_one(std::size_t index, std::size_t row, std::span<const float> logits) {
    const std::size_t position = lens_.positions[index];
    if (!all_finite(logits)) {
      throw runtime_error(fmt::format("logits are not finite at position {} ({})", position,
                                      row == 0 ? "of the embedding" : fmt::format("of layer {}", row - 1)));
    }
    const Distribution distribution(logits);
    Reading& reading = lens_.readings[index * (lens_.layers + 1) + row];
    reading.top = best(logits, distribution, top_);
    reading.entropy = distribution.entropy();
    if (row == lens_.layers) {
      digest_.add(logits);
      lens_.next[index] = position + 1 < ids_.size() ? ids_[position + 1] : reading.top.front().id;
    }
    reading.rank = distribution.rank(lens_.next[index]);
    reading.log_probability = distribution.log_probability(lens_.next[index]);
  }

  std::span<const TokenId> ids_;
  std::size_t top_;
  LogitLens& lens_;
  LogitsDigest digest_;
};

}  // namespace

std::optional<LogitLens> logit_lens(const Model& model, std::span<const TokenId> ids,
                                    std::span<const std::size_t> positions, std::size_t top,
                                    const LensOptions& options) {
  check_positions(positions, ids.size());
  if (top < 1 || top > model.vocabulary()) {
    throw usage_error("so many tokens cannot be shown")
        .at("top")
        .found(fmt::format("{}", top))
        .allowed(fmt::format("[1, {}]", model.vocabulary()));
  }
  const nn::Shape& shape = shape_of(model);
  LogitLens lens = {.layers = shape.layers,
                    .positions = {positions.begin(), positions.end()},
                    .next = std::vector<TokenId>(positions.size()),
                    .readings = std::vector<Reading>(positions.size() * (shape.layers + 1)),
                    .digest = {}};
  // What comes after the last position changes nothing.
  TextRun text(model, ids.first(positions.back() + 1), options);
  HiddenStates hidden(shape, std::min(text.chunk(), positions.size()));
  Reader reader(ids, top, lens);
  std::size_t done = 0;  // of the positions
  const auto keep_rows_from = [&](std::size_t first) {
    hidden.kept.clear();
    for (std::size_t i = done; i < positions.size() && positions[i] < first + text.chunk(); ++i) {
      hidden.kept.push_back(positions[i] - first);
    }
  };
  nn::Tap tap;
  tap.see = [&](const nn::Activation& activation, Rows rows) { hidden.see(activation, rows); };
  keep_rows_from(0);
  const bool is_whole = text.run(tap, TextRun::Logits::kNone, [&](std::size_t, Rows) {
    if (!hidden.kept.empty()) reader.read(done, hidden, text);
    done += hidden.kept.size();
    keep_rows_from(text.first() + text.chunk());
  });
  if (!is_whole) return std::nullopt;
  lens.digest = reader.digest();
  return lens;
}

}  // namespace kinglet
