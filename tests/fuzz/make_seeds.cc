// Writes seeds for the fuzz targets: kinglet_fuzz_seeds FOLDER makes FOLDER/<target>/<seed>.

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "support/tiny_files.h"

namespace {

using kinglet::test::Bytes;
using kinglet::test::GgufBuilder;

void write(const std::filesystem::path& folder, const char* name, const std::string& content) {
  std::filesystem::create_directories(folder);
  std::ofstream(folder / name, std::ios::binary) << content;
}

std::string marked_llama2c(std::int32_t version) {
  Bytes bytes;
  bytes.u32(0x616b3432).i32(version);
  kinglet::test::llama2c_numbers(bytes, {}).u8(1);
  return bytes.i32(4).pad_to_size(256 + 2400).str();
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: kinglet_fuzz_seeds FOLDER\n");
    return 2;
  }
  using namespace kinglet::test;
  const std::filesystem::path folder = arguments[1];

  GgufBuilder keys = tiny_gguf_keys();
  keys.u32("general.alignment", 64).text("llama.rope.scaling.type", "yarn");
  keys.f32("llama.rope.scaling.factor", 2).array("a", GgufBuilder::kBool, 1, "\x01");
  keys.alignment = 64;
  write(folder / "gguf", "tiny", tiny_gguf());
  write(folder / "gguf", "keys", keys.build());
  write(folder / "gguf", "aligned", add_tiny_gguf_tensors(keys).build());
  GgufBuilder quantised;
  quantised.text("general.architecture", "qwen2").tensor("a", {32}, 8, std::string(34, 'q'));
  write(folder / "gguf", "quantised", quantised.build());

  write(folder / "safetensors", "tiny", tiny_safetensors());
  write(folder / "llama2c", "v0", tiny_llama2c());
  write(folder / "llama2c", "v0_untied", tiny_llama2c({}, false));
  write(folder / "llama2c", "v1", marked_llama2c(1));
  write(folder / "llama2c", "v2", marked_llama2c(2));
  write(folder / "json_weights", "tiny", tiny_json_weights());

  const std::string config = tiny_config().dump();
  const std::string index = R"({"weight_map":{"a":"1.safetensors","b":"1.safetensors"}})";
  const std::string tokenizer = R"({"chat_template":[{"name":"default","template":"x"}]})";
  write(folder / "hf_directory", "all",
        config + '\x1e' + index + '\x1e' + tokenizer + '\x1e' + R"({"eos_token_id":[1]})");
  write(folder / "hf_directory", "two", config + '\x1e' + index);
}
