#pragma once

// The order of the rows of q and k inside a head.
//
// kinglet, like safetensors files, keeps the two halves of a rotated head apart (RoPE turns row i
// with row i + d/2). GGUF files of arch llama and llama2.c files keep each pair side by side:
//
//   row h*d + j*(d/2) + i here  =  row h*d + 2*i + j in the file;  j in {0, 1}, i in [0, d/2)

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace kinglet::io {

// A block of rows: `head` rows to a head (even), `bytes` bytes to a row.
struct HeadRows {
  std::uint64_t head = 0;
  std::size_t bytes = 0;
};

// The row of the file that holds `row`.
inline std::uint64_t interleaved_row(std::uint64_t row, std::uint64_t head) {
  const std::uint64_t inside = row % head, half = head / 2;
  return row - inside + 2 * (inside % half) + inside / half;
}

// Fills `out` with rows [begin, ...) in kinglet's order. read(row, bytes) gives consecutive rows in
// the file's order; it is asked for few long runs: rows of one half lie two apart, so a run of n is
// read as 2n - 1 and every second row is kept.
template <class Read>
void read_half_split(const HeadRows& rows, std::uint64_t begin, std::span<std::byte> out,
                     const Read& read) {
  constexpr std::uint64_t kLongestRun = 32;
  if (out.empty()) return;
  const std::uint64_t end = begin + out.size() / rows.bytes, half = rows.head / 2;
  std::vector<std::byte> run((2 * std::min(kLongestRun, end - begin) - 1) * rows.bytes);
  for (std::uint64_t row = begin; row < end;) {
    const std::uint64_t count = std::min({kLongestRun, end - row, half - row % half});
    read(interleaved_row(row, rows.head), std::span(run).first((2 * count - 1) * rows.bytes));
    for (std::uint64_t i = 0; i < count; ++i) {
      std::memcpy(out.data(), run.data() + 2 * i * rows.bytes, rows.bytes);
      out = out.subspan(rows.bytes);
    }
    row += count;
  }
}

}  // namespace kinglet::io
