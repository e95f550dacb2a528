// Fuzz target: the JSON files of an HF directory. The input is config.json, the index,
// tokenizer_config.json and generation_config.json, one behind the other with a 0x1E byte between;
// the index may name one shard, "1.safetensors".

#include "io/hf_directory.h"

#include <algorithm>

#include "reading.h"
#include "support/tiny_files.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kinglet;
  static const std::string kShard = test::tiny_safetensors();
  std::span<const std::byte> rest = std::as_bytes(std::span(data, size));
  std::vector<io::MemoryFile> files = {{"1.safetensors", std::as_bytes(std::span(kShard))}};
  for (const char* name : {"config.json", "model.safetensors.index.json", "tokenizer_config.json",
                           "generation_config.json"}) {
    const auto end = std::find(rest.begin(), rest.end(), std::byte{0x1E});
    const auto length = static_cast<std::size_t>(end - rest.begin());
    files.push_back({name, rest.first(length)});
    if (end == rest.end()) break;
    rest = rest.subspan(length + 1);
  }
  return fuzz::read_all([&files] { return io::open_model_memory("folder", files); });
}
