#pragma once

// A Hugging Face model directory:
//
//   config.json                    required
//   model.safetensors              the weights in one file, or
//   model.safetensors.index.json   {"weight_map": {"tensor": "shard.safetensors"}}, and the shards
//   generation_config.json         optional, as are
//   tokenizer.json, tokenizer.model, vocab.txt, tokenizer.bin   the first of these that is there
//   chat_template.jinja, tokenizer_config.json                  the template's own file goes first
//
// Shards are plain names in the directory; symbolic links, as in the hub's cache, are followed.
// Nothing else in the directory is read, and nothing is executed.

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/file.h"
#include "io/open.h"

namespace kinglet::io {

// The files of one directory, on disk or in memory, by plain name.
class Folder {
 public:
  static Folder on_disk(std::filesystem::path path);
  static Folder in_memory(std::string name, std::span<const MemoryFile> files);

  const std::string& name() const { return name_; }  // printable
  bool has(std::string_view file) const;
  File open(std::string_view file) const;  // Errors (kRefused): absent, not a regular file

 private:
  std::string name_;
  std::filesystem::path path_;
  std::span<const MemoryFile> files_;
  bool on_disk_ = false;
};

// Errors (kRefused): malformed or inconsistent.
ModelFile open_hf_directory(const Folder& folder);

// Everything but the weights; an empty configuration where there is no config.json.
ModelFile open_surroundings(const Folder& folder);
// Whether it is the name of one of those files.
bool is_directory_file(std::string_view name);

// One safetensors file; config, tokenizer and template come from the folder around it, if it has them.
ModelFile open_safetensors_file(File file, const Folder& folder);

// The tokenizer of a directory, kNone where it has none.
TokenizerText tokenizer_of(const Folder& folder);
// The name of a tokenizer's file in a directory; `kind` is not kNone.
const char* tokenizer_file_name(TokenizerText::Kind kind);

}  // namespace kinglet::io
