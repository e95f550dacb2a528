#pragma once

// Which matrices matter: how far the model's predictions move when one matrix alone is quantised. Measured on a
// short text, layer by layer, with one block of the model in memory and the hidden states of every variant.
//
// A divergence grows about as the square of an error that is small, and errors in different matrices add up, as
// long as they are small. So one measurement for each matrix, in one type, tells of all types: by the ratio of the
// squared errors that the types make, weighted by the squares of the matrix's inputs.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "convert/imatrix.h"
#include "io/open.h"
#include "tensor/dtype.h"

namespace kinglet {

struct TypeChoice {
  DType dtype = DType::kF32;
  std::uint64_t bytes = 0;
  double kl = 0;  // mean KL(source || source with this matrix alone in `dtype`) in nats, estimated
};

struct Sensitivity {
  std::string name;  // kinglet's
  std::uint64_t values = 0;
  DType measured = DType::kF32;     // the type it was measured in
  double kl = 0;                    // in that type, measured
  std::vector<TypeChoice> choices;  // by bytes; among them the source's own type, which costs nothing
};

struct SensitivityWatch {
  std::function<void(std::uint64_t done, std::uint64_t of)> on_progress;
  std::function<bool()> is_interrupted;
};

// Of all matrices that a model's layers, embedding and head have, in the source's order. `imatrix` may be empty; it
// guides the rounding, as it will in the conversion. Nothing where it was interrupted. The same numbers on every
// machine and with any number of threads. Errors: kRefused (the model).
std::optional<std::vector<Sensitivity>> measure_sensitivity(const io::ModelFile& model, const Imatrix& imatrix,
                                                            std::size_t threads, const SensitivityWatch& watch);

}  // namespace kinglet
