#include "runtime/built_in.h"

#include <cstddef>
#include <span>

// From built_in.S, which the build writes: where each file begins and ends.
extern "C" {
extern const std::byte kinglet_config_begin[], kinglet_config_end[];
extern const std::byte kinglet_generation_begin[], kinglet_generation_end[];
extern const std::byte kinglet_tokenizer_begin[], kinglet_tokenizer_end[];
extern const std::byte kinglet_weights_begin[], kinglet_weights_end[];
}

namespace kinglet {

io::ModelFile open_built_in() {
  const io::MemoryFile files[] = {
      {"config.json", {kinglet_config_begin, kinglet_config_end}},
      {"generation_config.json", {kinglet_generation_begin, kinglet_generation_end}},
      {"tokenizer.json", {kinglet_tokenizer_begin, kinglet_tokenizer_end}},
      {"model.safetensors", {kinglet_weights_begin, kinglet_weights_end}},
  };
  return io::open_model_memory("tales-3m (built in)", files);
}

}  // namespace kinglet
