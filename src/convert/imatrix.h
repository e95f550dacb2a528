#pragma once

// Importance matrices: how much each input of a matrix counts, as the mean of its squares over a text.
// An error in a weight whose input is large costs more than one in a weight whose input is small.
//
// As a file, GGUF as llama.cpp's imatrix tool writes it (tools/imatrix of ggml-org/llama.cpp), read by
// both: general.type "imatrix"; imatrix.datasets, imatrix.chunk_count, imatrix.chunk_size; and for each
// matrix, named as in GGUF files, NAME.in_sum2 (in) f32, sums of squares, and NAME.counts (1) f32, of rows.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kinglet {

struct Importance {
  std::vector<double> squares;  // (in), sums over the rows
  std::uint64_t rows = 0;

  // Means as floats; empty where there are no rows.
  std::vector<float> means() const;
};

// By the matrices' names, kinglet's: "model.layers.0.self_attn.q_proj.weight".
using Imatrix = std::map<std::string, Importance, std::less<>>;

// Adds up what goes into the matrices of a model, seen as activations go by (nn/tap.h has the names).
class ImportanceCollector {
 public:
  // `head`: the name of the matrix that gives the logits.
  explicit ImportanceCollector(std::string head) : head_(std::move(head)) {}

  // Of layer -1: "final_norm", the head's input. Other names are passed over.
  void add(std::string_view activation, int layer, std::span<const float> row);

  // Matrices with the same input have the same importance.
  Imatrix result() const;

 private:
  std::string head_;
  std::map<std::string, Importance, std::less<>> inputs_;  // by "LAYER.activation"
};

struct ImatrixText {
  std::string dataset;            // its name
  std::uint64_t chunks = 0;       // windows evaluated
  std::uint64_t chunk_tokens = 0;
};

// Errors: kRefused (no such file, malformed, sums that are negative or not finite).
Imatrix read_imatrix(const std::filesystem::path& path);
// Whole or not at all. Errors: kRuntime.
void write_imatrix(const std::filesystem::path& path, const Imatrix& imatrix, const ImatrixText& text);

}  // namespace kinglet
