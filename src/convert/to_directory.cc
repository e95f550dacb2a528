// A Hugging Face directory: config.json, model.safetensors, and what else the source brings.

#include <nlohmann/json.hpp>

#include "convert/rope.h"
#include "convert/targets.h"
#include "io/hf_writer.h"
#include "io/safetensors_writer.h"

namespace kinglet {
namespace {

// The type that most of the weights have.
const char* torch_dtype(const Plan& plan) {
  std::uint64_t bytes[3] = {};
  for (const PlannedTensor& tensor : plan.tensors) {
    if (tensor.to <= DType::kBF16) bytes[static_cast<std::size_t>(tensor.to)] += tensor.bytes;
  }
  if (bytes[1] > bytes[0] && bytes[1] >= bytes[2]) return "float16";
  return bytes[2] > bytes[0] ? "bfloat16" : "float32";
}

}  // namespace

void lay_out_directory(const io::ModelFile& model, const ConvertOptions&, Plan& plan) {
  nlohmann::json config = hf_config_of(model);
  config["torch_dtype"] = torch_dtype(plan);
  for (io::NamedText& file : io::hf_files(model, config)) {
    plan.files.push_back({file.name, {{.text = std::move(file.text)}}});
  }
  if (model.tokenizer.kind == io::TokenizerText::Kind::kNone) {
    plan.warnings.emplace_back("the source has no tokenizer.json; none is written");
  }
  std::vector<io::TensorPlan> tensors;
  PlannedFile weights = {"model.safetensors", {}};
  for (const PlannedTensor& tensor : plan.tensors) {
    tensors.push_back({tensor.name, tensor.to, tensor.source->shape});
  }
  weights.pieces.push_back({.text = io::start_of_safetensors(tensors, {{"format", "pt"}}).bytes});
  for (std::size_t i = 0; i < plan.tensors.size(); ++i) weights.pieces.push_back({.tensor = i});
  plan.files.push_back(std::move(weights));
}

}  // namespace kinglet
