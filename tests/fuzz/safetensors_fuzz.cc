// Fuzz target: one safetensors file.

#include "io/hf_directory.h"
#include "reading.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kinglet;
  return fuzz::read_all([=] {
    return io::open_safetensors_file(fuzz::file_of(data, size), io::Folder::in_memory("folder", {}));
  });
}
