#pragma once

// The merge loop of byte pair encoding: of all neighbours that can merge, the lowest rank first, the
// leftmost of equal ranks; until none can.
//
// Short pieces are scanned for the minimum at each step. Long ones use a heap of (rank, place) whose
// entries are checked when taken: O(n log n), also for a megabyte of one letter.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "tokenizer/flat_hash.h"

namespace kinglet {

struct Symbol {
  TokenId id = -1;                   // -1: not in the vocabulary
  std::uint32_t begin = 0, end = 0;  // in the piece
  bool frozen = false;               // never merges
};

// The symbols of one piece; kept between pieces for its memory.
class Merger {
 public:
  void clear() { symbols_.clear(); }
  void add(const Symbol& symbol) { symbols_.push_back(symbol); }
  void extend_last(std::uint32_t end) { symbols_.back().end = end; }
  bool empty() const { return symbols_.empty(); }
  const std::vector<Symbol>& symbols() const { return symbols_; }

  // merge_of(left, right) -> Merge, whose rank is kNone where they do not merge.
  template <class MergeOf>
  void run(const MergeOf& merge_of) {
    if (symbols_.size() < 2) return;
    merges_.resize(symbols_.size() - 1);
    for (std::size_t i = 0; i + 1 < symbols_.size(); ++i)
      merges_[i] = merge_of(symbols_[i], symbols_[i + 1]);
    if (symbols_.size() <= kShort)
      run_short(merge_of);
    else
      run_long(merge_of);
  }

 private:
  static constexpr std::size_t kShort = 48;
  static constexpr std::uint32_t kEnd = 0xFFFFFFFF;

  template <class MergeOf>
  void run_short(const MergeOf& merge_of);
  template <class MergeOf>
  void run_long(const MergeOf& merge_of);

  std::vector<Symbol> symbols_;
  std::vector<Merge> merges_;  // [i]: of symbol i and the one after it
  std::vector<std::uint32_t> next_, previous_;
  std::vector<std::uint64_t> heap_;  // rank << 32 | place
};

template <class MergeOf>
void Merger::run_short(const MergeOf& merge_of) {
  Symbol* symbols = symbols_.data();
  Merge* merges = merges_.data();
  std::size_t pairs = merges_.size();
  while (pairs > 0) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < pairs; ++i)
      if (merges[i].rank < merges[best].rank) best = i;
    if (merges[best].rank == Merge::kNone) break;

    symbols[best].id = merges[best].id;
    symbols[best].end = symbols[best + 1].end;
    std::copy(symbols + best + 2, symbols + pairs + 1, symbols + best + 1);
    std::copy(merges + best + 1, merges + pairs, merges + best);
    --pairs;
    if (best < pairs) merges[best] = merge_of(symbols[best], symbols[best + 1]);
    if (best > 0) merges[best - 1] = merge_of(symbols[best - 1], symbols[best]);
  }
  symbols_.resize(pairs + 1);
}

template <class MergeOf>
void Merger::run_long(const MergeOf& merge_of) {
  const std::size_t count = symbols_.size();
  merges_.push_back({});  // the last symbol has no right neighbour
  next_.resize(count);
  previous_.resize(count);
  heap_.clear();
  const auto push = [&](std::size_t at) {
    if (merges_[at].rank == Merge::kNone) return;
    heap_.push_back(std::uint64_t{merges_[at].rank} << 32 | at);
  };
  for (std::size_t i = 0; i < count; ++i) {
    next_[i] = i + 1 < count ? static_cast<std::uint32_t>(i + 1) : kEnd;
    previous_[i] = i > 0 ? static_cast<std::uint32_t>(i - 1) : kEnd;
    push(i);
  }
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());

  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const auto rank = static_cast<std::uint32_t>(heap_.back() >> 32);
    const std::size_t at = heap_.back() & 0xFFFFFFFF;
    heap_.pop_back();
    if (merges_[at].rank != rank) continue;  // stale: this pair is no more

    const std::size_t right = next_[at];
    symbols_[at].id = merges_[at].id;
    symbols_[at].end = symbols_[right].end;
    symbols_[right].begin = symbols_[right].end;  // gone
    merges_[right].rank = Merge::kNone;
    next_[at] = next_[right];
    const auto update = [&](std::size_t place) {
      merges_[place] = next_[place] == kEnd ? Merge{} : merge_of(symbols_[place], symbols_[next_[place]]);
      const std::size_t before = heap_.size();
      push(place);
      if (heap_.size() > before) std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
    };
    if (next_[at] != kEnd) previous_[next_[at]] = static_cast<std::uint32_t>(at);
    update(at);
    if (previous_[at] != kEnd) update(previous_[at]);
  }

  std::size_t kept = 0;
  for (std::size_t i = 0; i != kEnd; i = next_[i]) symbols_[kept++] = symbols_[i];
  symbols_.resize(kept);
}

}  // namespace kinglet
