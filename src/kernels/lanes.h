#pragma once

// Sixteen floats, and sixteen 32-bit integers: the one vocabulary that all kernels are written in.
// On AVX-512 they are one register, on AVX2 two, on SSE2 and NEON four, at the scalar level an array.
// An operation gives the same bits everywhere.
//
//   Lanes<L> load(p), broadcast(x), +, -, *, /, sqrt, min, max, fma(a, b, c) = a * b + c rounded once
//   sum and largest: over the lanes, by the tree 8-4-2-1 (numerics contract, rule 5)
//
// lanes_scalar.h is the definition; lanes_xsimd.h the rest, with the few operations that xsimd lacks
// in lanes_x86.h and lanes_neon.h.

#include <cstddef>

#include "kernels/levels.h"

namespace kinglet::kernels {

constexpr std::size_t kLaneCount = 16;

template <class Level>
struct Lanes;

template <class Level>
struct IntLanes;

}  // namespace kinglet::kernels

#include "kernels/lanes_scalar.h"
#if defined(__x86_64__) || defined(__aarch64__)
#include "kernels/lanes_xsimd.h"
#endif
#include "kernels/lanes_common.h"
