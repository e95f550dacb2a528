// kinglet verify -m MODEL --reference FILE: layer by layer against the reference's activations;
// --against OTHER: against another model file on the same tokens.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "kinglet/error.h"
#include "runtime/compare.h"
#include "runtime/dump.h"

namespace kinglet::cli {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

struct Options {
  ModelOptions model;
  std::string reference, against, text = "Once upon a time there was a king who had three sons.", ids;
  float tolerance = 1e-4f;
  bool json = false;
};

// A file in the temporary directory, gone at the end.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& name)
      : path_(fs::temp_directory_path() / fmt::format("kinglet-{}-{}", ::getpid(), name)) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

void dump(const Model& model, const std::vector<TokenId>& ids, const Options& options,
          const fs::path& path) {
  dump_activations(model, ids, {.cache = CacheKind::kF32, .threads = options.model.threads}, path);
}

std::vector<TokenId> ids_for(const Model& model, const Options& options) {
  if (!options.reference.empty()) return ids_of_activations(options.reference);
  if (!options.ids.empty()) return parse_ids("--ids", options.ids);
  if (model.tokenizer() == nullptr) throw usage_error("the model has no tokenizer: give --ids");
  return model.tokenizer()->encode(options.text);
}

void print_table(const Comparison& comparison, float tolerance) {
  std::size_t width = 6;
  for (const auto& row : comparison.tensors) width = std::max(width, row.name.size());
  print_line(fmt::format("{:<{}}  {:>9}  {:>9}  {:>9}", "tensor", width, "shape", "max error", "relative"));
  for (const auto& row : comparison.tensors) {
    print_line(fmt::format("{:<{}}  {:>9}  {:9.2e}  {:9.2e}  {}", row.name, width, row.shape,
                           row.error, row.relative, row.within ? "ok" : "OFF  " + row.note));
  }
  if (comparison.agreement) {
    print_line(fmt::format("logits: the same best token at {} of {}, mean KL(reference || found) {:.3e}",
                           comparison.agreement->same_best, comparison.agreement->positions,
                           comparison.agreement->mean_kl));
  }
  if (const ComparedTensor* off = comparison.first_off()) {
    print_line(fmt::format("parity: first off: {} ({})", off->name, off->note));
  } else {
    print_line(fmt::format("parity: {} tensors within {:g}", comparison.tensors.size(), tolerance));
  }
}

Json json_of(const Comparison& comparison) {
  Json json = {{"tensors", Json::array()}};
  for (const auto& row : comparison.tensors) {
    json["tensors"].push_back({{"name", row.name}, {"shape", row.shape}, {"error", row.error},
                               {"relative", row.relative}, {"within", row.within}, {"note", row.note}});
  }
  if (comparison.agreement) {
    json["same_best"] = comparison.agreement->same_best;
    json["positions"] = comparison.agreement->positions;
    json["mean_kl"] = comparison.agreement->mean_kl;
  }
  const ComparedTensor* off = comparison.first_off();
  json["first_off"] = off == nullptr ? Json() : Json(off->name);
  return json;
}

int verify(const Options& options) {
  if (options.reference.empty() == options.against.empty()) {
    throw usage_error("give either --reference FILE or --against MODEL");
  }
  const Model model = open_model(options.model);
  const std::vector<TokenId> ids = ids_for(model, options);
  if (ids.empty()) throw usage_error("there is no token to compare at");
  const TemporaryFile found("found.safetensors"), other("other.safetensors");
  dump(model, ids, options, found.path());
  fs::path reference = options.reference;
  if (reference.empty()) {
    dump(Model::open(options.against), ids, options, other.path());
    reference = other.path();
  }
  const Comparison comparison =
      compare_activations(reference, found.path(), static_cast<double>(options.tolerance));
  if (options.json) {
    print_line(json_of(comparison).dump(2));
  } else {
    print_table(comparison, options.tolerance);
  }
  return comparison.first_off() == nullptr ? 0 : static_cast<int>(Fault::kVerification);
}

}  // namespace

void add_verify(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("verify", "Compare with the reference or another model, layer by layer");
  add_model_options(command, options->model);
  command->add_option("--reference", options->reference, "Activations from tools/reference.py")
      ->type_name("FILE");
  command->add_option("--against", options->against, "Another model file")->type_name("MODEL");
  command->add_option("-p,--prompt", options->text, "Text for --against")->type_name("TEXT");
  command->add_option("--ids", options->ids, "Token ids for --against: 1,2,3")->type_name("IDS");
  add_number(command, "--tolerance", options->tolerance, 0, 1e30, "Largest relative error (1e-4)");
  command->add_flag("--json", options->json, "As one JSON document");
  set_examples(command, "kinglet verify -m model --reference reference.safetensors",
               "kinglet verify -m model.gguf --against model --tolerance 0.01");
  command->callback([options, &exit_code] { exit_code = verify(*options); });
}

}  // namespace kinglet::cli
