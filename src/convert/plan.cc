#include "convert/plan.h"

#include <fmt/format.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "convert/convert.h"
#include "convert/targets.h"
#include "dtype/format.h"
#include "io/gguf_names.h"
#include "kinglet/error.h"

namespace kinglet {
namespace {

bool is_float(DType dtype) { return dtype <= DType::kBF16; }
bool is_weight(DType dtype) { return dtype::format_of(dtype).unpack != nullptr; }

DType type_named(const std::string& option, const std::string& name, Target target) {
  const auto dtype = dtype::named(name);
  const bool fits = dtype && is_weight(*dtype) && (target == Target::kGguf || is_float(*dtype));
  std::string allowed;
  for (const dtype::Format& format : dtype::formats()) {
    if (format.pack == nullptr || (target == Target::kDirectory && !is_float(format.dtype))) continue;
    allowed += fmt::format("{}{}", allowed.empty() ? "" : ", ", format.name);
  }
  if (!fits || dtype::format_of(*dtype).pack == nullptr) {
    throw usage_error(option).found(kinglet::quoted(name)).allowed(allowed);
  }
  return *dtype;
}

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

// REGEX=TYPE: anywhere in the tensor's name.
class TypeRule {
 public:
  TypeRule(const std::string& text, Target target) {
    const std::size_t equals = text.rfind('=');
    if (equals == text.npos) {
      throw usage_error("option --tensor-dtype").found(kinglet::quoted(text)).allowed("REGEX=TYPE");
    }
    dtype_ = type_named("option --tensor-dtype", text.substr(equals + 1), target);
    int error = 0;
    std::size_t offset = 0;
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), equals, 0, &error, &offset, nullptr));
    if (code_ == nullptr) {
      throw usage_error(fmt::format("option --tensor-dtype: no regular expression, at character {}", offset))
          .found(kinglet::quoted(text));
    }
    match_.reset(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
  }

  DType dtype() const { return dtype_; }
  bool fits(const std::string& name) const {
    return pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(name.data()), name.size(), 0, 0,
                       match_.get(), nullptr) >= 0;
  }

 private:
  std::unique_ptr<pcre2_code, FreeCode> code_;
  std::unique_ptr<pcre2_match_data, FreeMatch> match_;
  DType dtype_ = DType::kF32;
};

// The next better type with blocks that more widths divide into.
DType finer(DType dtype) {
  switch (dtype) {
    case DType::kQ4_K: return DType::kQ5_0;
    case DType::kQ5_K: return DType::kQ5_1;
    case DType::kQ6_K: return DType::kQ8_0;
    default: return DType::kF16;
  }
}

class Types {
 public:
  Types(const ConvertOptions& options, Target target) : target_(target) {
    if (!options.dtype.empty()) asked_ = type_named("option --dtype", options.dtype, target);
    for (const std::string& rule : options.tensor_dtypes) rules_.emplace_back(rule, target);
  }

  void choose(PlannedTensor& tensor) const {
    const TensorInfo& source = *tensor.source;
    tensor.to = source.dtype;
    if (!is_weight(source.dtype)) return;  // positions, masks: as they are
    const bool is_matrix = source.shape.size() >= 2;
    if (target_ == Target::kDirectory && !is_float(source.dtype)) tensor.to = DType::kF32;
    std::optional<DType> asked = asked_;
    // GGUF's readers take vectors (norms, biases) as f32.
    if (target_ == Target::kGguf && !is_matrix) asked = DType::kF32;
    for (const TypeRule& rule : rules_) {
      if (!rule.fits(source.name) && !rule.fits(tensor.name)) continue;
      asked = rule.dtype();
      break;
    }
    if (!asked || *asked == source.dtype) return;
    tensor.to = *asked;
    const std::uint64_t width = source.shape.empty() ? 1 : source.shape.back();
    while (width % dtype::format_of(tensor.to).block != 0 || dtype::format_of(tensor.to).pack == nullptr) {
      tensor.to = finer(tensor.to);
    }
    if (tensor.to != *asked) {
      tensor.note = fmt::format("rows of {} are no multiple of {}'s block of {}", width,
                                dtype::name_of(*asked), dtype::format_of(*asked).block);
    }
  }

 private:
  Target target_;
  std::optional<DType> asked_;
  std::vector<TypeRule> rules_;
};

bool is_known(const io::ModelFile& model, const TensorInfo& tensor) {
  const nlohmann::json& config = model.config.json();
  const auto type = config.find("model_type");
  return type != config.end() && type->is_string() &&
         io::gguf_architecture_of(type->get_ref<const std::string&>()) != nullptr &&
         io::gguf_of_kinglet(tensor.name).has_value();
}

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

}  // namespace

Target target_of(const std::filesystem::path& out, const std::string& to) {
  const std::string kind = to.empty() ? out.extension().string() : "." + to;
  if (kind == ".gguf") return Target::kGguf;
  for (const char* later : {".bin", ".json", ".npz"}) {
    if (kind != later) continue;
    throw usage_error("this output format cannot be written yet").found(kinglet::quoted(kind)).allowed("gguf, safetensors");
  }
  if (to.empty() || to == "safetensors") return Target::kDirectory;
  throw usage_error("option --to").found(kinglet::quoted(to)).allowed("gguf, safetensors");
}

Plan make_plan(const io::ModelFile& model, Target target, const ConvertOptions& options) {
  Plan plan;
  plan.target = target;
  const Types types(options, target);
  std::vector<std::string> unknown;
  const nlohmann::json& config = model.config.json();
  const bool is_tied = config.contains("tie_word_embeddings") && config["tie_word_embeddings"] == true;
  for (const TensorInfo& tensor : model.tensors->tensors()) {
    if (is_computed(tensor.name)) {
      plan.left_out.push_back({tensor.name, "the model computes it"});
      continue;
    }
    if (target == Target::kGguf && is_tied && tensor.name == "lm_head.weight") {
      plan.left_out.push_back({tensor.name, "the embedding is the output too"});
      continue;
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
  if (target == Target::kGguf) lay_out_gguf(model, options, plan);
  else lay_out_directory(model, options, plan);
  for (const PlannedFile& file : plan.files) {
    for (const Piece& piece : file.pieces) {
      plan.bytes += piece.tensor ? plan.tensors[*piece.tensor].bytes : piece.text.size();
    }
  }
  return plan;
}

}  // namespace kinglet
