#pragma once

// Attention of some query heads over one key/value head of the cache (numerics contract, rule 4).
//
// Key positions go in chunks of 128 at absolute multiples of 128. A chunk gives, per query, its
// largest score, the sum of its exponentials and its weighted sum of values; chunks are merged in
// ascending order (the online softmax of arXiv:1805.02867). Positions outside a query's range are
// skipped, never added as -infinity. Prefill and decode are this same function.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/cached.h"
#include "kernels/lanes.h"
#include "kernels/rows.h"
#include "kernels/table.h"

namespace kinglet::kernels {

// Positions (or panels of them) [begin, end).
struct Positions {
  std::size_t begin = 0, end = 0;
};

inline Positions overlap(const Positions& a, const Positions& b) {
  return {std::max(a.begin, b.begin), std::min(a.end, b.end)};
}

template <class L, class Cached>
void store_key_value(const float* key, const float* value, std::size_t head_width,
                     std::size_t position, std::byte* keys, std::byte* values) noexcept {
  Cached::template store_key<L>(key, head_width, position % kKeyPanel,
                                keys + position / kKeyPanel * Cached::key_panel_bytes(head_width));
  Cached::template store_value<L>(value, head_width, values + position * Cached::value_row_bytes(head_width));
}

// How many queries are taken together: 8, 4, 3, 2, 1. A level's registers hold L::kLanesInFlight
// sums; with fewer queries than that, each has several sums running, so that the multiply-add's
// latency is covered.
constexpr std::size_t fewer(std::size_t count) { return count > 4 ? 4 : count - 1; }
template <class L>
constexpr std::size_t sums_per_query(std::size_t queries) {
  return std::max<std::size_t>(1, L::kLanesInFlight / queries);
}

// scores[q][p - 16 * panel] for the positions of kPanels key panels and kQueries queries.
template <class L, class Cached, std::size_t kQueries, std::size_t kPanels>
inline void score_panels(const Attend& call, std::size_t first, std::size_t panel,
                         float (*scores)[kChunk]) {
  const std::size_t panel_bytes = Cached::key_panel_bytes(call.head_width);
  const std::byte* keys = call.keys + panel * panel_bytes;
  Lanes<L> dot[kQueries][kPanels];
#pragma GCC unroll 8
  for (auto& row : dot) {
#pragma GCC unroll 8
    for (Lanes<L>& value : row) value = Lanes<L>::broadcast(0.0f);
  }
  for (std::size_t begin = 0; begin < call.head_width; begin += Cached::kScaled) {
    typename Cached::template Scale<L> scale[kPanels];
#pragma GCC unroll 8
    for (std::size_t p = 0; p < kPanels; ++p) {
      scale[p] = Cached::template key_scale<L>(keys + p * panel_bytes, begin);
    }
    const std::size_t end = std::min(begin + Cached::kScaled, call.head_width);
    for (std::size_t i = begin; i < end; ++i) {
      Lanes<L> key[kPanels];
#pragma GCC unroll 8
      for (std::size_t p = 0; p < kPanels; ++p) {
        key[p] = Cached::template key<L>(keys + p * panel_bytes, i, scale[p]);
      }
#pragma GCC unroll 8
      for (std::size_t q = 0; q < kQueries; ++q) {
        const Lanes<L> x = Lanes<L>::broadcast(call.queries[first + q].q[i]);
#pragma GCC unroll 8
        for (std::size_t p = 0; p < kPanels; ++p) dot[q][p] = fma(x, key[p], dot[q][p]);
      }
    }
  }
  const Lanes<L> scale = Lanes<L>::broadcast(call.scale);
  const std::size_t column = panel * kKeyPanel % kChunk;
#pragma GCC unroll 8
  for (std::size_t q = 0; q < kQueries; ++q) {
#pragma GCC unroll 8
    for (std::size_t p = 0; p < kPanels; ++p) {
      (dot[q][p] * scale).store(scores[first + q] + column + p * kKeyPanel);
    }
  }
}

// The queries from `first` on over some key panels of a chunk.
template <class L, class Cached, std::size_t kQueries>
inline void score_chunk(const Attend& call, std::size_t first, Positions panels,
                        float (*scores)[kChunk]) {
  constexpr std::size_t kPanels = sums_per_query<L>(kQueries);
  for (; first + kQueries <= call.count; first += kQueries) {
    std::size_t panel = panels.begin;
    for (; panel + kPanels <= panels.end; panel += kPanels) {
      score_panels<L, Cached, kQueries, kPanels>(call, first, panel, scores);
    }
    for (; panel < panels.end; ++panel) score_panels<L, Cached, kQueries, 1>(call, first, panel, scores);
  }
  if constexpr (kQueries > 1) score_chunk<L, Cached, fewer(kQueries)>(call, first, panels, scores);
}

// A head's dimensions with the padding of its values.
inline std::size_t padded(std::size_t head_width) { return round_up(head_width, kLaneCount); }

// What a query has gathered so far, and what one chunk adds.
struct Partial {
  float top = 0;    // the largest score
  float total = 0;  // sum of exp(score - top)
};

// Turns positions [begin, end) of a chunk's scores into exp(score - top); the others become 0.
template <class L>
inline Partial exponentials(float* scores, std::size_t begin, std::size_t end) {
  for (std::size_t i = begin / kLaneCount * kLaneCount; i < begin; ++i) scores[i] = -INFINITY;
  const std::size_t last = (end + kLaneCount - 1) / kLaneCount * kLaneCount;
  for (std::size_t i = end; i < last; ++i) scores[i] = -INFINITY;

  Lanes<L> top = Lanes<L>::broadcast(-INFINITY);
  for (std::size_t i = begin / kLaneCount * kLaneCount; i < last; i += kLaneCount) {
    top = maximum(top, Lanes<L>::load(scores + i));
  }
  Partial chunk;
  chunk.top = largest(top);
  const Lanes<L> shift = Lanes<L>::broadcast(chunk.top);
  Lanes<L> total = Lanes<L>::broadcast(0.0f);
  for (std::size_t i = begin / kLaneCount * kLaneCount; i < last; i += kLaneCount) {
    const Lanes<L> power = exp(Lanes<L>::load(scores + i) - shift);
    power.store(scores + i);
    total = total + power;
  }
  chunk.total = sum(total);
  return chunk;
}

// mixed[q] = sum over `positions` of probs[q][p] * value(p), going on from what `mixed` holds, for
// kQueries queries and 16 * kGroups dimensions from `at` on.
template <class L, class Cached, std::size_t kQueries, std::size_t kGroups>
inline void mix_dimensions(const Attend& call, std::size_t first, const Positions& positions,
                           std::size_t at, const float (*probs)[kChunk],
                           float (*mixed)[kMaxHeadWidth]) {
  const std::size_t row_bytes = Cached::value_row_bytes(call.head_width);
  Lanes<L> acc[kQueries][kGroups];
#pragma GCC unroll 8
  for (std::size_t q = 0; q < kQueries; ++q) {
#pragma GCC unroll 8
    for (std::size_t g = 0; g < kGroups; ++g) {
      acc[q][g] = Lanes<L>::load(mixed[first + q] + at + g * kLaneCount);
    }
  }
  for (std::size_t p = positions.begin; p < positions.end; ++p) {
    Lanes<L> value[kGroups];
#pragma GCC unroll 8
    for (std::size_t g = 0; g < kGroups; ++g) {
      value[g] = Cached::template value<L>(call.values + p * row_bytes, at + g * kLaneCount, call.head_width);
    }
#pragma GCC unroll 8
    for (std::size_t q = 0; q < kQueries; ++q) {
      const Lanes<L> prob = Lanes<L>::broadcast(probs[first + q][p % kChunk]);
#pragma GCC unroll 8
      for (std::size_t g = 0; g < kGroups; ++g) acc[q][g] = fma(prob, value[g], acc[q][g]);
    }
  }
#pragma GCC unroll 8
  for (std::size_t q = 0; q < kQueries; ++q) {
#pragma GCC unroll 8
    for (std::size_t g = 0; g < kGroups; ++g) {
      acc[q][g].store(mixed[first + q] + at + g * kLaneCount);
    }
  }
}

// All dimensions from `at` on, in groups of kGroups x 16, then of fewer.
template <class L, class Cached, std::size_t kQueries, std::size_t kGroups>
inline void mix_values(const Attend& call, std::size_t first, const Positions& positions, std::size_t at,
                       const float (*probs)[kChunk], float (*mixed)[kMaxHeadWidth]) {
  for (; at + kGroups * kLaneCount <= padded(call.head_width); at += kGroups * kLaneCount) {
    mix_dimensions<L, Cached, kQueries, kGroups>(call, first, positions, at, probs, mixed);
  }
  if constexpr (kGroups > 1) {
    mix_values<L, Cached, kQueries, fewer(kGroups)>(call, first, positions, at, probs, mixed);
  }
}

// The queries from `first` on over positions that they share.
template <class L, class Cached, std::size_t kQueries>
inline void mix_shared(const Attend& call, std::size_t first, const Positions& positions,
                       const float (*probs)[kChunk], float (*mixed)[kMaxHeadWidth]) {
  for (; first + kQueries <= call.count; first += kQueries) {
    mix_values<L, Cached, kQueries, sums_per_query<L>(kQueries)>(call, first, positions, 0, probs, mixed);
  }
  if constexpr (kQueries > 1) {
    mix_shared<L, Cached, fewer(kQueries)>(call, first, positions, probs, mixed);
  }
}

// One chunk's weighted sums of values. Positions that all queries see are taken together; those at
// the ends that only some see, query by query, so that a position outside a query's range is never
// touched for it.
template <class L, class Cached>
inline void mix_chunk(const Attend& call, const Positions& chunk, const float (*probs)[kChunk],
                      float (*mixed)[kMaxHeadWidth]) {
  constexpr std::size_t kGroups = sums_per_query<L>(1);
  Positions shared = chunk;
  for (std::size_t q = 0; q < call.count; ++q) {
    shared = overlap(shared, {call.queries[q].begin, call.queries[q].end});
    std::fill_n(mixed[q], padded(call.head_width), 0.0f);
  }
  const bool none_shared = shared.begin >= shared.end;
  if (none_shared) shared = {chunk.end, chunk.end};

  for (std::size_t q = 0; q < call.count; ++q) {
    const Positions before = overlap({call.queries[q].begin, call.queries[q].end},
                                     {chunk.begin, shared.begin});
    if (before.begin < before.end) mix_values<L, Cached, 1, kGroups>(call, q, before, 0, probs, mixed);
  }
  if (none_shared) return;
  mix_shared<L, Cached, L::kQueries>(call, 0, shared, probs, mixed);
  for (std::size_t q = 0; q < call.count; ++q) {
    const Positions after = overlap({call.queries[q].begin, call.queries[q].end},
                                    {shared.end, chunk.end});
    if (after.begin < after.end) mix_values<L, Cached, 1, kGroups>(call, q, after, 0, probs, mixed);
  }
}

// Adds a chunk (its largest score and sum in `chunk`, its values in `mixed`) to what the query has.
template <class L>
inline void merge(const Partial& chunk, const float* mixed, std::size_t width, Partial& sofar,
                  float* acc) {
  const float top = sofar.top < chunk.top ? chunk.top : sofar.top;
  const float differences[2] = {sofar.top - top, chunk.top - top};
  float factors[kLaneCount];
  exp(load_first<L>(differences, 2, 0.0f)).store(factors);
  const Lanes<L> a = Lanes<L>::broadcast(factors[0]), b = Lanes<L>::broadcast(factors[1]);

  float sums[kLaneCount];
  fma(Lanes<L>::broadcast(sofar.total), a, Lanes<L>::broadcast(chunk.total) * b).store(sums);
  for (std::size_t i = 0; i < width; i += kLaneCount) {
    fma(Lanes<L>::load(acc + i), a, Lanes<L>::load(mixed + i) * b).store(acc + i);
  }
  sofar = {top, sums[0]};
}

// The positions that any of the queries sees.
inline Positions covered(const Attend& call) {
  Positions all = {call.queries[0].begin, call.queries[0].end};
  for (std::size_t q = 1; q < call.count; ++q) {
    all = {std::min(all.begin, call.queries[q].begin), std::max(all.end, call.queries[q].end)};
  }
  return all;
}

inline Positions panels_of(const Positions& positions) {
  return {positions.begin / kKeyPanel, (positions.end + kKeyPanel - 1) / kKeyPanel};
}

template <class L, class Cached>
void attend(const Attend& call) noexcept {
  alignas(64) float scores[kMaxQueries][kChunk];
  alignas(64) float mixed[kMaxQueries][kMaxHeadWidth];
  alignas(64) float acc[kMaxQueries][kMaxHeadWidth];
  Partial sofar[kMaxQueries];

  const Positions all = covered(call);
  for (std::size_t base = all.begin / kChunk * kChunk; base < all.end; base += kChunk) {
    const Positions chunk = overlap(all, {base, base + kChunk});
    score_chunk<L, Cached, L::kQueries>(call, 0, panels_of(chunk), scores);

    Partial partial[kMaxQueries];
    for (std::size_t q = 0; q < call.count; ++q) {
      const Positions own = overlap(chunk, {call.queries[q].begin, call.queries[q].end});
      if (own.begin < own.end) {
        partial[q] = exponentials<L>(scores[q], own.begin - base, own.end - base);
      }
    }
    mix_chunk<L, Cached>(call, chunk, scores, mixed);

    for (std::size_t q = 0; q < call.count; ++q) {
      const Query& query = call.queries[q];
      if (query.begin >= chunk.end || query.end <= chunk.begin) continue;
      if (query.begin >= base) {  // the query's first chunk is taken as it is
        sofar[q] = partial[q];
        std::copy_n(mixed[q], padded(call.head_width), acc[q]);
      } else {
        merge<L>(partial[q], mixed[q], padded(call.head_width), sofar[q], acc[q]);
      }
    }
  }
  for (std::size_t q = 0; q < call.count; ++q) {
    const Lanes<L> total = Lanes<L>::broadcast(sofar[q].total);
    for (std::size_t i = 0; i < call.head_width; i += kLaneCount) {
      store_part(Lanes<L>::load(acc[q] + i) / total, call.queries[q].out + i,
                 std::min(kLaneCount, call.head_width - i));
    }
  }
}

// What the first query's attention weights are: exp(score - top) / total with the largest score and
// the sum that attend() ends with. For looking inside only; attend() never forms them.
template <class L, class Cached>
void probabilities(const Attend& call, float* probs) noexcept {
  alignas(64) float scores[kMaxQueries][kChunk];
  alignas(64) float nothing[kLaneCount];
  Partial sofar;
  const Positions all = {call.queries[0].begin, call.queries[0].end};
  for (std::size_t base = all.begin / kChunk * kChunk; base < all.end; base += kChunk) {
    const Positions chunk = overlap(all, {base, base + kChunk});
    score_chunk<L, Cached, 1>(call, 0, panels_of(chunk), scores);
    std::copy(scores[0] + (chunk.begin - base), scores[0] + (chunk.end - base),
              probs + chunk.begin);
    const Partial partial = exponentials<L>(scores[0], chunk.begin - base, chunk.end - base);
    if (all.begin >= base) {
      sofar = partial;
    } else {
      merge<L>(partial, nothing, 0, sofar, nothing);
    }
  }
  const Lanes<L> top = Lanes<L>::broadcast(sofar.top), total = Lanes<L>::broadcast(sofar.total);
  for_each_lanes<L>(probs + all.begin, all.end - all.begin, 0.0f,
                    [&](const Lanes<L>& score, std::size_t i, std::size_t count) {
                      store_part(exp(score - top) / total, probs + all.begin + i, count);
                    });
}

}  // namespace kinglet::kernels
