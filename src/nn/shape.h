#pragma once

// The sizes of a decoder. The letters stand for them everywhere (src/README.md).

#include <cstddef>

namespace kinglet::nn {

struct Shape {
  std::size_t layers = 0;      // L
  std::size_t width = 0;       // D
  std::size_t mlp_width = 0;   // F
  std::size_t heads = 0;       // H
  std::size_t kv_heads = 0;    // G, divides H
  std::size_t head_width = 0;  // d
  std::size_t vocabulary = 0;  // V
  std::size_t context = 0;     // positions that the model was made for
};

}  // namespace kinglet::nn
