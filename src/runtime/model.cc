#include "kinglet/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "arch/registry.h"
#include "base/cpu.h"
#include "base/team.h"
#include "base/text.h"
#include "io/open.h"
#include "kinglet/error.h"
#include "runtime/built_in.h"
#include "runtime/model_parts.h"
#include "runtime/open_tokenizer.h"
#include "tensor/source.h"

namespace kinglet {
namespace {

// A token id of the configuration; out of the vocabulary, it is a warning and none.
std::optional<TokenId> usable_id(std::int64_t id, const char* key, Model::Parts& parts) {
  const auto vocabulary = static_cast<std::int64_t>(parts.model->shape().vocabulary);
  if (id >= 0 && id < vocabulary) return static_cast<TokenId>(id);
  parts.warnings.push_back(
      fmt::format("{} {} is outside the vocabulary of {} and is not used", key, id, vocabulary));
  return std::nullopt;
}

void read_end_ids(const io::ModelFile& file, Model::Parts& parts) {
  std::vector<std::int64_t> ids;
  for (const Metadata* metadata : {&file.config, &file.generation}) {
    if (!metadata->has("eos_token_id")) continue;
    for (const std::int64_t id : metadata->integers("eos_token_id")) ids.push_back(id);
  }
  if (parts.tokenizer && parts.tokenizer->eos_id()) ids.push_back(*parts.tokenizer->eos_id());
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  for (const std::int64_t id : ids) {
    if (const auto usable = usable_id(id, "eos_token_id", parts)) parts.end_ids.push_back(*usable);
  }
}

void read_bos(const io::ModelFile& file, Model::Parts& parts) {
  if (parts.tokenizer) {
    parts.bos = parts.tokenizer->bos_id();
    parts.adds_bos = parts.tokenizer->adds_bos();
  }
  if (!parts.bos && file.config.has("bos_token_id")) {
    for (const std::int64_t id : file.config.integers("bos_token_id")) {
      if (!parts.bos) parts.bos = usable_id(id, "bos_token_id", parts);
    }
  }
}

SamplerOptions sampling_of(const Metadata& generation) {
  SamplerOptions sampling;
  if (!generation.boolean_or("do_sample", true)) sampling.temperature = 0;
  const auto number = [&](const char* key, float absent) {
    return static_cast<float>(generation.number_or(key, static_cast<double>(absent)));
  };
  sampling.temperature = number("temperature", sampling.temperature);
  sampling.top_p = number("top_p", sampling.top_p);
  sampling.min_p = number("min_p", sampling.min_p);
  sampling.typical = number("typical_p", sampling.typical);
  sampling.repeat_penalty = number("repetition_penalty", sampling.repeat_penalty);
  sampling.top_k = static_cast<int>(generation.integer_or("top_k", sampling.top_k, 0));
  return sampling;
}

// Ids that the tokenizer can give must have rows in the model.
void check_vocabulary(const Model::Parts& parts) {
  const std::size_t rows = parts.model->shape().vocabulary;
  if (!parts.tokenizer || parts.tokenizer->size() <= rows) return;
  throw refused("the tokenizer has more tokens than the model has rows")
      .in(parts.file)
      .at("vocabulary")
      .found(fmt::format("{} tokens", parts.tokenizer->size()))
      .allowed(fmt::format("at most {}", rows));
}

// A small model is packed before a second thread has started.
std::size_t packing_threads(const TensorSource& tensors, std::size_t wanted) {
  constexpr std::uint64_t kPerThread = 16 << 20;
  std::uint64_t bytes = 0;
  for (const TensorInfo& tensor : tensors.tensors()) bytes += tensor.nbytes;
  const std::size_t most = wanted == 0 ? usable_cores() : wanted;
  return static_cast<std::size_t>(std::min<std::uint64_t>(most, 1 + bytes / kPerThread));
}

std::unique_ptr<const Model::Parts> bind(io::ModelFile file, const OpenOptions& options) {
  auto parts = std::make_unique<Model::Parts>();
  parts->file = file.file;
  parts->format = file.format;
  parts->warnings = std::move(file.warnings);
  parts->chat_template = std::move(file.chat_template);

  Team team(packing_threads(*file.tensors, options.threads));
  parts->model = arch::bind_model(file.config, *file.tensors, team, options.math);
  parts->tokenizer = options.tokenizer.empty()
                         ? open_tokenizer(file)
                         : open_tokenizer(options.tokenizer, parts->model->shape().vocabulary);
  check_vocabulary(*parts);
  if (parts->tokenizer) {
    for (const std::string& warning : parts->tokenizer->warnings()) {
      parts->warnings.push_back(warning);
    }
  }
  read_end_ids(file, *parts);
  read_bos(file, *parts);
  parts->sampling = sampling_of(file.generation);
  return parts;
}

}  // namespace

Model Model::open(const std::filesystem::path& path, const OpenOptions& options) {
  return Model(bind(io::open_model_file(path), options));
}

Model Model::built_in(const OpenOptions& options) {
  return Model(bind(open_built_in(), options));
}

Model::Model(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

const std::string& Model::file() const { return parts_->file; }
const std::string& Model::format() const { return parts_->format; }
std::size_t Model::vocabulary() const { return parts_->model->shape().vocabulary; }
std::size_t Model::layers() const { return parts_->model->shape().layers; }
std::size_t Model::width() const { return parts_->model->shape().width; }
std::size_t Model::context() const { return parts_->model->shape().context; }
std::size_t Model::weight_bytes() const { return parts_->model->weight_bytes(); }
const Tokenizer* Model::tokenizer() const {
  return parts_->tokenizer ? &*parts_->tokenizer : nullptr;
}
std::optional<TokenId> Model::bos() const { return parts_->bos; }
bool Model::adds_bos() const { return parts_->adds_bos; }
std::span<const TokenId> Model::end_ids() const { return parts_->end_ids; }
const SamplerOptions& Model::sampling() const { return parts_->sampling; }
std::span<const std::string> Model::warnings() const { return parts_->warnings; }

}  // namespace kinglet
