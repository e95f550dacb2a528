// kinglet convert IN OUT: any readable model into an HF directory with float weights.

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "convert/convert.h"
#include "kinglet/error.h"

namespace kinglet::cli {
namespace {

struct Options {
  std::string in, out;
  ConvertOptions convert;
  Verbosity verbosity;
};

void convert(const Options& options) {
  const std::string ending = std::filesystem::path(options.out).extension().string();
  for (const char* later : {".gguf", ".bin", ".json", ".npz"}) {
    if (ending != later) continue;
    throw usage_error("this output format cannot be written yet")
        .found(kinglet::quoted(ending))
        .allowed("a directory (safetensors)");
  }
  const Converted done = kinglet::convert(options.in, options.out, options.convert);
  if (options.verbosity.quiet) return;
  note(fmt::format("{} tensors, {}", done.tensors, human_bytes(done.bytes)));
  if (!done.has_tokenizer) note("warning: the source has no tokenizer.json; none was written");
}

}  // namespace

void add_convert(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("convert", "Write a model as an HF directory");
  command->add_option("in", options->in, "Any model that kinglet reads")->required()->type_name("IN");
  command->add_option("out", options->out, "The directory to make")->required()->type_name("OUT");
  command->add_option("--dtype", options->convert.dtype,
                      "f32, f16 or bf16; default: the source's, f32 for quantised ones")
      ->type_name("TYPE");
  command->add_flag("--force", options->convert.force, "Replace an output that is there");
  add_verbosity(command, options->verbosity);
  set_examples(command, "kinglet convert model.gguf model-f32 --dtype f32",
               "kinglet convert stories15M.bin stories --dtype f16");
  command->callback([options] { convert(*options); });
}

}  // namespace kinglet::cli
