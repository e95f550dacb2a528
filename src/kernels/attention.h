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
#include <type_traits>

#include "kernels/lanes.h"
#include "kernels/rows.h"
#include "kernels/table.h"

namespace kinglet::kernels {

template <class L>
inline Lanes<L> load_cached(const float* from) {
  return Lanes<L>::load(from);
}
template <class L>
inline Lanes<L> load_cached(const std::uint16_t* from) {
  return Lanes<L>::load_half(from);
}
template <class L>
inline void store_cached(const Lanes<L>& x, float* to) {
  x.store(to);
}
// Beyond the range of f16 the largest finite value stands; NaN stays.
template <class L>
inline void store_cached(const Lanes<L>& x, std::uint16_t* to) {
  const Lanes<L> limit = Lanes<L>::broadcast(65504.0f);
  const Lanes<L> capped = select_less(limit, x, limit, x);
  select_less(capped, negative(limit), negative(limit), capped).store_half(to);
}

// Positions (or panels of them) [begin, end).
struct Positions {
  std::size_t begin = 0, end = 0;
};

inline Positions overlap(const Positions& a, const Positions& b) {
  return {std::max(a.begin, b.begin), std::min(a.end, b.end)};
}

// Keys are interleaved by 16 positions, (S / 16, d, 16), so that a score's lanes are positions and
// its sum runs along d; values lie in plain rows, so that lanes are dimensions.
template <class L, class Cached>
void store_key_value(const float* key, const float* value, std::size_t head_width,
                     std::size_t position, void* keys, void* values,
                     std::size_t value_stride) noexcept {
  Cached* panel = static_cast<Cached*>(keys) + position / kKeyPanel * kKeyPanel * head_width +
                  position % kKeyPanel;
  Cached* row = static_cast<Cached*>(values) + position * value_stride;
  for (std::size_t i = 0; i < head_width; i += kLaneCount) {
    const std::size_t count = std::min(kLaneCount, head_width - i);
    Cached rounded[kLaneCount];
    store_cached(load_first<L>(key + i, count, 0.0f), rounded);
    for (std::size_t j = 0; j < count; ++j) panel[(i + j) * kKeyPanel] = rounded[j];
    store_cached(load_first<L>(value + i, count, 0.0f), row + i);
  }
}

// scores[q][p - 16 * panel] for the positions of one key panel and kQueries queries.
template <class L, class Cached, std::size_t kQueries>
inline void score_panel(const Attend& call, std::size_t first, std::size_t panel,
                        float (*scores)[kChunk]) {
  const Cached* keys =
      static_cast<const Cached*>(call.keys) + panel * kKeyPanel * call.head_width;
  Lanes<L> dot[kQueries];
#pragma GCC unroll 8
  for (Lanes<L>& value : dot) value = Lanes<L>::broadcast(0.0f);
  for (std::size_t i = 0; i < call.head_width; ++i) {
    const Lanes<L> key = load_cached<L>(keys + i * kKeyPanel);
#pragma GCC unroll 8
    for (std::size_t q = 0; q < kQueries; ++q) {
      dot[q] = fma(Lanes<L>::broadcast(call.queries[first + q].q[i]), key, dot[q]);
    }
  }
  const Lanes<L> scale = Lanes<L>::broadcast(call.scale);
  const std::size_t column = panel * kKeyPanel % kChunk;
#pragma GCC unroll 8
  for (std::size_t q = 0; q < kQueries; ++q) (dot[q] * scale).store(scores[first + q] + column);
}

// All queries' scores over some key panels of a chunk, in groups of 8, 4, 2, 1.
template <class L, class Cached, std::size_t kQueries>
inline void score_chunk(const Attend& call, std::size_t first, Positions panels,
                        float (*scores)[kChunk]) {
  for (; first + kQueries <= call.count; first += kQueries) {
    for (std::size_t panel = panels.begin; panel < panels.end; ++panel) {
      score_panel<L, Cached, kQueries>(call, first, panel, scores);
    }
  }
  if constexpr (kQueries > 1) score_chunk<L, Cached, kQueries / 2>(call, first, panels, scores);
}

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
// kQueries queries, 16 dimensions at a time.
template <class L, class Cached, std::size_t kQueries>
inline void mix_values(const Attend& call, std::size_t first, const Positions& positions,
                       const float (*probs)[kChunk], float (*mixed)[kMaxHeadWidth]) {
  for (std::size_t i = 0; i < call.value_stride; i += kLaneCount) {
    const Cached* values = static_cast<const Cached*>(call.values) + i;
    Lanes<L> acc[kQueries];
#pragma GCC unroll 8
    for (std::size_t q = 0; q < kQueries; ++q) acc[q] = Lanes<L>::load(mixed[first + q] + i);
    for (std::size_t p = positions.begin; p < positions.end; ++p) {
      const Lanes<L> value = load_cached<L>(values + p * call.value_stride);
#pragma GCC unroll 8
      for (std::size_t q = 0; q < kQueries; ++q) {
        acc[q] = fma(Lanes<L>::broadcast(probs[first + q][p % kChunk]), value, acc[q]);
      }
    }
#pragma GCC unroll 8
    for (std::size_t q = 0; q < kQueries; ++q) acc[q].store(mixed[first + q] + i);
  }
}

// All queries over positions that they share, in groups of 8, 4, 2, 1.
template <class L, class Cached, std::size_t kQueries>
inline void mix_shared(const Attend& call, std::size_t first, const Positions& positions,
                       const float (*probs)[kChunk], float (*mixed)[kMaxHeadWidth]) {
  for (; first + kQueries <= call.count; first += kQueries) {
    mix_values<L, Cached, kQueries>(call, first, positions, probs, mixed);
  }
  if constexpr (kQueries > 1) {
    mix_shared<L, Cached, kQueries / 2>(call, first, positions, probs, mixed);
  }
}

// One chunk's weighted sums of values. Positions that all queries see are taken together; those at
// the ends that only some see, query by query, so that a position outside a query's range is never
// touched for it.
template <class L, class Cached>
inline void mix_chunk(const Attend& call, const Positions& chunk, const float (*probs)[kChunk],
                      float (*mixed)[kMaxHeadWidth]) {
  Positions shared = chunk;
  for (std::size_t q = 0; q < call.count; ++q) {
    shared = overlap(shared, {call.queries[q].begin, call.queries[q].end});
    std::fill_n(mixed[q], call.value_stride, 0.0f);
  }
  const bool none_shared = shared.begin >= shared.end;
  if (none_shared) shared = {chunk.end, chunk.end};

  for (std::size_t q = 0; q < call.count; ++q) {
    const Positions before = overlap({call.queries[q].begin, call.queries[q].end},
                                     {chunk.begin, shared.begin});
    if (before.begin < before.end) mix_values<L, Cached, 1>(call, q, before, probs, mixed);
  }
  if (none_shared) return;
  mix_shared<L, Cached, kMaxQueries>(call, 0, shared, probs, mixed);
  for (std::size_t q = 0; q < call.count; ++q) {
    const Positions after = overlap({call.queries[q].begin, call.queries[q].end},
                                    {shared.end, chunk.end});
    if (after.begin < after.end) mix_values<L, Cached, 1>(call, q, after, probs, mixed);
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
    score_chunk<L, Cached, kMaxQueries>(call, 0, panels_of(chunk), scores);

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
        std::copy_n(mixed[q], call.value_stride, acc[q]);
      } else {
        merge<L>(partial[q], mixed[q], call.value_stride, sofar[q], acc[q]);
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
