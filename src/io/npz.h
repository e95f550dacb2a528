#pragma once

// A model as NumPy's .npz: a ZIP archive (zip.h) of a .npy (npy.h) for each tensor, "model.norm.weight.npy", beside
// the files of a Hugging Face directory (hf_directory.h) that describe it: config.json, tokenizer.json, ... So
// numpy.load gives the tensors by their names. Arrays of bf16 are none of NumPy's.

#include "base/file.h"
#include "io/open.h"

namespace kinglet::io {

// Errors (kRefused): malformed; compressed arrays; a member that is neither an array nor one of a directory's files.
ModelFile open_npz(File file);

}  // namespace kinglet::io
