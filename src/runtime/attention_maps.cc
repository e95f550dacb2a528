// Where each head of each layer looks.

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/checked.h"
#include "io/npy.h"
#include "kinglet/error.h"
#include "kinglet/lens.h"
#include "runtime/text_run.h"

namespace kinglet {
namespace {

std::vector<std::size_t> chosen(std::optional<std::size_t> choice, std::size_t count, std::string_view what) {
  if (choice) {
    check_below(*choice, count, what);
    return {*choice};
  }
  std::vector<std::size_t> all(count);
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

// Of all maps. Errors (kUsage): more than a vector can hold.
std::size_t size_of(const AttentionMaps& maps) {
  const auto rows = checked_multiply(maps.layers.size() * maps.heads.size(), maps.tokens);
  const auto size = rows ? checked_multiply(*rows, maps.tokens) : std::nullopt;
  if (!size || *size > std::vector<float>().max_size()) {
    throw usage_error(fmt::format("{} attention maps of {} tokens are too many: choose a layer or a head",
                                  maps.layers.size() * maps.heads.size(), maps.tokens));
  }
  return *size;
}

}  // namespace

std::optional<AttentionMaps> attention_maps(const Model& model, std::span<const TokenId> ids,
                                            const HeadChoice& choice, const LensOptions& options) {
  AttentionMaps maps = {.layers = chosen(choice.layer, shape_of(model).layers, "layer"),
                        .heads = chosen(choice.head, shape_of(model).heads, "head"),
                        .tokens = ids.size(),
                        .weights = {}};
  TextRun text(model, ids, options);
  maps.weights.resize(size_of(maps));
  nn::Tap tap;
  tap.see_attention = [&](int layer, std::size_t row, ConstRows probabilities) {
    const auto at = std::find(maps.layers.begin(), maps.layers.end(), static_cast<std::size_t>(layer));
    if (at == maps.layers.end()) return;
    const auto layer_index = static_cast<std::size_t>(at - maps.layers.begin());
    for (std::size_t i = 0; i < maps.heads.size(); ++i) {
      const std::span<const float> seen = maps.row(layer_index, i, text.first() + row);
      std::copy_n(probabilities.row(maps.heads[i]), probabilities.width,
                  maps.weights.begin() + (seen.data() - maps.weights.data()));
    }
  };
  if (!text.run(tap, TextRun::Logits::kNone)) return std::nullopt;
  return maps;
}

void write_npy(const AttentionMaps& maps, const std::filesystem::path& path) {
  const std::uint64_t shape[] = {maps.layers.size(), maps.heads.size(), maps.tokens, maps.tokens};
  io::write_npy(path, shape, maps.weights);
}

}  // namespace kinglet
