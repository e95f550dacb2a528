#pragma once

// What a pass has to read and to compute at least, from the model's sizes alone. With the machine's
// limits it gives the shortest time that the pass can take.
//
// A pass of T rows after P positions, W of them with logits (letters of src/README.md):
//
//   weights   the bytes of every matrix once, as packed; the embedding only where it is the head too
//   cache     L * 2 * G * d * (P + T) values, once: the keys and values of all positions
//   products  2 * N * K for each matrix and row: T rows, but W of the head and none of an embedding
//             that is only looked up; integer formats multiply bytes, bf16 with `--math bf16` bf16, the
//             others floats
//   attention L * 4 * H * d * (P + 1 + ... + P + T): scores, and the sum of values, in floats
//
// A sliding window is not taken into account, nor is all that is linear in D: norms, rotation, SiLU.

#include <cstddef>
#include <string_view>

#include "arch/model.h"
#include "nn/kv_cache.h"
#include "runtime/limits.h"

namespace kinglet {

struct PassSize {
  std::size_t rows = 0;    // T
  std::size_t past = 0;    // P
  std::size_t wanted = 0;  // W
};

struct Cost {
  double weight_bytes = 0, cache_bytes = 0;  // read
  double float_operations = 0, bfloat_operations = 0, int8_operations = 0;
  double activation_bytes = 0;  // read and written near the core; of steps only (step_cost.h)

  double streamed() const { return weight_bytes + cache_bytes; }
  double bytes() const { return streamed() + activation_bytes; }
  double operations() const { return float_operations + bfloat_operations + int8_operations; }
  Cost& operator+=(const Cost& other);
};

bool multiplies_bytes(DType dtype);  // a format whose products are of integers
// Where the operations of a product with such weights count.
double& operations_of(Cost& cost, DType dtype, Math math);
double bytes_of_value(nn::CacheType cache);  // of one float in the cache

Cost cost_of(const arch::Model& model, const PassSize& pass, nn::CacheType cache);

// The longer of two times: of what is streamed at the rate of memory (of the last-level cache, where
// all that a pass streams fits there), and of the operations at the rates of their kinds.
struct Bound {
  double seconds = 0;
  std::string_view by;  // "memory", "cache", "compute"; empty where there is no cost
};
// `passes`: how many the cost is the sum of.
Bound bound_of(const Cost& cost, std::size_t passes, const Limits& limits);
// Of one step of a pass that streams `pass_bytes` in all.
Bound bound_of_step(const Cost& cost, double pass_bytes, const Limits& limits);

}  // namespace kinglet
