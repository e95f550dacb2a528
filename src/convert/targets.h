#pragma once

// The formats that are written: each fills in Plan::files for the tensors that the plan has.

#include "convert/convert.h"
#include "convert/plan.h"

namespace kinglet {

// Errors (kRefused): an architecture, a scaling or a vocabulary that the format cannot say.
void lay_out_gguf(const io::ModelFile& model, const ConvertOptions& options, Plan& plan);
void lay_out_directory(const io::ModelFile& model, const ConvertOptions& options, Plan& plan);
void lay_out_llama2c(const io::ModelFile& model, const ConvertOptions& options, Plan& plan);
void lay_out_json(const io::ModelFile& model, const ConvertOptions& options, Plan& plan);
void lay_out_npz(const io::ModelFile& model, const ConvertOptions& options, Plan& plan);

}  // namespace kinglet
