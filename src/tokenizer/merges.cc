#include "tokenizer/merges.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace kinglet {

PairTable build_merges(const Vocabulary& vocabulary, const MergeList& list,
                       std::string_view inner_prefix, std::vector<std::string>& warnings) {
  PairTable table(list.size);
  std::string text, first_unknown;
  std::size_t unknown = 0, repeated = 0;
  for (std::size_t rank = 0; rank < list.size; ++rank) {
    const auto [left, right] = list.pair(rank);
    text.assign(left);
    text += right.substr(right.starts_with(inner_prefix) ? inner_prefix.size() : 0);
    const TokenId left_id = vocabulary.find(left), right_id = vocabulary.find(right);
    const TokenId merged = vocabulary.find(text);
    if (left_id < 0 || right_id < 0 || merged < 0) {
      if (unknown++ == 0) first_unknown = text;
    } else if (!table.insert(left_id, right_id, {static_cast<std::uint32_t>(rank), merged})) {
      ++repeated;
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
