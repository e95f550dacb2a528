#pragma once

// A type for each matrix, so that all together fit into so many bytes and cost as little as can be.

#include <cstdint>
#include <span>

#include "convert/plan.h"
#include "convert/sensitivity.h"

namespace kinglet {

// Each matrix in its smallest type.
ChosenTypes smallest_types(std::span<const Sensitivity> matrices);

// Bytes of the matrices in these types.
std::uint64_t bytes_of(std::span<const Sensitivity> matrices, const ChosenTypes& types);
// Their divergences added up.
double divergence_of(std::span<const Sensitivity> matrices, const ChosenTypes& types);

// Starts from the smallest types and takes, one after the other, the step that saves most divergence for a byte and
// still fits; of each matrix only the choices on the lower convex hull of (bytes, divergence) count. That is the best
// choice for every budget that a step ends on, and near it between. The smallest types where they do not fit.
ChosenTypes types_within(std::span<const Sensitivity> matrices, std::uint64_t bytes);

}  // namespace kinglet
