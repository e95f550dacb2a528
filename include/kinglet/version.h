#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace kinglet {

// The version of the numerics contract: it rises whenever a bit of any logit may differ.
constexpr int kNumericsVersion = 1;

std::string version();  // "0.1.0"

// Instruction-set levels, best first: built in; and the one in use.
// Errors (kUsage): KINGLET_ISA names a level that is unknown or that this processor lacks.
std::vector<std::string> isa_levels();
std::string isa_in_use();

// Physical cores that this process may use; the default number of threads.
std::size_t default_threads();

}  // namespace kinglet
