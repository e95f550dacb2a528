#include "arch/registry.h"

#include <fmt/format.h>

#include "arch/llama.h"
#include "base/text.h"
#include "kinglet/error.h"

namespace kinglet::arch {
namespace {

struct Architecture {
  const char* model_type;
  std::unique_ptr<Model> (*bind)(const Metadata&, const TensorSource&, Team&, Math);
  nn::Shape (*shape)(const Metadata&);
};

constexpr Architecture kArchitectures[] = {
    {"llama", bind_llama, llama_shape},
    {"mistral", bind_llama, llama_shape},
    {"qwen2", bind_llama, llama_shape},
};

const Architecture& find(const Metadata& config) {
  const std::string type = config.string("model_type");
  for (const Architecture& architecture : kArchitectures) {
    if (type == architecture.model_type) return architecture;
  }
  if (type == "mlp") {
    throw refused("a dense network takes vectors, not tokens: kinglet run --input").in(config.file()).at("model_type");
  }
  throw refused("this architecture is not supported")
      .in(config.file())
      .at("model_type")
      .found(quoted(type))
      .allowed(supported());
}

}  // namespace

std::unique_ptr<Model> bind_model(const Metadata& config, const TensorSource& tensors, Team& team, Math math) {
  return find(config).bind(config, tensors, team, math);
}

nn::Shape shape_of(const Metadata& config) { return find(config).shape(config); }

std::string supported() {
  std::string list;
  for (const Architecture& architecture : kArchitectures) {
    list += fmt::format("{}{}", list.empty() ? "" : ", ", architecture.model_type);
  }
  return list;
}

}  // namespace kinglet::arch
