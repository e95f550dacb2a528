#include "runtime/inspect.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "arch/registry.h"
#include "base/text.h"
#include "dtype/format.h"
#include "dtype/pack_panel.h"
#include "io/gguf.h"
#include "io/open.h"
#include "kinglet/error.h"
#include "nn/kv_cache.h"
#include "nn/workspace.h"
#include "runtime/built_in.h"
#include "runtime/cache_type.h"
#include "runtime/open_tokenizer.h"
#include "tensor/weight.h"

namespace kinglet {
namespace {

std::uint64_t values_of(const TensorInfo& tensor) {
  std::uint64_t values = 1;
  for (const std::uint64_t dimension : tensor.shape) values *= dimension;
  return values;
}

void list_tensors(const TensorSource& source, Inspection& out) {
  std::map<DType, Inspection::TypeRow> types;
  for (const TensorInfo& tensor : source.tensors()) {
    const std::uint64_t values = values_of(tensor);
    out.tensors.push_back({printable(tensor.name), printable(tensor.name_in_file),
                           dtype::name_of(tensor.dtype),
                           fmt::format("{}", fmt::join(tensor.shape, "x")), tensor.nbytes,
                           tensor.offset});
    Inspection::TypeRow& row = types[tensor.dtype];
    row.dtype = dtype::name_of(tensor.dtype);
    ++row.tensors;
    row.values += values;
    row.bytes += tensor.nbytes;
    out.parameters += values;
    out.file_bytes += tensor.nbytes;
  }
  for (const auto& [dtype, row] : types) out.types.push_back(row);
  std::stable_sort(out.types.begin(), out.types.end(),
                   [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
}

void list_metadata(const io::ModelFile& file, Inspection& out) {
  if (file.gguf != nullptr) {
    for (const io::GgufKey& key : file.gguf->keys()) {
      out.metadata.emplace_back(printable(key.name), file.gguf->shown(key));
    }
    return;
  }
  for (const Metadata* metadata : {&file.config, &file.generation}) {
    for (const auto& [key, value] : metadata->json().items()) {
      out.metadata.emplace_back(
          printable(key),
          printable(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
    }
  }
}

// A matrix's panels, or a vector's floats.
std::uint64_t packed_bytes(const TensorInfo& tensor) {
  if (tensor.shape.size() != 2 || dtype::format_of(tensor.dtype).unpack == nullptr) {
    return values_of(tensor) * sizeof(float);
  }
  const std::uint64_t panels = (tensor.shape[0] + kPanelRows - 1) / kPanelRows;
  return panels * dtype::panel_bytes(tensor.dtype, static_cast<std::size_t>(tensor.shape[1]));
}

Inspection::Runnable sizes_of(const io::ModelFile& file, const InspectOptions& options) {
  const nn::Shape shape = arch::shape_of(file.config);
  Inspection::Runnable sizes = {.layers = shape.layers,
                                .width = shape.width,
                                .mlp_width = shape.mlp_width,
                                .heads = shape.heads,
                                .kv_heads = shape.kv_heads,
                                .head_width = shape.head_width,
                                .vocabulary = shape.vocabulary,
                                .context = shape.context};
  for (const TensorInfo& tensor : file.tensors->tensors()) {
    sizes.weight_bytes += packed_bytes(tensor);
  }
  sizes.cache_context = options.context == 0 ? shape.context : options.context;
  sizes.cache_bytes = nn::KvCache::bytes_needed(
      shape, sizes.cache_context,
      cache_type(options.cache));
  sizes.scratch_bytes = nn::Workspace::bytes_needed(shape, options.chunk, 1);
  return sizes;
}

}  // namespace

Inspection inspect(const std::filesystem::path& path, const InspectOptions& options) {
  const io::ModelFile file = path.empty() ? open_built_in() : io::open_model_file(path);
  Inspection out;
  out.file = file.file;
  out.format = file.format;
  out.warnings = file.warnings;
  out.has_chat_template = !file.chat_template.empty();
  list_tensors(*file.tensors, out);
  list_metadata(file, out);
  try {
    out.architecture = printable(file.config.string_or("model_type", "unknown"));
    out.runnable = sizes_of(file, options);
  } catch (const Error& error) {
    out.obstacle = error.what();
  }
  try {
    const std::optional<Tokenizer> tokenizer = open_tokenizer(file);
    out.tokenizer = tokenizer ? fmt::format("{} entries", tokenizer->size()) : "none";
  } catch (const Error& error) {
    out.tokenizer = error.what();
  }
  return out;
}

}  // namespace kinglet
