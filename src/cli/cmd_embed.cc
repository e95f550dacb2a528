// kinglet embed [-m MODEL] TEXT... | -f FILE | --ids 1,2,3: texts to vectors.

#include <fmt/format.h>

#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/embedding.h"
#include "cli/options.h"
#include "cli/output.h"
#include "kinglet/embed.h"
#include "kinglet/error.h"
#include "runtime/dump.h"

namespace kinglet::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options : EmbeddingOptions {
  std::vector<std::string> texts;
  std::string file, ids, dump;
  std::string format = "json";
};

// What is embedded: `names` has what stands for each in the output, a text or its ids.
struct Input {
  std::vector<Json> names;
  std::vector<std::vector<TokenId>> ids;
};

Input read_input(const Model& model, const Options& options) {
  Input input;
  if (!options.ids.empty()) {
    if (!options.texts.empty()) throw usage_error("texts and ids: give one of them").at("--ids");
    input.ids = {given_ids(model, "--ids", options.ids)};
    input.names = {{{"ids", input.ids.front()}}};
    return input;
  }
  const Texts texts = given_texts(options.texts, options.file);
  for (const std::string& text : texts.texts) input.names.push_back({{"text", text}});
  input.ids = ids_of(model, texts);
  return input;
}

// As many digits as give the same float back.
std::string list_of(std::span<const float> values) {
  fmt::memory_buffer text;
  text.push_back('[');
  for (const float value : values) fmt::format_to(std::back_inserter(text), "{}{}", text.size() > 1 ? ", " : "", value);
  text.push_back(']');
  return fmt::to_string(text);
}

// A text's vector, or the list of its tokens'.
std::string vectors_of(const Embeddings& vectors, std::size_t text, Pooling pooling) {
  const std::size_t begin = vectors.first_row(text), end = vectors.first_row(text + 1);
  if (pooling != Pooling::kNone) return list_of(vectors.row(begin));
  std::string list = "[";
  for (std::size_t row = begin; row < end; ++row) list += (row > begin ? ", " : "") + list_of(vectors.row(row));
  return list + "]";
}

// The object with one more member, whose value is JSON already.
std::string with(const Json& object, const std::string& member, const std::string& value) {
  std::string text = object.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.pop_back();
  return fmt::format("{},\"{}\":{}}}", text, member, value);
}

void print_jsonl(const Input& input, const Embeddings& vectors, Pooling pooling) {
  for (std::size_t i = 0; i < vectors.texts(); ++i) {
    print_line(with(input.names[i], "embedding", vectors_of(vectors, i, pooling)));
  }
}

void print_json(const Model& model, const Embeddings& vectors, const EmbedOptions& options) {
  const Json head = {{"model", model.file()},
                     {"pooling", name_of(*options.pooling)},
                     {"layer", options.layer ? Json(*options.layer) : Json("final")},
                     {"normalized", options.normalize},
                     {"dimensions", vectors.width()}};
  std::string list;
  for (std::size_t i = 0; i < vectors.texts(); ++i) {
    list += (i > 0 ? ",\n " : "") + vectors_of(vectors, i, *options.pooling);
  }
  print_line(with(head, "embeddings", "[" + list + "]"));
}

void write_dump(const Model& model, const Input& input, const Options& options, const Embeddings& vectors) {
  if (input.ids.size() != 1) {
    throw usage_error("activations are those of one text").at("--dump").found(fmt::format("{} texts", input.ids.size()));
  }
  dump_activations(model, input.ids.front(),
                   {.threads = options.model.threads, .chunk = options.chunk, .pooled = vectors.values()},
                   options.dump);
}

void embed(const Options& options) {
  if (options.format != "json" && options.format != "jsonl" && options.format != "npy") {
    throw usage_error("an unknown format").at("--format").found(options.format).allowed("json, jsonl, npy");
  }
  EmbedOptions how = embed_options(options);
  const Model model = open_embedder(options);
  if (!how.pooling) how.pooling = default_pooling(model);
  const Input input = read_input(model, options);
  const Embeddings vectors = kinglet::embed(model, input.ids, how);
  if (!options.dump.empty()) {
    EmbedOptions plain = how;
    plain.normalize = false;
    write_dump(model, input, options, kinglet::embed(model, input.ids, plain));
  }
  if (options.format == "npy") {
    print(npy_bytes(vectors));
  } else if (options.format == "jsonl") {
    print_jsonl(input, vectors, *how.pooling);
  } else {
    print_json(model, vectors, how);
  }
  flush();
}

}  // namespace

void add_embed(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("embed", "Turn texts into vectors");
  add_arguments(command, "text", options->texts, "Texts; else -f, --ids, or a line each on stdin")->type_name("TEXT ...");
  CLI::Option* file = command->add_option("-f,--file", options->file, "A text a line; .jsonl: {\"text\": ...} a line");
  file->type_name("FILE");
  command->add_option("--ids", options->ids, "One text as token ids: 1,2,3")->type_name("IDS")->excludes(file);
  add_embedding_options(command, *options);
  command
      ->add_option("--format", options->format,
                   "json: one document; jsonl: a text a line; npy: a row a text (without pooling, a token)")
      ->type_name("json|jsonl|npy")
      ->capture_default_str();
  command->add_flag_callback("--json", [options] { options->format = "json"; }, "The same as --format json");
  command->add_option("--dump", options->dump, "Write the text's activations (safetensors), the vector as pooled")
      ->type_name("FILE");
  set_examples(command, "kinglet embed \"The fox ran home.\" \"The bear slept.\" --format jsonl",
               "kinglet embed -m model.gguf -f texts.jsonl --layer 8 --format npy > vectors.npy");
  command->callback([command, options] {
    take_more_arguments(command, options->texts);
    embed(*options);
  });
}

}  // namespace kinglet::cli
