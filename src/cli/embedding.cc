#include "cli/embedding.h"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.h"
#include "cli/output.h"
#include "kinglet/error.h"

namespace kinglet::cli {
namespace {

Texts texts_of_lines(std::string_view content, const std::string& name) {
  Texts texts{.texts = {}, .origin = {.file = name, .lines = {}}};
  for (std::size_t number = 1; !content.empty(); ++number) {
    const std::size_t end = std::min(content.find('\n'), content.size());
    std::string_view line = content.substr(0, end);
    content.remove_prefix(std::min(end + 1, content.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == line.npos) continue;
    texts.texts.emplace_back(line);
    texts.origin.lines.push_back(number);
  }
  return texts;
}

Texts texts_of_json_lines(std::string_view content, const std::string& name) {
  Texts texts{.texts = {}, .origin = {.file = name, .lines = {}}};
  dense::for_each_json_line(content, name, [&](const nlohmann::json& line, std::size_t number) {
    texts.origin.lines.push_back(number);
    const auto text = line.find("text");
    if (!line.is_object() || text == line.end() || !text->is_string()) {
      throw texts.origin.error("a line has no \"text\" that is a string", texts.texts.size());
    }
    texts.texts.push_back(text->get<std::string>());
  });
  return texts;
}

// As a message names it: "tales.txt:7", or "TEXT 2" for the second argument.
std::string place_of(const Texts& texts, std::size_t index) {
  const dense::Origin& origin = texts.origin;
  return origin.lines.empty() ? fmt::format("{} {}", origin.file, index + 1)
                              : fmt::format("{}:{}", origin.file, origin.lines[index]);
}

}  // namespace

void add_embedding_options(CLI::App* command, EmbeddingOptions& options) {
  add_model_options(command, options.model);
  command->add_option("--pooling", options.pooling, "mean, cls (the first), last or none; default: the model's, else mean")
      ->type_name("HOW");
  command
      ->add_option("--layer", options.layer,
                   "Hidden states: 0 is the input of the first block, N the output of block N; default: final, behind the last norm")
      ->type_name("N");
  command->add_flag("--no-normalize", options.no_normalize, "Vectors as they are, not of length 1");
  add_integer(command, "--dimensions", options.dimensions, 1, 1 << 20, "Only the first N of a vector");
  add_integer(command, "--chunk", options.chunk, 1, 65536, "Tokens per pass; changes speed and memory, never a bit");
  command->add_flag("-q,--quiet", options.quiet, "Say less on stderr");
}

HiddenLayer parse_layer(const std::string& text) {
  if (text.empty() || text == "final") return std::nullopt;
  return static_cast<std::size_t>(parse_integer("--layer", text, 0, std::numeric_limits<std::int32_t>::max()));
}

std::string layer_name(HiddenLayer layer) { return layer ? fmt::format("{}", *layer) : "final"; }

EmbedOptions embed_options(const EmbeddingOptions& options) {
  EmbedOptions result = {.pooling = pooling_named(options.pooling),
                         .layer = parse_layer(options.layer),
                         .dimensions = options.dimensions,
                         .normalize = !options.no_normalize,
                         .threads = options.model.threads,
                         .chunk = options.chunk};
  if (!options.pooling.empty() && !result.pooling) {
    throw usage_error("an unknown pooling").at("--pooling").found(kinglet::quoted(options.pooling)).allowed("mean, cls, last, none");
  }
  return result;
}

Model open_embedder(const EmbeddingOptions& options) {
  Model model = open_model(options.model);
  if (!options.quiet) {
    for (const std::string& warning : model.warnings()) note("warning: " + warning);
  }
  return model;
}

Texts read_texts(const std::string& path) {
  const std::string content = path == "-" ? read_stdin() : read_file(path);
  const std::string name = path == "-" ? "stdin" : printable(path);
  Texts texts = path.ends_with(".jsonl") ? texts_of_json_lines(content, name) : texts_of_lines(content, name);
  if (texts.texts.empty()) throw refused("no text").in(name);
  return texts;
}

Texts given_texts(const std::vector<std::string>& arguments, const std::string& file) {
  if (!arguments.empty()) {
    if (!file.empty()) throw usage_error("texts and a file: give one of them").at("-f");
    return {arguments, {.file = "TEXT", .lines = {}, .fault = Fault::kUsage}};
  }
  if (!file.empty()) return read_texts(file);
  if (!is_terminal_stdin()) return read_texts("-");
  throw usage_error("no text: give TEXT, -f FILE, or lines on stdin");
}

std::vector<std::vector<TokenId>> ids_of(const Model& model, const Texts& texts) {
  if (model.tokenizer() == nullptr) {
    throw usage_error("the model has no tokenizer: give --tokenizer PATH").in(model.file());
  }
  std::vector<std::vector<TokenId>> ids;
  for (std::size_t i = 0; i < texts.texts.size(); ++i) {
    try {
      ids.push_back(embedding_ids(model, texts.texts[i]));
    } catch (Error& error) {
      throw error.in(place_of(texts, i));
    }
  }
  return ids;
}

}  // namespace kinglet::cli
