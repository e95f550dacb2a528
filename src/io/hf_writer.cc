#include "io/hf_writer.h"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/output_file.h"
#include "base/text.h"
#include "io/hf_directory.h"
#include "kinglet/error.h"

namespace kinglet::io {
namespace {

void write_file(const std::filesystem::path& path, std::string_view content) {
  OutputFile file(path);
  file.write(content);
  file.commit();
}

void write_json(const std::filesystem::path& path, const nlohmann::json& json) {
  // Text that is no UTF-8 (a GGUF string) does not belong into a JSON file.
  constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
  write_file(path, json.dump(2, ' ', false, kReplace) + "\n");
}

}  // namespace

void write_hf_files(const std::filesystem::path& folder, const ModelFile& model,
                    const nlohmann::json& config) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    throw runtime_error("cannot make the directory: " + error.message())
        .in(printable(folder.native()));
  }
  write_json(folder / "config.json", config);
  if (!model.generation.json().empty()) {
    write_json(folder / "generation_config.json", model.generation.json());
  }
  if (model.tokenizer.kind != TokenizerText::Kind::kNone) {
    write_file(folder / tokenizer_file_name(model.tokenizer.kind), model.tokenizer.content);
  }
  if (!model.chat_template.empty()) {
    write_file(folder / "chat_template.jinja", model.chat_template);
  }
}

}  // namespace kinglet::io
