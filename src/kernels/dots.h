#pragma once

// Sums of products of bytes for 16 rows at once, exact: what the integer formats are multiplied with.
//
//   ByteLanes<L>               4 unsigned bytes of each of 16 rows, row by row
//     load(p)
//     field<kLeft, kMask>(b)   in each byte (b << kLeft) & kMask, >> where kLeft is negative
//     merge(a, b)              a | b
//     lookup(table, b)         table[b], of 16 entries; no byte of b above 15
//   Dots<L, kLargest, kZero>   for each row, the sum of (u - kZero) * x over all that was added
//     start(x_sum)             x_sum: the sum of all x that will be added, in every lane
//     add(u, x)                u: ByteLanes, no byte above kLargest; x: 4 signed bytes from -127 up,
//                              the same for all rows
//     fold()                   to be called after at most kTerms add(): where the processor sums
//                              products in 16 bits, they are full then
//     total()                  as IntLanes
//
// dots_scalar.h is the definition, dots_x86.h and dots_neon.h the rest.

#include <cstdint>

#include "kernels/lanes.h"

namespace kinglet::kernels {

// A sum of at most 32 products; no format needs more between two scales.
constexpr std::size_t kMostTerms = 8;

template <class Level>
struct ByteLanes;

template <class Level, int kLargest, int kZero>
struct Dots;

}  // namespace kinglet::kernels

#include "kernels/dots_scalar.h"
#if defined(__x86_64__)
#include "kernels/dots_x86.h"
#elif defined(__aarch64__)
#include "kernels/dots_neon.h"
#endif
