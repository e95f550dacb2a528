#pragma once

// The model inside the library: the files of models/tales-3m, placed there by the build.

#include "io/open.h"

namespace kinglet {

io::ModelFile open_built_in();

}  // namespace kinglet
