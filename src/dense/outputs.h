#pragma once

// What a network gives for vectors that somebody handed in.

#include <string_view>

#include "dense/network.h"
#include "dense/vectors.h"

namespace kinglet::dense {

// (rows, out). `what` wants them: "the network". Errors: kRefused, vectors of another width;
// kRuntime, an output that is not finite, naming its row.
Matrix outputs_of(const Network& network, const Vectors& vectors, std::string_view what);

}  // namespace kinglet::dense
