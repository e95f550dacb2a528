#include "io/hf_writer.h"

#include <nlohmann/json.hpp>

#include "io/hf_directory.h"

namespace kinglet::io {
namespace {

std::string text_of(const nlohmann::json& json) {
  // Text that is no UTF-8 (a GGUF string) does not belong into a JSON file.
  constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
  return json.dump(2, ' ', false, kReplace) + "\n";
}

}  // namespace

std::vector<NamedText> hf_files(const ModelFile& model, const nlohmann::json& config) {
  std::vector<NamedText> files = {{"config.json", text_of(config)}};
  if (!model.generation.json().empty()) {
    files.push_back({"generation_config.json", text_of(model.generation.json())});
  }
  if (model.tokenizer.kind != TokenizerText::Kind::kNone) {
    files.push_back({tokenizer_file_name(model.tokenizer.kind), model.tokenizer.content});
  }
  if (!model.chat_template.empty()) files.push_back({"chat_template.jinja", model.chat_template});
  return files;
}

}  // namespace kinglet::io
