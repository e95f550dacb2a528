// Fuzz target: a GGUF file, its tensors, every key as text.

#include "io/gguf.h"
#include "io/gguf_model.h"
#include "reading.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kinglet;
  return fuzz::read_all([=] {
    io::ModelFile model = io::open_gguf(fuzz::file_of(data, size));
    for (const io::GgufKey& key : model.gguf->keys()) model.gguf->shown(key);
    return model;
  });
}
