#include "cli/generation.h"

#include <fmt/format.h>

#include <limits>
#include <random>

#include "base/text.h"
#include "cli/output.h"
#include "kinglet/error.h"
#include "runtime/draft.h"

namespace kinglet::cli {
namespace {

SamplerOptions sampling_of(const Model& model, const GenerationOptions& options) {
  SamplerOptions sampling = model.sampling();
  const auto take = [&](const char* name, float& value) {
    const auto given = options.sampling.find(name);
    if (given != options.sampling.end()) value = static_cast<float>(given->second);
  };
  take("--temp", sampling.temperature);
  take("--top-p", sampling.top_p);
  take("--min-p", sampling.min_p);
  take("--typical", sampling.typical);
  take("--repeat-penalty", sampling.repeat_penalty);
  take("--presence-penalty", sampling.presence_penalty);
  take("--frequency-penalty", sampling.frequency_penalty);
  if (const auto k = options.sampling.find("--top-k"); k != options.sampling.end()) {
    sampling.top_k = static_cast<int>(k->second);
  }
  for (const std::string& entry : options.logit_bias) {
    const std::size_t equals = std::min(entry.find('='), entry.size());
    const auto id = parse_integer("--logit-bias", entry.substr(0, equals), 0,
                                  std::numeric_limits<TokenId>::max());
    const double bias = parse_number(
        "--logit-bias", equals < entry.size() ? entry.substr(equals + 1) : "", -1e30, 1e30);
    sampling.logit_bias.emplace_back(static_cast<TokenId>(id), static_cast<float>(bias));
  }
  return sampling;
}

std::uint64_t drawn_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

std::string given_text(const GenerationOptions& options) {
  if (options.prompt) return *options.prompt;
  if (!options.file.empty()) return read_file(options.file);
  if (!is_terminal_stdin()) return read_stdin();
  throw usage_error("no prompt: give -p TEXT, -f FILE, --ids, or text on stdin");
}

void add_sampling_options(CLI::App* command, GenerationOptions& options) {
  const auto add = [&](const char* name, double min, double max, const char* help) {
    command
        ->add_option_function<std::string>(
            name,
            [&options, name, min, max](const std::string& text) {
              options.sampling[name] = parse_number(name, text, min, max);
            },
            help)
        ->type_name("X")
        ->group("Sampling");
  };
  constexpr double kAny = 1e30;
  add("--temp", 0, 1000, "Temperature; 0 is greedy (default 0.8, or the model's)");
  command
      ->add_option_function<std::string>(
          "--top-k",
          [&options](const std::string& text) {
            options.sampling["--top-k"] =
                static_cast<double>(parse_integer("--top-k", text, 0, 1 << 20));
          },
          "Keep the K best; 0 is off")
      ->type_name("K")
      ->group("Sampling");
  add("--top-p", 0, 1, "Keep the best that make up this mass (default 0.95)");
  add("--min-p", 0, 1, "Keep what has this share of the best one's mass");
  add("--typical", 0, 1, "Keep the most typical of this mass");
  add("--repeat-penalty", 0.01, 100, "Of tokens in prompt and text; 1 is off");
  add("--presence-penalty", -kAny, kAny, "Of tokens in the text");
  add("--frequency-penalty", -kAny, kAny, "Of tokens in the text, each time");
  command->add_option("--logit-bias", options.logit_bias, "Added to a token's logit; repeatable")
      ->type_name("ID=B")
      ->expected(1)
      ->take_all()
      ->group("Sampling");
  command
      ->add_option_function<std::string>(
          "--seed", [&options](const std::string& text) { options.seed = parse_seed("--seed", text); },
          "Of the draws; unset: drawn, and said with --stats")
      ->type_name("N")
      ->group("Sampling");
}

}  // namespace

void add_prompt_options(CLI::App* command, GenerationOptions& options) {
  add_model_options(command, options.model);
  command->add_option("-p,--prompt", options.prompt, "The prompt; else -f, --ids or stdin")
      ->type_name("TEXT");
  command->add_option("-f,--file", options.file, "The prompt from a file")->type_name("FILE");
  command->add_option("--ids", options.ids, "The prompt as token ids: 1,2,3")->type_name("IDS");
  command->add_flag("--special", options.special, "Parse special tokens in the prompt");
  command->add_flag("--no-bos", options.no_bos, "No BOS in front of the prompt");
}

void add_generation_options(CLI::App* command, GenerationOptions& options) {
  add_prompt_options(command, options);
  add_integer(command, "-n,--tokens", options.tokens, 0, kMaxTokens,
              fmt::format("New tokens at most ({}); 0 evaluates the prompt only", options.tokens));
  command->add_option("--stop", options.stops, "Text that ends generation; repeatable")
      ->type_name("TEXT")
      ->expected(1)
      ->take_all();
  command->add_flag("--ignore-eos", options.ignore_eos, "Go on after end tokens");
  add_sampling_options(command, options);
  add_run_options(command, options.run);
  add_integer(command, "--draft-ngram", options.draft_ngram, 1, NgramDraft::kLongestNgram,
              "Guess ahead from earlier text, by its last N tokens (3 is good); never changes a bit");
  command->add_flag("--digest", options.digest, "SHA-256 of all logits, on stderr");
}

std::vector<TokenId> encode(const Model& model, const std::string& text, const GenerationOptions& options) {
  if (model.tokenizer() == nullptr) {
    throw usage_error("the model has no tokenizer: give --ids, or --tokenizer PATH").in(model.file());
  }
  const EncodeOptions encode_options = {
      .special = options.special ? SpecialTokens::kParsed : SpecialTokens::kAsText};
  std::vector<TokenId> ids = model.tokenizer()->encode(text, encode_options);
  const bool wants_bos = !options.no_bos && model.bos() && (model.adds_bos() || ids.empty());
  if (wants_bos && (ids.empty() || ids.front() != *model.bos())) ids.insert(ids.begin(), *model.bos());
  return ids;
}

Prompt read_prompt(const Model& model, const GenerationOptions& options) {
  Prompt prompt;
  if (options.ids.empty()) {
    prompt.text = given_text(options);
    prompt.ids = encode(model, prompt.text, options);
  } else {
    prompt.ids = given_ids(model, "--ids", options.ids);
    const Tokenizer* tokenizer = model.tokenizer();
    const bool has_text = tokenizer != nullptr && tokenizer->size() >= model.vocabulary();
    if (has_text) prompt.text = tokenizer->decode(prompt.ids);
  }
  if (prompt.ids.empty()) {
    throw usage_error("the prompt is empty, and the model has no token to begin a text with");
  }
  const std::size_t context = options.run.context == 0 ? model.context() : options.run.context;
  if (prompt.ids.size() > context) {
    throw usage_error(fmt::format("the prompt has {} tokens, the context {}", prompt.ids.size(), context));
  }
  return prompt;
}

Request request_of(const Model& model, const GenerationOptions& options) {
  Request request = {.prompt = {},
                     .tokens = options.tokens,
                     .sampling = sampling_of(model, options),
                     .stops = options.stops,
                     .ignore_end_ids = options.ignore_eos};
  request.sampling.seed = options.seed ? *options.seed : drawn_seed();
  return request;
}

GenerateOptions generate_options(const GenerationOptions& options) {
  return {.cache = cache_kind(options.run),
          .context = options.run.context,
          .threads = options.model.threads,
          .chunk = options.run.chunk,
          .digest = options.digest,
          .draft_ngram = options.draft_ngram};
}

void say_warnings(const Model& model, const GenerationOptions& options) {
  for (const std::string& warning : model.warnings()) note("warning: " + warning);
  if (options.run.context <= model.context()) return;
  note(fmt::format("warning: a context of {} is more than the {} the model was made for",
                   options.run.context, model.context()));
}

void say_digest(const Result& result, const std::string& id) {
  note(fmt::format("digest {} ({} positions){}", result.digest, result.positions,
                   id.empty() ? "" : " " + printable(id)));
}

}  // namespace kinglet::cli
