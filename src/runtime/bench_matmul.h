#pragma once

// One matrix product, out = W x, four ways: the triple loop that anyone would write, the scalar
// kernels, those of the instruction set in use on one thread, and on a team.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/dtype.h"

namespace kinglet {

struct MatmulSize {
  DType dtype = DType::kF32;
  std::size_t out = 0, in = 0, tokens = 0;
};

// 100 x 100 (rows rounded up to the type's block) by 100 tokens; where a model is named, each size of
// its matrices that the type can have, by each number of tokens. Errors: kUsage, an unknown type;
// kRefused, the model.
std::vector<MatmulSize> matmul_sizes(std::string_view type, const std::filesystem::path& model,
                                     std::span<const std::size_t> tokens);

struct MatmulWay {
  std::string name;      // "naive", "scalar", "avx2", "avx2 x 2"
  double gflops = 0;     // the best of some runs, activations made bytes included; a slow way is timed
                         // on fewer tokens
  double difference = 0;  // from naive: the largest, over the largest value
};

// Errors (kUsage): a width that is no multiple of the type's block.
std::vector<MatmulWay> bench_matmul(const MatmulSize& size, std::size_t threads);

}  // namespace kinglet
