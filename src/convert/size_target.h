#pragma once

// Types that are chosen for a file of so many bytes (--target-size), or so many bits for each weight (--target-bpw).

#include <optional>

#include "convert/convert.h"
#include "convert/plan.h"

namespace kinglet {

// Measures which matrices matter and shows it, where the options ask for that; the types for the size that they ask
// for, or none. Nothing where it was interrupted. Errors: kUsage (a size too small, a target of other than GGUF, types
// that are given and chosen at once); kRefused (the model, the importance matrix).
std::optional<ChosenTypes> choose_types(const io::ModelFile& model, Target target, const ConvertOptions& options,
                                        const ConvertWatch& watch);

}  // namespace kinglet
