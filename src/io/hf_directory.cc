#include "io/hf_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/text.h"
#include "io/safetensors.h"
#include "io/strict_json.h"
#include "kinglet/error.h"

namespace kinglet::io {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMaxConfigBytes = 16u << 20;
constexpr std::uint64_t kMaxIndexBytes = 100'000'000;
constexpr std::uint64_t kMaxTokenizerBytes = 200'000'000;
constexpr std::size_t kMaxShards = 1024;
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kWeights = "model.safetensors";
constexpr const char* kConfig = "config.json";
constexpr const char* kGeneration = "generation_config.json";
constexpr const char* kTemplate = "chat_template.jinja";
constexpr const char* kTokenizerConfig = "tokenizer_config.json";

struct TokenizerFile {
  TokenizerText::Kind kind;
  const char* name;
};
// In the order in which they are looked for.
constexpr TokenizerFile kTokenizerFiles[] = {
    {TokenizerText::Kind::kTokenizerJson, "tokenizer.json"},
    {TokenizerText::Kind::kSentencePiece, "tokenizer.model"},
    {TokenizerText::Kind::kVocabTxt, "vocab.txt"},
    {TokenizerText::Kind::kLlama2c, "tokenizer.bin"}};

json read_object(const File& file, std::uint64_t most_bytes) {
  const std::string text = file.read_all(most_bytes);
  return parse_json_object({text, file.name()});
}

Metadata optional_object(const Folder& folder, const char* name) {
  if (!folder.has(name)) return {};
  const File file = folder.open(name);
  return {file.name(), read_object(file, kMaxConfigBytes)};
}

// ---- shards ----

// weight_map, checked: tensor -> plain file name.
std::map<std::string, std::string> read_index(const File& file) {
  const auto refuse = [&file](std::string problem) {
    return refused(std::move(problem)).in(file.name()).at("weight_map");
  };
  const json index = read_object(file, kMaxIndexBytes);
  const auto weight_map = index.find("weight_map");
  if (weight_map == index.end() || !weight_map->is_object() || weight_map->empty()) {
    throw refuse("no object of tensors and their shards");
  }
  std::map<std::string, std::string> shard_of;
  for (const auto& [tensor, shard] : weight_map->items()) {
    if (!shard.is_string()) throw refuse("a shard that is no text").found(kinglet::quoted(tensor));
    const auto& name = shard.get_ref<const std::string&>();
    if (!is_plain_file_name(name) || !name.ends_with(".safetensors")) {
      throw refuse("shard name must be a plain file name in this directory")
          .found(kinglet::quoted(name))
          .allowed("NAME.safetensors");
    }
    shard_of[tensor] = name;
  }
  return shard_of;
}

std::unique_ptr<SafetensorsSource> open_shards(const Folder& folder) {
  const File index = folder.open(kIndex);
  const auto shard_of = read_index(index);
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : shard_of) shards.insert(shard);
  if (shards.size() > kMaxShards) {
    throw refused("too many shards")
        .in(index.name())
        .at("weight_map")
        .found(fmt::format("{}", shards.size()))
        .allowed(fmt::format("at most {}", kMaxShards));
  }

  auto source = std::make_unique<SafetensorsSource>();
  for (const std::string& shard : shards) {
    const std::size_t before = source->tensors().size();
    source->add(folder.open(shard));
    for (const TensorInfo& tensor : source->tensors().subspan(before)) {
      const auto entry = shard_of.find(tensor.name);
      if (entry != shard_of.end() && entry->second == shard) continue;
      throw refused("tensor " + kinglet::quoted(tensor.name) + " is in a shard that the index does not name")
          .in(index.name())
          .at("weight_map")
          .found(kinglet::quoted(shard))
          .allowed(entry == shard_of.end() ? "an entry for it" : kinglet::quoted(entry->second));
    }
  }
  if (source->tensors().size() == shard_of.size()) return source;
  for (const auto& [tensor, shard] : shard_of) {
    if (source->find(tensor) == nullptr) {
      throw refused("tensor " + kinglet::quoted(tensor) + " is not in its shard")
          .in(index.name())
          .at("weight_map")
          .found(kinglet::quoted(shard));
    }
  }
  return source;
}

std::unique_ptr<SafetensorsSource> open_weights(const Folder& folder) {
  if (folder.has(kWeights)) {
    auto source = std::make_unique<SafetensorsSource>();
    source->add(folder.open(kWeights));
    return source;
  }
  if (folder.has(kIndex)) return open_shards(folder);
  const bool has_pickle =
      folder.has("pytorch_model.bin") || folder.has("pytorch_model.bin.index.json");
  throw refused(has_pickle ? "its weights are a PyTorch pickle: convert them to safetensors"
                           : "a directory without weights")
      .in(folder.name())
      .allowed(fmt::format("{} or {}", kWeights, kIndex));
}

