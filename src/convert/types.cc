#define PCRE2_CODE_UNIT_WIDTH 8
#include "convert/types.h"

#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/text.h"
#include "kinglet/error.h"

namespace kinglet {
namespace {

DType type_named(const char* option, const std::string& name, Target target) {
  const auto dtype = dtype::named(name);
  if (dtype && is_weight(*dtype) && holds(target, *dtype)) return *dtype;
  std::string allowed;
  for (const dtype::Format& format : dtype::formats()) {
    if (holds(target, format.dtype)) allowed += fmt::format("{}{}", allowed.empty() ? "" : ", ", format.name);
  }
  throw usage_error(option).found(kinglet::quoted(name)).allowed(allowed);
}

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

PCRE2_SPTR text_of(const std::string& text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

// 12 of "model.layers.12.mlp..."; 0 for tensors of no layer.
std::size_t layer_of(std::string_view name) {
  constexpr std::string_view kPrefix = "model.layers.";
  std::size_t layer = 0;
  if (name.starts_with(kPrefix)) {
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), layer);
  }
  return layer;
}

}  // namespace

// REGEX=TYPE: anywhere in the tensor's name.
class Types::Rule {
 public:
  Rule(const std::string& text, Target target) {
    const std::size_t equals = text.rfind('=');
    if (equals == text.npos) {
      throw usage_error("option --tensor-dtype").found(kinglet::quoted(text)).allowed("REGEX=TYPE");
    }
    dtype_ = type_named("option --tensor-dtype", text.substr(equals + 1), target);
    int error = 0;
    std::size_t offset = 0;
    code_.reset(pcre2_compile(text_of(text), equals, 0, &error, &offset, nullptr));
    if (code_ == nullptr) {
      throw usage_error(fmt::format("option --tensor-dtype: no regular expression, at character {}", offset))
          .found(kinglet::quoted(text));
    }
    match_.reset(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
  }

  DType dtype() const { return dtype_; }
  bool fits(const std::string& name) const {
    return pcre2_match(code_.get(), text_of(name), name.size(), 0, 0, match_.get(), nullptr) >= 0;
  }

 private:
  std::unique_ptr<pcre2_code, FreeCode> code_;
  std::unique_ptr<pcre2_match_data, FreeMatch> match_;
  DType dtype_ = DType::kF32;
};

Types::Types(const ConvertOptions& options, Target target, std::size_t layers, const ChosenTypes* chosen)
    : target_(target), layers_(layers), chosen_(chosen) {
  if (!options.dtype.empty()) {
    if (target == Target::kGguf) mix_ = mix_named(options.dtype);
    if (mix_ == nullptr) all_ = type_named("option --dtype", options.dtype, target);
  }
  for (const std::string& rule : options.tensor_dtypes) rules_.emplace_back(rule, target);
}
Types::Types(Types&&) noexcept = default;
Types::~Types() = default;

const Types::Rule* Types::rule_for(const PlannedTensor& tensor) const {
  const auto fits = [&](const Rule& rule) { return rule.fits(tensor.source->name) || rule.fits(tensor.name); };
  const auto found = std::find_if(rules_.begin(), rules_.end(), fits);
  return found == rules_.end() ? nullptr : &*found;
}

DType Types::asked_for(const PlannedTensor& tensor) const {
  const TensorInfo& source = *tensor.source;
  if (const Rule* rule = rule_for(tensor)) return rule->dtype();
  if (chosen_ != nullptr) {
    const auto found = chosen_->find(source.name);
    if (found != chosen_->end()) return found->second;
  }
  // GGUF's readers take vectors (norms, biases) as f32.
  if (target_ == Target::kGguf && source.shape.size() < 2) return DType::kF32;
  if (mix_ != nullptr) {
    const std::uint64_t whole[] = {source.shape.front(), 256};  // what the mix asks for before fallback
    return type_for(*mix_, source.name, whole, layer_of(source.name), layers_);
  }
  if (all_) return *all_;
  return holds(target_, source.dtype) ? source.dtype : DType::kF32;
}

void Types::choose(PlannedTensor& tensor) const {
  const TensorInfo& source = *tensor.source;
  tensor.to = source.dtype;
  if (!is_weight(source.dtype)) return;  // positions, masks: as they are
  const DType asked = asked_for(tensor);
  const std::uint64_t width = source.shape.empty() ? 1 : source.shape.back();
  tensor.to = asked == source.dtype ? asked : fallback_for(asked, width);
  if (tensor.to == asked) return;
  tensor.note = fmt::format("rows of {} are no multiple of {}'s block of {}", width, dtype::name_of(asked),
                            dtype::format_of(asked).block);
}

}  // namespace kinglet
