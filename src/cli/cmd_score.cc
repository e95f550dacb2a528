// kinglet score -m MODEL -f FILE: how well a model predicts a text; --against: how far it is from
// another one on the same text.

#include <fmt/format.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/score_report.h"
#include "convert/imatrix.h"
#include "kinglet/error.h"
#include "kinglet/score.h"
#include "runtime/model_parts.h"

namespace kinglet::cli {
namespace {

struct Options {
  ModelOptions model;
  RunOptions run;
  Verbosity verbosity;
  std::optional<std::string> text;
  std::string file, ids, against, imatrix, protocol = "sliding", logits, target;
  std::size_t window = 0, stride = 0;
  bool special = false, no_bos = false, tokens = false, json = false;
};

std::string given_text(const Options& options) {
  if (options.text) return *options.text;
  if (!options.file.empty()) return read_file(options.file);
  if (!is_terminal_stdin()) return read_stdin();
  throw usage_error("no text: give -f FILE, -p TEXT, --ids, or text on stdin");
}

ScoredText text_of(const Model& model, const Options& options) {
  ScoredText scored;
  if (!options.ids.empty()) {
    for (const TokenId id : parse_ids("--ids", options.ids)) scored.tokens.push_back({.id = id});
    return scored;
  }
  if (model.tokenizer() == nullptr) {
    throw usage_error("the model has no tokenizer: give --ids, or --tokenizer PATH").in(model.file());
  }
  scored.text = given_text(options);
  const EncodeOptions encode = {.special = options.special ? SpecialTokens::kParsed : SpecialTokens::kAsText};
  scored.tokens = model.tokenizer()->encode_with_offsets(scored.text, encode);
  const bool wants_bos = !options.no_bos && model.bos() && model.adds_bos();
  if (wants_bos && (scored.tokens.empty() || scored.tokens.front().id != *model.bos())) {
    scored.tokens.insert(scored.tokens.begin(), {.id = *model.bos()});
  }
  return scored;
}

ScoreOptions score_options(const Options& options) {
  ScoreOptions score = {.window = options.window != 0 ? options.window : options.run.context,
                        .stride = options.stride,
                        .cache = cache_kind(options.run),
                        .threads = options.model.threads,
                        .chunk = options.run.chunk};
  if (options.protocol == "llama.cpp") {
    score.protocol = ScoreProtocol::kLlamaCpp;
  } else if (options.protocol != "sliding") {
    throw usage_error("option --protocol").found(options.protocol).allowed("sliding, llama.cpp");
  }
  if (options.stride != 0 && score.protocol == ScoreProtocol::kLlamaCpp) {
    throw usage_error("--stride is for --protocol sliding");
  }
  return score;
}

// How far it is, on a line of stderr that is written over, at most ten times a second.
class Progress {
 public:
  explicit Progress(const Options& options) : shows_(!options.verbosity.quiet && is_terminal_stderr()) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(std::size_t done, std::size_t of) {
    const auto now = std::chrono::steady_clock::now();
    if (!shows_ || now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    is_shown_ = true;
    fmt::print(stderr, "\r{:3.0f} % of {} tokens", 100 * static_cast<double>(done) / static_cast<double>(of), of);
    std::fflush(stderr);
  }
  void clear() {
    if (is_shown_) fmt::print(stderr, "\r\x1B[K");
    is_shown_ = false;
  }

 private:
  bool shows_, is_shown_ = false;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// The name of the matrix that gives the logits.
std::string head_of(const Model& model) {
  for (const arch::Matrix& matrix : model.parts().model->matrices()) {
    if (matrix.rows == arch::Matrix::Rows::kWanted) return matrix.name;
  }
  return "";
}

// The importance matrix of what the model was shown, where it was shown all of it.
void write_imatrix_of(const ImportanceCollector& importance, const Score& score, const Options& options) {
  if (score.is_interrupted) return;
  ImatrixText text;
  text.dataset = options.file.empty() ? "text" : std::filesystem::path(options.file).filename().string();
  text.chunks = score.windows;
  text.chunk_tokens = score.windows == 0 ? 0 : score.evaluated / score.windows;
  write_imatrix(options.imatrix, importance.result(), text);
}

int run(const Options& options) {
  if (!options.logits.empty()) {
    print_logits(options.logits, options.target, options.json);
    return 0;
  }
  if (!options.imatrix.empty() && !options.against.empty()) throw usage_error("--imatrix is not for --against");
  const ScoreOptions score_with = score_options(options);
  const Model model = open_model(options.model);
  if (!options.verbosity.quiet) {
    for (const std::string& warning : model.warnings()) note("warning: " + warning);
  }
  const ScoredText text = text_of(model, options);
  if (!options.verbosity.quiet && score_with.window > model.context()) {
    note(fmt::format("warning: a window of {} is more than the {} the model was made for", score_with.window,
                     model.context()));
  }
  catch_interrupts();
  Progress progress(options);
  ScoreWatch watch;
  watch.is_interrupted = [] { return interrupt() != 0; };
  watch.on_progress = [&](std::size_t done, std::size_t of) { progress.show(done, of); };
  if (options.tokens) watch.on_token = [&](const TokenScore& token) { print_line(token_line(text, token)); };

  const ScoreReport report = {.model = model.file(), .protocol = options.protocol, .json = options.json,
                              .indent = options.tokens ? -1 : 2};
  std::string summary;
  bool is_interrupted = false;
  if (options.against.empty()) {
    ImportanceCollector importance(head_of(model));
    if (!options.imatrix.empty()) {
      watch.on_activation = [&](std::string_view name, int layer, std::span<const float> row) {
        importance.add(name, layer, row);
      };
    }
    const Score score = kinglet::score(model, text.tokens, text.text.size(), score_with, watch);
    is_interrupted = score.is_interrupted;
    if (!options.imatrix.empty()) write_imatrix_of(importance, score, options);
    summary = report_of(score, report);
  } else {
    const Model reference = Model::open(options.against, {.tokenizer = {}, .threads = options.model.threads});
    const Divergence divergence =
        score_against(model, reference, text.tokens, text.text.size(), score_with, watch);
    is_interrupted = divergence.model.is_interrupted;
    summary = report_of(divergence, text, model, report);
  }
  progress.clear();
  if (options.tokens && !options.json) {  // stdout holds lines of JSON and nothing else
    flush();
    note("scored\n" + summary);
  } else {
    print_line(summary);
  }
  flush();
  return is_interrupted ? 128 + interrupt() : 0;
}

}  // namespace

void add_score(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("score", "How well a model predicts a text: perplexity, bits per byte");
  add_model_options(command, options->model);
  command->add_option("-f,--file", options->file, "The text")->type_name("FILE");
  command->add_option("-p,--prompt", options->text, "The text itself; else -f, --ids or stdin")->type_name("TEXT");
  command->add_option("--ids", options->ids, "The text as token ids: 1,2,3")->type_name("IDS");
  command->add_flag("--special", options->special, "Parse special tokens in the text");
  command->add_flag("--no-bos", options->no_bos, "No BOS in front of the text");
  command->add_option("--protocol", options->protocol,
                      "sliding (default): windows overlap, all tokens are scored; llama.cpp: windows "
                      "side by side, the second half of each is scored")
      ->type_name("NAME");
  add_integer(command, "--window", options->window, 2, 1 << 30,
              "Tokens of a window; default: -c, else the model's context, 2048 at most (llama.cpp: 512)");
  add_integer(command, "--stride", options->stride, 1, 1 << 30, "From window to window; default: half of it");
  command->add_flag("--tokens", options->tokens, "A line of JSON for each token on stdout; the rest on stderr");
  command->add_option("--against", options->against, "A reference model: KL divergence, agreement, worst tokens")
      ->type_name("MODEL");
  command->add_option("--imatrix", options->imatrix,
                      "Write the importance matrix of the text, for convert --imatrix (a GGUF file as llama.cpp has them)")
      ->type_name("FILE");
  command->add_option("--logits", options->logits,
                      "No model: softmax of given logits ([1,2,3], a .json, .jsonl or .npy file)")
      ->type_name("ROW");
  command->add_option("--target", options->target, "With --logits: cross-entropy of this index")->type_name("I");
  add_run_options(command, options->run);
  command->add_flag("--json", options->json, "As one JSON document (with --tokens: the last line)");
  add_verbosity(command, options->verbosity);
  set_examples(command, "kinglet score -m model.gguf -f book.txt",
               "kinglet score -m model-q4.gguf --against model-f16.gguf -f book.txt --window 512");
  command->callback([options, &exit_code] { exit_code = run(*options); });
}

}  // namespace kinglet::cli