// ---- what stands beside the weights ----

std::string chat_template_of(const Folder& folder) {
  if (folder.has(kTemplate)) {
    return folder.open(kTemplate).read_all(kMaxConfigBytes);
  }
  if (!folder.has(kTokenizerConfig)) return "";
  const File file = folder.open(kTokenizerConfig);
  const json config = read_object(file, kMaxConfigBytes);
  const auto entry = config.find("chat_template");
  if (entry == config.end() || entry->is_null()) return "";
  if (entry->is_string()) return entry->get<std::string>();
  // Several by name: [{"name": "default", "template": "..."}].
  const auto text = [](const json& object, const char* key) {
    const bool has = object.is_object() && object.contains(key) && object[key].is_string();
    return has ? object[key].get<std::string>() : std::string();
  };
  for (const json& choice : entry->is_array() ? *entry : json::array()) {
    if (text(choice, "name") == "default") return text(choice, "template");
  }
  throw refused("not a template, nor a list with a default one")
      .in(file.name())
      .at("chat_template");
}

}  // namespace

Folder Folder::on_disk(std::filesystem::path path) {
  Folder folder;
  folder.name_ = printable(path.native());
  folder.path_ = std::move(path);
  folder.on_disk_ = true;
  return folder;
}

Folder Folder::in_memory(std::string name, std::span<const MemoryFile> files) {
  Folder folder;
  folder.name_ = std::move(name);
  folder.files_ = files;
  return folder;
}

bool Folder::has(std::string_view file) const {
  if (on_disk_) {
    // A dangling link is there: it is refused when it is opened, not passed over.
    std::error_code error;
    const auto kind = std::filesystem::symlink_status(path_ / file, error).type();
    return kind != std::filesystem::file_type::not_found && kind != std::filesystem::file_type::none;
  }
  return std::any_of(files_.begin(), files_.end(),
                     [file](const MemoryFile& entry) { return entry.name == file; });
}

File Folder::open(std::string_view file) const {
  if (on_disk_) return File::open(path_ / file);
  for (const MemoryFile& entry : files_) {
    if (entry.name == file) return File::memory(fmt::format("{}/{}", name_, file), entry.bytes);
  }
  throw refused("no such file").in(fmt::format("{}/{}", name_, file));
}

TokenizerText tokenizer_of(const Folder& folder) {
  for (const auto& [kind, name] : kTokenizerFiles) {
    if (!folder.has(name)) continue;
    const File file = folder.open(name);
    return {kind, file.name(), file.read_all(kMaxTokenizerBytes)};
  }
  return {};
}

const char* tokenizer_file_name(TokenizerText::Kind kind) {
  for (const TokenizerFile& row : kTokenizerFiles) {
    if (row.kind == kind) return row.name;
  }
  throw runtime_error("a tokenizer of no kind");
}

ModelFile open_surroundings(const Folder& folder) {
  ModelFile model;
  model.file = folder.name();
  model.format = "safetensors";
  model.config = folder.has(kConfig) ? optional_object(folder, kConfig) : Metadata(folder.name(), json::object());
  model.generation = optional_object(folder, kGeneration);
  model.tokenizer = tokenizer_of(folder);
  model.chat_template = chat_template_of(folder);
  return model;
}

bool is_directory_file(std::string_view name) {
  for (const char* known : {kConfig, kGeneration, kTemplate, kTokenizerConfig}) {
    if (name == known) return true;
  }
  return std::ranges::any_of(kTokenizerFiles, [name](const TokenizerFile& file) { return name == file.name; });
}

ModelFile open_hf_directory(const Folder& folder) {
  if (!folder.has(kConfig)) folder.open(kConfig);  // says what is missing
  ModelFile model = open_surroundings(folder);
  model.tensors = open_weights(folder);
  return model;
}

ModelFile open_safetensors_file(File file, const Folder& folder) {
  ModelFile model = folder.has(kConfig) ? open_surroundings(folder) : ModelFile{};
  model.file = file.name();
  model.format = "safetensors";
  if (!folder.has(kConfig)) model.config = Metadata(file.name(), json::object());
  auto source = std::make_unique<SafetensorsSource>();
  source->add(std::move(file));
  model.tensors = std::move(source);
  return model;
}

}  // namespace kinglet::io
