#pragma once

// What the tiles of all products share: how far along K they go at a time, and where sums rest.

#include <algorithm>
#include <cstddef>

#include "kernels/lanes.h"
#include "kernels/rows.h"
#include "kernels/table.h"

namespace kinglet::kernels {

constexpr std::size_t kFloatBlock = 256;  // along K: sums of blocks are added in order

// A stretch [begin, end) of K, whose activations stay in the second cache while all panels pass by.
// Between two stretches the sums rest in `out`: a store and a load change no bit.
struct Stretch {
  std::size_t begin = 0, end = 0;
};

// The sums of one panel and token as the stretches before left them.
template <class L>
inline Lanes<L> load_sums(const Matmul& call, const Stretch& k, std::size_t panel, std::size_t token) {
  if (k.begin == 0) return Lanes<L>::broadcast(0.0f);
  const std::size_t row = panel * kLaneCount;
  return load_part<L>(call.out + token * call.out_stride + row,
                      std::min(kLaneCount, call.out_width - row));
}

// What a float product does with one k: weights w of 16 rows, the token's value x, and the sum so far.
// Rule 3 of the contract; bfloat.h has another.
struct ExactSteps {
  template <class L>
  static inline Lanes<L> multiply_add(const Lanes<L>& w, const Lanes<L>& x, const Lanes<L>& sum) {
    return fma(w, x, sum);
  }
  template <class L>
  static inline Lanes<L> add(const Lanes<L>& a, const Lanes<L>& b) {
    return a + b;
  }
  static constexpr bool kSecondFirst = false;  // of a pair along K
};

// Puts them back; after the last stretch with the bias, which is added last.
template <class L, class Steps>
inline void store_sums(const Matmul& call, const Stretch& k, std::size_t panel, std::size_t token,
                       const Lanes<L>& sums) {
  const std::size_t row = panel * kLaneCount;
  const bool with_bias = k.end == call.in_width && call.bias != nullptr;
  store_part(with_bias ? Steps::add(sums, Lanes<L>::load(call.bias + row)) : sums,
             call.out + token * call.out_stride + row, std::min(kLaneCount, call.out_width - row));
}

}  // namespace kinglet::kernels
