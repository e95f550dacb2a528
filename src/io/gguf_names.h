#pragma once

// What GGUF files call what kinglet calls by the names of the safetensors world.

#include <optional>
#include <string>
#include <string_view>

namespace kinglet::io {

struct GgufArchitecture {
  std::string_view gguf;   // general.architecture
  const char* model_type;  // of a config.json
  bool interleaves_qk;     // the rows of q and k lie as in head_order.h
};

// nullptr where kinglet does not know it.
const GgufArchitecture* gguf_architecture(std::string_view gguf);
// The one whose files hold models of an HF model_type ("mistral" is in files of arch llama).
const GgufArchitecture* gguf_architecture_of(std::string_view model_type);

// "blk.12.attn_q.weight" -> "model.layers.12.self_attn.q_proj.weight"; other names as they are.
std::string kinglet_of_gguf(std::string_view name);
// The other way; nothing for names that the architectures do not know.
std::optional<std::string> gguf_of_kinglet(std::string_view name);

}  // namespace kinglet::io
