#pragma once

// Which table of kernels runs.

#include <span>
#include <string_view>

#include "kernels/table.h"

namespace kinglet::kernels {

// Best first: the levels built in that this processor can run.
std::span<const Table* const> available();

// The names of all levels built in, best first, whether this processor has them or not.
std::span<const std::string_view> built_in();

// The level in use: the best one, or what the environment variable KINGLET_ISA names. Chosen once.
// Errors (kUsage): a name that is unknown, or that this processor cannot run.
const Table& active();

}  // namespace kinglet::kernels
