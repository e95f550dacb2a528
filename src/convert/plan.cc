#include "convert/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "convert/convert.h"
#include "convert/imatrix.h"
#include "convert/rope.h"
#include "convert/targets.h"
#include "convert/types.h"
#include "dtype/format.h"
#include "io/gguf_names.h"
#include "kinglet/error.h"

namespace kinglet {
namespace {

bool is_known(const io::ModelFile& model, const TensorInfo& tensor) {
  const nlohmann::json& config = model.config.json();
  const auto type = config.find("model_type");
  return type != config.end() && type->is_string() &&
         io::gguf_architecture_of(type->get_ref<const std::string&>()) != nullptr &&
         io::gguf_of_kinglet(tensor.name).has_value();
}

struct TargetRow {
  Target target;
  std::string_view name, ending;
  void (*lay_out)(const io::ModelFile&, const ConvertOptions&, Plan&);
};
constexpr TargetRow kTargets[] = {{Target::kGguf, "gguf", ".gguf", lay_out_gguf},
                                  {Target::kDirectory, "safetensors", "", lay_out_directory},
                                  {Target::kLlama2c, "llama2.c", ".bin", lay_out_llama2c},
                                  {Target::kJson, "json", ".json", lay_out_json},
                                  {Target::kNpz, "npz", ".npz", lay_out_npz}};

// What a model computes anew, as old checkpoints bring it along.
bool is_computed(std::string_view name) {
  return name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".attn.masked_bias");
}

void refuse_unknown(const io::ModelFile& model, const std::vector<std::string>& unknown) {
  constexpr std::size_t kShown = 8;
  std::string names;
  for (std::size_t i = 0; i < std::min(unknown.size(), kShown); ++i) {
    names += (i == 0 ? "" : ", ") + kinglet::quoted(unknown[i]);
  }
  if (unknown.size() > kShown) names += fmt::format(" and {} more", unknown.size() - kShown);
  throw refused("tensors that kinglet does not know; --allow-unknown copies them as they are")
      .in(model.file)
      .at(names);
}

// What the importance matrix says of each matrix that gets a format of blocks.
void add_importance(const std::filesystem::path& path, Plan& plan) {
  const Imatrix imatrix = read_imatrix(path);
  std::size_t matrices = 0, found = 0;
  for (PlannedTensor& tensor : plan.tensors) {
    const TensorInfo& source = *tensor.source;
    if (source.shape.size() != 2 || is_float(tensor.to) || tensor.to == source.dtype) continue;
    ++matrices;
    const auto entry = imatrix.find(source.name);
    if (entry == imatrix.end()) continue;
    if (entry->second.squares.size() != source.shape.back()) {
      throw refused("an importance matrix does not fit the model")
          .in(printable(path.native()))
          .at(printable(source.name))
          .found(fmt::format("{} values", entry->second.squares.size()))
          .allowed(fmt::format("{}", source.shape.back()));
    }
    ++found;
    tensor.importance = entry->second.means();
  }
  if (found < matrices) {
    plan.warnings.push_back(fmt::format("the importance matrix has {} of {} matrices", found, matrices));
  }
}

}  // namespace

Target target_of(const std::filesystem::path& out, const std::string& to) {
  if (to.empty()) {
    const std::string ending = out.extension().string();
    const auto row = std::ranges::find(kTargets, ending, &TargetRow::ending);
    return row == std::end(kTargets) ? Target::kDirectory : row->target;
  }
  const auto row = std::ranges::find(kTargets, to, &TargetRow::name);
  if (row != std::end(kTargets)) return row->target;
  std::string allowed;
  for (const TargetRow& known : kTargets) allowed += fmt::format("{}{}", allowed.empty() ? "" : ", ", known.name);
  throw usage_error("option --to").found(kinglet::quoted(to)).allowed(allowed);
}

bool holds(Target target, DType dtype) {
  if (dtype::format_of(dtype).pack == nullptr) return false;
  switch (target) {
    case Target::kGguf: return true;
    case Target::kDirectory: return is_float(dtype);
    case Target::kNpz: return dtype == DType::kF32 || dtype == DType::kF16;
    case Target::kLlama2c: case Target::kJson: return dtype == DType::kF32;
  }
  return false;
}

Plan make_plan(const io::ModelFile& model, Target target, const ConvertOptions& options, const ChosenTypes* chosen) {
  Plan plan;
  plan.target = target;
  const auto layers = static_cast<std::size_t>(model.config.integer_or("num_hidden_layers", 0, 0));
  const Types types(options, target, layers, chosen);
  std::vector<std::string> unknown;
  const nlohmann::json& config = model.config.json();
  const bool is_tied = config.contains("tie_word_embeddings") && config["tie_word_embeddings"] == true;
  for (const TensorInfo& tensor : model.tensors->tensors()) {
    if (is_computed(tensor.name)) {
      plan.left_out.push_back({tensor.name, "the model computes it"});
      continue;
    }
    const bool has_one_matrix = target == Target::kGguf || target == Target::kLlama2c;
    if (has_one_matrix && is_tied && tensor.name == "lm_head.weight") {
      plan.left_out.push_back({tensor.name, "the embedding is the output too"});
      continue;
    }
    if (target != Target::kGguf && tensor.name == kRopeFreqs) {
      if (says_rope_freqs(model)) {
        plan.left_out.push_back({tensor.name, "rope_scaling says it"});
        continue;
      }
      plan.warnings.push_back(fmt::format("{}: rope_scaling cannot say these; other programs do not look for them", kRopeFreqs));
    }
    if (!is_known(model, tensor) && !options.allow_unknown) unknown.push_back(tensor.name);
    PlannedTensor planned;
    planned.source = &tensor;
    planned.name = target == Target::kGguf ? io::gguf_of_kinglet(tensor.name).value_or(tensor.name) : tensor.name;
    types.choose(planned);
    planned.bytes = dtype::checked_nbytes(tensor.shape, planned.to).value_or(0);
    plan.tensors.push_back(std::move(planned));
  }
  if (!unknown.empty()) refuse_unknown(model, unknown);
  if (!options.imatrix.empty()) add_importance(options.imatrix, plan);
  std::ranges::find(kTargets, target, &TargetRow::target)->lay_out(model, options, plan);
  for (const PlannedFile& file : plan.files) {
    for (const Piece& piece : file.pieces) {
      plan.bytes += size_of(plan, piece);
    }
  }
  return plan;
}

std::uint64_t size_of(const Plan& plan, const Piece& piece) {
  if (piece.tensor) return plan.tensors[*piece.tensor].bytes;
  return piece.crc_of_tensor ? sizeof(std::uint32_t) : piece.text.size();
}

const char* type_name(DType dtype) { return dtype::name_of(dtype); }

}  // namespace kinglet
