// Fuzz target: a kinglet-json file with a blob of 64 bytes beside it.

#include "io/json_weights.h"

#include "reading.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kinglet;
  static const std::byte kBlob[64] = {};
  static const io::MemoryFile kFiles[] = {{"model.blob", kBlob}};
  return fuzz::read_all([=] {
    return io::open_json_weights(fuzz::file_of(data, size), io::Folder::in_memory("folder", kFiles));
  });
}
