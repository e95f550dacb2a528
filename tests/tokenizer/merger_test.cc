#include "tokenizer/merger.h"

#include <gtest/gtest.h>

#include <random>

namespace kinglet {
namespace {

// By definition: of all neighbours that merge the lowest rank, the leftmost; again and again.
template <class MergeOf>
std::vector<TokenId> merged_by_definition(std::vector<Symbol> symbols, const MergeOf& merge_of) {
  while (true) {
    std::size_t best = symbols.size();
    Merge best_merge;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const Merge merge = merge_of(symbols[i], symbols[i + 1]);
      if (merge.rank >= best_merge.rank) continue;
      best = i;
      best_merge = merge;
    }
    if (best == symbols.size()) break;
    symbols[best].id = best_merge.id;
    symbols[best].end = symbols[best + 1].end;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  std::vector<TokenId> ids;
  for (const Symbol& symbol : symbols) ids.push_back(symbol.id);
  return ids;
}

std::vector<TokenId> ids_of(const Merger& merger) {
  std::vector<TokenId> ids;
  for (const Symbol& symbol : merger.symbols()) ids.push_back(symbol.id);
  return ids;
}

// Sizes around the border between the short and the long way (48), and far over it.
TEST(Merger, FollowsTheDefinitionAtEverySize) {
  std::mt19937 random(7);
  // Ids are sums of their parts; pairs merge at random, with few ranks, so that ties abound.
  for (const unsigned ranks : {1U, 3U, 50U}) {
    const auto merge_of = [&](const Symbol& left, const Symbol& right) -> Merge {
      const auto sum = static_cast<std::uint32_t>(left.id * 31 + right.id * 17);
      if (sum % 5 == 0 || left.id + right.id > 40) return {};
      return {sum % ranks, left.id + right.id};
    };
    Merger merger;
    for (const std::size_t size : {0, 1, 2, 3, 47, 48, 49, 50, 97, 300}) {
      for (int round = 0; round < 10; ++round) {
        std::vector<Symbol> symbols;
        for (std::uint32_t i = 0; i < size; ++i)
          symbols.push_back({static_cast<TokenId>(random() % 4 + 1), i, i + 1});
        merger.clear();
        for (const Symbol& symbol : symbols) merger.add(symbol);
        merger.run(merge_of);
        EXPECT_EQ(ids_of(merger), merged_by_definition(symbols, merge_of)) << size << " " << ranks;
      }
    }
  }
}

TEST(Merger, OneLetterFoldsInPairsFromTheLeft) {
  Merger merger;
  for (std::uint32_t i = 0; i < 101; ++i) merger.add({1, i, i + 1});
  merger.run([](const Symbol& left, const Symbol& right) -> Merge {
    if (left.id != right.id || left.id == 4) return {};
    return {static_cast<std::uint32_t>(left.id), left.id * 2};
  });
  std::vector<TokenId> want(25, 4);
  want.push_back(1);
  EXPECT_EQ(ids_of(merger), want);
}

}  // namespace
}  // namespace kinglet
