#pragma once

#include <span>

namespace kinglet {

// No NaN, no infinity among them.
bool all_finite(std::span<const float> values);

}  // namespace kinglet
