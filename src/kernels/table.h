#pragma once

// The kernels of one instruction set: a row of plain functions, each noexcept, allocating nothing,
// starting no thread. Written once (the headers beside this one), compiled once per instruction
// set, chosen once (dispatch.h). All levels give the same bits (numerics contract, rules 3 to 7).
//
// Kernels work on a range that the caller chose, so that nn/ splits the work over threads.

#include <cstddef>
#include <cstdint>

#include "dtype/list.h"

namespace kinglet::kernels {

// 32 activations along K as the integer formats want them (rule 3): x = scale * value.
struct Int8Block {
  float scale;
  std::int32_t half_sums[2];  // of the first 16 values, of the others
  std::int32_t sum;           // of all
  std::int8_t values[32];
};
struct Int8Rows {
  Int8Block* blocks = nullptr;  // (T, K / 32)
  std::size_t stride = 0;       // blocks from row to row
  Int8Block* row(std::size_t t) const { return blocks + t * stride; }
};

// out[t][n] = sum over k of W[n][k] * x[t][k] + bias[n], for the rows n of some panels.
struct Matmul {
  const std::byte* panels = nullptr;
  std::size_t panel_bytes = 0;
  std::size_t out_width = 0;  // N
  std::size_t in_width = 0;   // K
  const float* bias = nullptr;  // (N rounded up to 16), or null
  std::size_t tokens = 0;       // T

  const float* x = nullptr;  // float formats: (T, K)
  std::size_t x_stride = 0;
  Int8Rows q;                // integer formats

  float* out = nullptr;  // (T, N)
  std::size_t out_stride = 0;
};

// One query head at one position, and where its result goes.
struct Query {
  const float* q = nullptr;  // (d)
  float* out = nullptr;      // (d)
  std::size_t begin = 0;     // key positions [begin, end), end > begin
  std::size_t end = 0;
};

// Up to 12 query heads that read the same key/value head: whole tiles for groups of 1, 2, 3, 4, 6.
constexpr std::size_t kMaxQueries = 12;
constexpr std::size_t kMaxHeadWidth = 512;
constexpr std::size_t kKeyPanel = 16;       // positions of a key panel: lanes are positions
constexpr std::size_t kChunk = 128;         // positions of a chunk (rule 4)

struct Attend {
  const Query* queries = nullptr;
  std::size_t count = 0;
  const std::byte* keys = nullptr;    // panels of 16 positions (cached.h)
  const std::byte* values = nullptr;  // a row per position
  std::size_t head_width = 0;         // d
  float scale = 0;
};

// The functions for one type of cache.
struct CacheFunctions {
  // The same on every level: bytes of 16 positions' keys, and of one position's value.
  std::size_t (*key_panel_bytes)(std::size_t head_width) noexcept;
  std::size_t (*value_row_bytes)(std::size_t head_width) noexcept;
  // Writes one key (d) and value (d) of one head at `position`.
  void (*store)(const float* key, const float* value, std::size_t head_width, std::size_t position,
                std::byte* keys, std::byte* values) noexcept;
  void (*attend)(const Attend& call) noexcept;
  // The probabilities of one query over its positions: probs[p], p in [begin, end).
  void (*probabilities)(const Attend& call, float* probs) noexcept;
};

// Of a row x whose largest value is `top`, with e[i] = exp(x[i] - top). A NaN or +infinity anywhere in x
// shows in `sum`.
struct Exponentials {
  float top = 0;
  double sum = 0;       // of e[i]
  double weighted = 0;  // of (x[i] - top) * e[i]
};

// What the level can do at most, for comparison (peaks.h). Their results mean nothing.
struct Peak {
  float (*run)(std::size_t rounds) noexcept = nullptr;  // null where the level has no such thing
  std::size_t operations = 0;                           // of a round; a multiply-add is two
};
struct Peaks {
  float (*read)(const float* x, std::size_t n) noexcept;  // n a multiple of 64
  Peak fma, dot_int8;
  Peak dot_bfloat;  // none where bf16 are multiplied as floats
};

struct Table {
  const char* isa;

  // By DType. Panels [begin, end).
  void (*matmul[dtype::kWeightFormats])(const Matmul& call, std::size_t begin,
                                        std::size_t end) noexcept;

  // bf16 weights by activations rounded to bf16 (bfloat.h): x is what round_bfloat has written.
  void (*matmul_bfloat)(const Matmul& call, std::size_t begin, std::size_t end) noexcept;
  // Values [begin, end) of a row; `row` has room for an even number. `begin` is a multiple of 32.
  void (*round_bfloat)(const float* x, std::size_t begin, std::size_t end, float* row) noexcept;

  // Row `row` of `out` from x[begin, end); both are multiples of 32.
  void (*quantize)(const float* x, std::size_t begin, std::size_t end, const Int8Rows& out,
                   std::size_t row) noexcept;

  CacheFunctions cache_f32, cache_f16, cache_q8_0;

  // 1 / sqrt(mean(x^2) + eps), and y[i] = (x[i] * factor) * weight[i]: RMSNorm in two halves, since
  // the first needs the whole row and the second may be split.
  float (*inverse_rms)(const float* x, std::size_t n, float eps) noexcept;
  void (*scale)(const float* x, const float* weight, float factor, std::size_t n,
                float* y) noexcept;
  // In place; stable: the largest value is taken off first.
  void (*softmax)(float* x, std::size_t n) noexcept;
  // Turns the pairs (x[i], x[i + n]), i in [0, n), by the angles whose cosines and sines are given.
  void (*rotate)(float* x, const float* cosines, const float* sines, std::size_t n) noexcept;
  // h = h + y
  void (*add)(const float* y, std::size_t n, float* h) noexcept;
  // out = silu(gate) * up
  void (*silu_multiply)(const float* gate, const float* up, std::size_t n, float* out) noexcept;
  // What log-softmax and entropy need of a row.
  Exponentials (*exponentials)(const float* x, std::size_t n) noexcept;
  // y = exp(x)
  void (*exp)(const float* x, std::size_t n, float* y) noexcept;

  Peaks peaks;
};

}  // namespace kinglet::kernels
