#pragma once

// A vocabulary's list of merges, as a table by pairs.

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/flat_hash.h"
#include "tokenizer/vocabulary.h"

namespace kinglet {

struct MergeList {
  std::size_t size = 0;
  std::function<std::pair<std::string_view, std::string_view>(std::size_t)> pair;  // of a rank
};

// The merge of "a" and "b" gives the entry "ab", less `inner_prefix` ("##") of "b". Merges of or to
// texts that are no entries are left out, with a warning that counts them.
PairTable build_merges(const Vocabulary& vocabulary, const MergeList& list,
                       std::string_view inner_prefix, std::vector<std::string>& warnings);

}  // namespace kinglet
