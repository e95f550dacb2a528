#pragma once

// The merge loop of byte pair encoding: of all neighbours that can merge, the lowest rank first, the
// leftmost of equal ranks; until none can.
//
// Short pieces are scanned for the minimum at each step. Long ones keep the places of each rank in a
// queue, and the ranks in a heap; places are checked when taken: O(n log n), and nearly linear for a
// megabyte of one letter, whose ranks are few.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "tokenizer/flat_hash.h"

namespace kinglet {

struct Symbol {
  TokenId id = -1;                   // -1: not in the vocabulary
  std::uint32_t begin = 0, end = 0;  // in the piece
  bool frozen = false;               // never merges
};

// Pairs (rank, place), taken in order: the lowest rank, of these the leftmost place.
class RankQueue {
 public:
  struct Entry {
    std::uint32_t rank, place;
  };

  void clear() {
    ranks_.clear();
    group_of_.clear();
    groups_.clear();
  }
  void push(std::uint32_t rank, std::uint32_t place) {
    const auto [found, is_new] = group_of_.try_emplace(rank, groups_.size());
    if (is_new) groups_.emplace_back();
    Group& group = groups_[found->second];
    if (group.empty()) {
      ranks_.push_back(rank);
      std::push_heap(ranks_.begin(), ranks_.end(), std::greater<>());
    }
    group.push(place);
  }
  bool empty() const { return ranks_.empty(); }
  // The queue is not empty.
  Entry pop() {
    const std::uint32_t rank = ranks_.front();
    Group& group = groups_[group_of_.find(rank)->second];
    const std::uint32_t place = group.pop();
    if (group.empty()) {
      std::pop_heap(ranks_.begin(), ranks_.end(), std::greater<>());
      ranks_.pop_back();
    }
    return {rank, place};
  }

 private:
  // Most places come in order; those that do not wait in a heap of their own.
  class Group {
   public:
    bool empty() const { return taken_ == ordered_.size() && late_.empty(); }
    void push(std::uint32_t place) {
      if (taken_ == ordered_.size()) {
        ordered_.clear();
        taken_ = 0;
      }
      if (ordered_.empty() || place >= ordered_.back()) {
        ordered_.push_back(place);
      } else {
        late_.push_back(place);
        std::push_heap(late_.begin(), late_.end(), std::greater<>());
      }
    }
    std::uint32_t pop() {
      const bool from_late =
          !late_.empty() && (taken_ == ordered_.size() || late_.front() < ordered_[taken_]);
      if (!from_late) return ordered_[taken_++];
      const std::uint32_t place = late_.front();
      std::pop_heap(late_.begin(), late_.end(), std::greater<>());
      late_.pop_back();
      return place;
    }

   private:
    std::vector<std::uint32_t> ordered_, late_;
    std::size_t taken_ = 0;
  };

  std::vector<std::uint32_t> ranks_;  // a heap of those whose groups are not empty
  std::unordered_map<std::uint32_t, std::size_t> group_of_;
  std::vector<Group> groups_;
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
  RankQueue queue_;
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
  queue_.clear();
  const auto push = [&](std::uint32_t at) {
    if (merges_[at].rank != Merge::kNone) queue_.push(merges_[at].rank, at);
  };
  for (std::uint32_t i = 0; i < count; ++i) {
    next_[i] = i + 1 < count ? i + 1 : kEnd;
    previous_[i] = i > 0 ? i - 1 : kEnd;
    push(i);
  }

  while (!queue_.empty()) {
    const auto [rank, at] = queue_.pop();
    if (merges_[at].rank != rank) continue;  // stale: this pair is no more

    const std::uint32_t right = next_[at];
    symbols_[at].id = merges_[at].id;
    symbols_[at].end = symbols_[right].end;
    merges_[right].rank = Merge::kNone;
    next_[at] = next_[right];
    if (next_[at] != kEnd) previous_[next_[at]] = at;
    const auto update = [&](std::uint32_t place) {
      merges_[place] = next_[place] == kEnd ? Merge{} : merge_of(symbols_[place], symbols_[next_[place]]);
      push(place);
    };
    update(at);
    if (previous_[at] != kEnd) update(previous_[at]);
  }

  std::size_t kept = 0;
  for (std::size_t i = 0; i != kEnd; i = next_[i]) symbols_[kept++] = symbols_[i];
  symbols_.resize(kept);
}

}  // namespace kinglet
