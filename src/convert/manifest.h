#pragma once

// What a conversion made, of what, and how: JSON, the same bytes for the same work.

#include <filesystem>
#include <string>

#include "convert/convert.h"

namespace kinglet {

std::string manifest_of(const io::ModelFile& model, const Plan& plan, const ConvertOptions& options,
                        const Verification& verification);
std::filesystem::path manifest_beside(std::filesystem::path out);  // OUT.manifest.json
// Errors: kRuntime.
void write_manifest(const std::filesystem::path& path, const std::string& text);

}  // namespace kinglet
