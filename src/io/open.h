#pragma once

// Opens any model file that kinglet reads, by content: GGUF, an HF directory (config.json,
// safetensors, tokenizer.json), a llama2.c checkpoint, a kinglet-json file, a NumPy archive.
// The formats are documented at the head of the file that reads each: gguf.h, safetensors.h,
// hf_directory.h, llama2c.h, json_weights.h, npz.h.

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "tensor/metadata.h"
#include "tensor/source.h"

namespace kinglet::io {

class GgufHeader;  // gguf.h

// What the file brings of its tokenizer, unparsed: runtime/ hands it to tokenizer/.
struct TokenizerText {
  enum class Kind { kNone, kTokenizerJson, kSentencePiece, kLlama2c, kVocabTxt };
  Kind kind = Kind::kNone;
  std::string file;     // printable name, for messages
  std::string content;  // the file's bytes
};

struct ModelFile {
  std::string file;           // the path as given, printable
  std::string format;         // "GGUF v3", "safetensors", "llama2.c v0", "kinglet-json v1", "NumPy .npz"
  std::unique_ptr<TensorSource> tensors;
  Metadata config;            // keys of an HF config.json, whatever the format
  Metadata generation;        // keys of a generation_config.json; may be empty
  TokenizerText tokenizer;    // from the directory or from beside the file; may be kNone
  std::shared_ptr<const GgufHeader> gguf;  // for a GGUF file: its keys, the vocabulary among them
  std::string chat_template;  // Jinja source, or empty
  std::vector<std::string> warnings;  // one line each
};

// What numbers written as text become: transformers compute in f32, dense networks in f64.
enum class TextNumbers { kF32, kF64 };

// Errors: kRefused, naming file, field and offset.
ModelFile open_model_file(const std::filesystem::path& path,
                          TextNumbers numbers = TextNumbers::kF32);

// A vocabulary without a model: tokenizer.json, a SentencePiece model, vocab.txt, llama2.c's
// tokenizer.bin, or a directory that holds one. (A GGUF vocabulary is a model file.)
// Errors: kRefused.
TokenizerText open_tokenizer_file(const std::filesystem::path& path);

// An HF directory that lies in memory: files by their plain names ("config.json", ...).
struct MemoryFile {
  std::string name;
  std::span<const std::byte> bytes;  // outlive the ModelFile
};
ModelFile open_model_memory(const std::string& name, std::span<const MemoryFile> files);

}  // namespace kinglet::io
