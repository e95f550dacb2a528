#pragma once

// What a file that is no model looks like, for messages: people rename, half-download and mistake.

#include <string>

#include "base/file.h"

namespace kinglet::io {

// ": it looks like an HTML page", or "" where the start of the file tells nothing.
std::string looks_like(const File& file);

}  // namespace kinglet::io
