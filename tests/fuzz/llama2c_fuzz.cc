// Fuzz target: a llama2.c checkpoint of any version.

#include "io/llama2c.h"

#include "reading.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kinglet;
  return fuzz::read_all([=] {
    return io::open_llama2c(fuzz::file_of(data, size), io::Folder::in_memory("folder", {}));
  });
}
