#pragma once

// Two files of activations, tensor by tensor in the order of the pass: where do they part?
//
// The error of a token's row is max |found - reference|, the relative one that over max |reference|
// of the row; a tensor has those of its worst row. It is off where the relative error exceeds the
// tolerance, a value is not finite, the shape differs, or it is missing. tools/parity.py makes the
// same comparison.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace kinglet {

struct ComparedTensor {
  std::string name, shape;    // "16x67"
  double error = 0, relative = 0;
  bool within = false;
  std::string note;           // what is off, where it is
};

struct Agreement {            // of the logits
  std::size_t positions = 0, same_best = 0;
  double mean_kl = 0;         // KL(reference || found), nats
};

struct Comparison {
  std::vector<ComparedTensor> tensors;  // every tensor of the reference, in order
  std::optional<Agreement> agreement;
  const ComparedTensor* first_off() const;
};

// Errors (kRefused): a file that is no safetensors file, or holds no tensor.
Comparison compare_activations(const std::filesystem::path& reference,
                               const std::filesystem::path& found, double tolerance);

// The token ids of a file of activations: its tensor "ids". Errors (kRefused).
std::vector<std::int32_t> ids_of_activations(const std::filesystem::path& reference);

}  // namespace kinglet
