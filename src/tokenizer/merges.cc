#include "tokenizer/merges.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <tuple>

#include "base/text.h"

namespace kinglet {

namespace {

constexpr std::size_t kTogether = 32;  // merges that are looked up at the same time

}  // namespace

PairTable build_merges(const Vocabulary& vocabulary, const MergeList& list,
                       std::string_view inner_prefix, std::vector<std::string>& warnings) {
  PairTable table(list.size);
  std::string text, first_unknown;
  std::size_t unknown = 0, repeated = 0;
  std::array<std::string_view, 2 * kTogether> halves;
  std::array<TokenId, 2 * kTogether> ids;
  TokenId merged = -1;
  for (std::size_t first = 0; first < list.size; first += kTogether) {
    const std::size_t count = std::min(kTogether, list.size - first);
    for (std::size_t i = 0; i < count; ++i)
      std::tie(halves[2 * i], halves[2 * i + 1]) = list.pair(first + i);
    vocabulary.find_all(std::span(halves).first(2 * count), ids);
    for (std::size_t i = 0; i < count; ++i) table.expect(ids[2 * i], ids[2 * i + 1]);

    for (std::size_t i = 0; i < count; ++i) {
      const std::string_view right = halves[2 * i + 1];
      text.assign(halves[2 * i]);
      text += right.substr(right.starts_with(inner_prefix) ? inner_prefix.size() : 0);
      // Merges mostly stand in the order of the entries that they make.
      merged = vocabulary.find_near(text, merged + 1);
      const TokenId left_id = ids[2 * i], right_id = ids[2 * i + 1];
      const auto rank = static_cast<std::uint32_t>(first + i);
      if (left_id < 0 || right_id < 0 || merged < 0) {
        if (unknown++ == 0) first_unknown = text;
      } else if (!table.insert(left_id, right_id, {rank, merged})) {
        ++repeated;
      }
    }
  }
  if (unknown > 0)
    warnings.push_back(fmt::format("{} of {} merges are of tokens that the vocabulary lacks, the first {}; "
                                   "they are left out", unknown, list.size, quoted(first_unknown)));
  if (repeated > 0)
    warnings.push_back(fmt::format("{} merges stand there twice; the first counts", repeated));
  return table;
}

}  // namespace kinglet
