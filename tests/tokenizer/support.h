#pragma once

// Tokenizers of the shared vocabularies, which lie beside the project where they are at all.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/file.h"
#include "io/gguf.h"
#include "tokenizer/factories.h"

namespace kinglet::test {

inline std::filesystem::path shared_path(const std::string& name) {
  return std::filesystem::path(KINGLET_SOURCE_DIR) / ".." / "shared" / name;
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline Tokenizer open_gguf(const std::filesystem::path& path) {
  const io::GgufHeader header(File::open(path));
  const auto key = [](const char* name) { return "tokenizer.ggml." + std::string(name); };
  GgufVocabulary keys;
  keys.model = header.string(key("model")).value_or("");
  keys.pre = header.string(key("pre")).value_or("");
  keys.tokens = header.strings(key("tokens")).value_or(std::vector<std::string_view>{});
  keys.scores = header.numbers(key("scores")).value_or(std::vector<float>{});
  keys.token_type = header.integers(key("token_type")).value_or(std::vector<std::int64_t>{});
  keys.merges = header.strings(key("merges")).value_or(std::vector<std::string_view>{});
  if (const auto map = header.integers(key("precompiled_charsmap")))
    for (const std::int64_t byte : *map) keys.precompiled_charsmap.push_back(static_cast<std::uint8_t>(byte));
  keys.bos_token_id = header.integer(key("bos_token_id"));
  keys.eos_token_id = header.integer(key("eos_token_id"));
  keys.unknown_token_id = header.integer(key("unknown_token_id"));
  keys.padding_token_id = header.integer(key("padding_token_id"));
  keys.cls_token_id = header.integer(key("cls_token_id"));
  keys.seperator_token_id = header.integer(key("seperator_token_id"));
  keys.add_bos_token = header.boolean(key("add_bos_token"));
  keys.add_eos_token = header.boolean(key("add_eos_token"));
  keys.add_space_prefix = header.boolean(key("add_space_prefix"));
  keys.remove_extra_whitespaces = header.boolean(key("remove_extra_whitespaces"));
  return from_gguf(header.file(), keys);
}

inline Tokenizer open_vocabulary(const std::filesystem::path& path) {
  if (path.extension() == ".gguf") return open_gguf(path);
  return from_bare_file(path.filename(), read_file(path));
}

}  // namespace kinglet::test
