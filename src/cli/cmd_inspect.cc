// kinglet inspect [PATH]: what a model file holds, and the memory that running it takes.

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "runtime/inspect.h"

namespace kinglet::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string path;
  RunOptions run;
  bool tensors = false, metadata = false, json = false;
};

void row(std::string_view name, std::string_view value) {
  print_line(fmt::format("{:<14}{}", name, value));
}

void print_summary(const Inspection& found) {
  row("file", found.file);
  row("format", found.format);
  row("architecture", found.architecture);
  row("parameters", fmt::format("{} in {} tensors, {}", found.parameters, found.tensors.size(),
                                human_bytes(found.file_bytes)));
  for (const auto& type : found.types) {
    row("", fmt::format("{:<6} {:>5} tensors  {:>12} values  {:>10}", type.dtype, type.tensors,
                        type.values, human_bytes(type.bytes)));
  }
  row("tokenizer", found.tokenizer);
  row("chat template", found.has_chat_template ? "yes" : "no");
  if (!found.runnable) {
    row("cannot run", found.obstacle);
    return;
  }
  const Inspection::Runnable& r = *found.runnable;
  row("shape", fmt::format("{} layers, width {}, MLP {}, {} heads of {} ({} key/value), vocabulary {}",
                           r.layers, r.width, r.mlp_width, r.heads, r.head_width, r.kv_heads,
                           r.vocabulary));
  row("context", fmt::format("{}", r.context));
  row("memory", fmt::format("weights {}, cache {} at {} tokens, scratch {}",
                            human_bytes(r.weight_bytes), human_bytes(r.cache_bytes),
                            r.cache_context, human_bytes(r.scratch_bytes)));
}

void print_tensors(const Inspection& found) {
  for (const auto& tensor : found.tensors) {
    print_line(fmt::format("{:<52} {:>6} {:>14} {:>12} at {}", tensor.name_in_file, tensor.dtype,
                           tensor.shape, tensor.bytes, tensor.offset));
  }
}

Json json_of(const Inspection& found, const Options& options) {
  Json json = {{"file", found.file},
               {"format", found.format},
               {"architecture", found.architecture},
               {"parameters", found.parameters},
               {"bytes", found.file_bytes},
               {"tokenizer", found.tokenizer},
               {"chat_template", found.has_chat_template}};
  for (const auto& type : found.types) {
    json["types"][type.dtype] = {
        {"tensors", type.tensors}, {"values", type.values}, {"bytes", type.bytes}};
  }
  if (found.runnable) {
    const Inspection::Runnable& r = *found.runnable;
    json["shape"] = {{"layers", r.layers},     {"width", r.width},
                     {"mlp_width", r.mlp_width}, {"heads", r.heads},
                     {"kv_heads", r.kv_heads}, {"head_width", r.head_width},
                     {"vocabulary", r.vocabulary}, {"context", r.context}};
    json["memory"] = {{"weights", r.weight_bytes},
                      {"cache", r.cache_bytes},
                      {"cache_context", r.cache_context},
                      {"scratch", r.scratch_bytes}};
  } else {
    json["cannot_run"] = found.obstacle;
  }
  if (options.tensors) {
    json["tensors"] = Json::array();
    for (const auto& tensor : found.tensors) {
      json["tensors"].push_back({{"name", tensor.name},
                                 {"name_in_file", tensor.name_in_file},
                                 {"dtype", tensor.dtype},
                                 {"shape", tensor.shape},
                                 {"bytes", tensor.bytes},
                                 {"offset", tensor.offset}});
    }
  }
  if (options.metadata) {
    for (const auto& [key, value] : found.metadata) json["metadata"][key] = value;
  }
  return json;
}

void inspect(const Options& options) {
  const Inspection found =
      kinglet::inspect(options.path, {.context = options.run.context,
                                      .cache = cache_kind(options.run),
                                      .chunk = options.run.chunk});
  for (const std::string& warning : found.warnings) note("warning: " + warning);
  if (options.json) {
    print_line(json_of(found, options).dump(2, ' ', false, Json::error_handler_t::replace));
    return;
  }
  print_summary(found);
  if (options.tensors) print_tensors(found);
  if (options.metadata) {
    for (const auto& [key, value] : found.metadata) print_line(fmt::format("{} = {}", key, value));
  }
}

}  // namespace

void add_inspect(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("inspect", "What a model file holds");
  command->add_option("path", options->path, "The model; without it the built-in one")
      ->type_name("PATH");
  command->add_flag("--tensors", options->tensors, "List all tensors");
  command->add_flag("--metadata", options->metadata, "List all keys");
  add_run_options(command, options->run);
  command->add_flag("--json", options->json, "As one JSON document");
  set_examples(command, "kinglet inspect model.gguf --tensors", "kinglet inspect model.gguf -c 4096 --json");
  command->callback([options] { inspect(*options); });
}

}  // namespace kinglet::cli
