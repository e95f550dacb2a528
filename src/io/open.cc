#include "io/open.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/text.h"
#include "io/gguf_model.h"
#include "io/hf_directory.h"
#include "io/json_weights.h"
#include "io/llama2c.h"
#include "io/looks_like.h"
#include "io/npz.h"
#include "io/zip.h"
#include "kinglet/error.h"

namespace kinglet::io {
namespace {

constexpr std::uint64_t kMaxTokenizerBytes = 200'000'000;

// The first bytes of a file, fewer where it is shorter.
std::string start_of(const File& file) {
  std::string start(static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), 64)), '\0');
  file.read(0, std::as_writable_bytes(std::span(start)));
  return start;
}

bool starts_as_json(std::string_view start) {
  const std::size_t first = start.find_first_not_of(" \t\r\n");
  return first != start.npos && (start[first] == '{' || start[first] == '[');
}

// A length that could be a header's, then '{'.
bool starts_as_safetensors(std::string_view start) {
  constexpr std::uint64_t kLongest = 1u << 30;
  std::uint64_t length = 0;
  if (start.size() < 9 || start[8] != '{') return false;
  std::memcpy(&length, start.data(), sizeof(length));
  return length < kLongest;
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

Error unknown(const File& file, std::string_view start) {
  return refused("not a model file that kinglet reads" + looks_like(file))
      .in(file.name())
      .at("start", 0)
      .found(kinglet::quoted(start.substr(0, 16)))
      .allowed("GGUF, safetensors, llama2.c .bin, kinglet-json, .npz, or a directory with config.json");
}

ModelFile open_file(File file, const std::filesystem::path& path, TextNumbers numbers) {
  const std::string start = start_of(file);
  const Folder folder = Folder::on_disk(folder_of(path));
  const std::string ending = path.extension().string();
  if (start.starts_with("GGUF")) return open_gguf(std::move(file));
  if (start.starts_with(kZipStart)) return open_npz(std::move(file));
  if (starts_as_json(start)) return open_json_weights(std::move(file), folder, numbers);
  if (starts_as_safetensors(start)) return open_safetensors_file(std::move(file), folder);
  if (has_llama2c_magic(file)) return open_llama2c(std::move(file), folder);
  if (!looks_like(file).empty()) throw unknown(file, start);
  if (could_be_llama2c_v0(file)) return open_llama2c(std::move(file), folder);
  // Nothing is left that it could be; a name that says what it should be makes the better message.
  if (ending == ".bin") return open_llama2c(std::move(file), folder);
  if (ending == ".gguf") return open_gguf(std::move(file));
  if (ending == ".safetensors") return open_safetensors_file(std::move(file), folder);
  if (ending == ".json") return open_json_weights(std::move(file), folder, numbers);
  throw unknown(file, start);
}

}  // namespace

ModelFile open_model_file(const std::filesystem::path& path, TextNumbers numbers) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return open_hf_directory(Folder::on_disk(path));
  return open_file(File::open(path), path, numbers);
}

ModelFile open_model_memory(const std::string& name, std::span<const MemoryFile> files) {
  return open_hf_directory(Folder::in_memory(name, files));
}

TokenizerText open_tokenizer_file(const std::filesystem::path& path) {
  using Kind = TokenizerText::Kind;
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    TokenizerText found = tokenizer_of(Folder::on_disk(path));
    if (found.kind != Kind::kNone) return found;
    throw refused("a directory without a tokenizer")
        .in(printable(path.native()))
        .allowed("tokenizer.json, tokenizer.model or vocab.txt");
  }
  const File file = File::open(path);
  const std::string start = start_of(file);
  if (start.empty() || !looks_like(file).empty()) {
    throw refused("not a vocabulary file" + looks_like(file)).in(file.name()).at("start", 0);
  }
  // A SentencePiece model is a protobuf message whose first field (pieces: number 1, length-delimited)
  // gives the byte 0x0A; a text file of tokens may start so too, but then with an empty line.
  const std::string ending = path.extension().string();
  const Kind kind = starts_as_json(start) && ending != ".txt" ? Kind::kTokenizerJson
                    : ending == ".txt"                        ? Kind::kVocabTxt
                    : ending == ".bin"                        ? Kind::kLlama2c
                    : start[0] == '\n'                        ? Kind::kSentencePiece
                                                              : Kind::kNone;
  if (kind == Kind::kNone) {
    throw refused("not a vocabulary file that kinglet knows")
        .in(file.name())
        .at("start", 0)
        .found(kinglet::quoted(std::string_view(start).substr(0, 16)))
        .allowed("tokenizer.json, a SentencePiece model, vocab.txt, or llama2.c's tokenizer.bin");
  }
  return {kind, file.name(), file.read_all(kMaxTokenizerBytes)};
}

}  // namespace kinglet::io
