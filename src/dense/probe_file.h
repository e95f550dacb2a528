#pragma once

// A probe in a file: a dense network (network_file.h) whose config has
//
//   "probe": {"kind": "logistic", "classes": ["cat", "dog"], "l2": 1.0, "rows": 200}
//
// without "classes" where it gives a number. One over texts has in it, too,
//
//   "text": {"layer": 3, "pooling": "mean", "normalized": true, "model": {"name": "tales-3m (built in)",
//            "layers": 5, "width": 256, "vocabulary": 2048, "fingerprint": [0.1, ...]}}
//
// with "layer": "final" for the final norm's output. `run --input` takes the file as it takes any network.

#include <filesystem>

#include "dense/probe.h"

namespace kinglet::dense {

// Whole or not at all. Errors: kRuntime.
void write_probe(const std::filesystem::path& path, const Probe& probe);

// Errors (kRefused): no dense network, no probe, classes that do not fit its outputs.
Probe open_probe(const std::filesystem::path& path);

}  // namespace kinglet::dense
