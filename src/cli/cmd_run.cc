// kinglet run [-m MODEL] [-p TEXT]: continues a prompt; --prompts continues many; --input runs a dense
// network.

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/run_dense.h"
#include "kinglet/error.h"
#include "kinglet/generate.h"
#include "kinglet/version.h"
#include "runtime/draft.h"
#include "runtime/dump.h"

namespace kinglet::cli {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t kMaxTokens = 1 << 30;

// What the user said; what was not said stays empty, and the model's own value holds.
struct Options {
  ModelOptions model;
  RunOptions run;
  Verbosity verbosity;
  std::optional<std::string> prompt, input;
  std::string file, ids, prompts, dump;
  std::size_t tokens = 256;
  std::map<std::string, double> sampling;  // by option
  std::vector<std::string> logit_bias, stops;
  std::optional<std::uint64_t> seed;
  std::size_t draft_ngram = 0;
  bool ignore_eos = false, special = false, no_bos = false, no_echo = false;
  bool stats = false, digest = false, json = false, dump_attention = false;
};

SamplerOptions sampling_of(const Options& options, const Model& model) {
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

// The tokens of a prompt's text, BOS in front where the model's texts start with one.
std::vector<TokenId> encode(const Model& model, const std::string& text, const Options& options) {
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

struct Prompt {
  std::string text;  // what is echoed
  std::vector<TokenId> ids;
};

Prompt read_prompt(const Model& model, const Options& options) {
  if (!options.ids.empty()) {
    Prompt prompt = {"", parse_ids("--ids", options.ids)};
    const auto vocabulary = static_cast<TokenId>(model.vocabulary());
    for (const TokenId id : prompt.ids) {
      if (id < vocabulary) continue;
      throw usage_error("a token id is outside the vocabulary")
          .at("--ids")
          .found(fmt::format("{}", id))
          .allowed(fmt::format("[0, {})", vocabulary));
    }
    const Tokenizer* tokenizer = model.tokenizer();
    if (tokenizer != nullptr && tokenizer->size() >= model.vocabulary()) {
      prompt.text = tokenizer->decode(prompt.ids);
    }
    return prompt;
  }
  std::string text;
  if (options.prompt) {
    text = *options.prompt;
  } else if (!options.file.empty()) {
    text = read_file(options.file);
  } else if (!is_terminal_stdin()) {
    text = read_stdin();
  } else {
    throw usage_error("no prompt: give -p TEXT, -f FILE, --ids, or text on stdin");
  }
  return {text, encode(model, text, options)};
}

GenerateOptions generate_options(const Options& options) {
  return {.cache = cache_kind(options.run),
          .context = options.run.context,
          .threads = options.model.threads,
          .chunk = options.run.chunk,
          .digest = options.digest,
          .draft_ngram = options.draft_ngram};
}

void say_digest(const Result& result, const std::string& id) {
  note(fmt::format("digest {} ({} positions){}", result.digest, result.positions,
                   id.empty() ? "" : " " + printable(id)));
}

double rate(std::size_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

void say_stats(const Model& model, const Timings& t, double open_seconds) {
  note(fmt::format("prompt {} tokens in {:.1f} ms ({:.1f} tokens/s), new {} tokens, decode {:.1f} "
                   "tokens/s",
                   t.prompt_tokens, t.prefill_seconds * 1e3, rate(t.prompt_tokens, t.prefill_seconds),
                   t.new_tokens, rate(t.new_tokens, t.decode_seconds)));
  if (t.drafted > 0) {
    note(fmt::format("draft: {} of {} tokens right ({:.1f} %), {:.2f} tokens a pass", t.accepted,
                     t.drafted, 100 * rate(t.accepted, static_cast<double>(t.drafted)),
                     rate(t.new_tokens, static_cast<double>(t.new_tokens - t.accepted))));
  }
  note(fmt::format("first token after {:.1f} ms, {:.1f} ms of them to open the model",
                   (open_seconds + t.first_token_seconds) * 1e3, open_seconds * 1e3));
  note(fmt::format("memory: weights {}, cache {}, scratch {}", human_bytes(model.weight_bytes()),
                   human_bytes(t.cache_bytes), human_bytes(t.scratch_bytes)));
}

// Text as JSON can hold it: bytes that are no UTF-8 become U+FFFD.
std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

int finish_code(bool was_interrupted) { return was_interrupted ? 128 + interrupt() : 0; }

// --- one prompt -------------------------------------------------------------------------------

int run_one(const Model& model, const Options& options, double open_seconds) {
  const Prompt prompt = read_prompt(model, options);
  if (prompt.ids.empty()) {
    throw usage_error("the prompt is empty, and the model has no token to begin a text with");
  }
  // Before the prompt is echoed: what is refused prints nothing.
  const std::size_t context = options.run.context == 0 ? model.context() : options.run.context;
  if (prompt.ids.size() > context) {
    throw usage_error(fmt::format("the prompt has {} tokens, the context {}", prompt.ids.size(), context));
  }
  if (!options.dump.empty()) {
    dump_activations(model, prompt.ids,
                     {.cache = cache_kind(options.run),
                      .threads = options.model.threads,
                      .chunk = options.run.chunk,
                      .attention = options.dump_attention},
                     options.dump);
  }
  Request request = {.prompt = prompt.ids,
                     .tokens = options.tokens,
                     .sampling = sampling_of(options, model),
                     .stops = options.stops,
                     .ignore_end_ids = options.ignore_eos};
  request.sampling.seed = options.seed ? *options.seed : drawn_seed();

  const bool streams = !options.json;
  if (streams && !options.no_echo) print(prompt.text);
  Watch watch;
  watch.is_interrupted = [] { return interrupt() != 0; };
  watch.on_token = [&](std::size_t, TokenId id, std::string_view text) {
    if (!streams) return;
    print(model.tokenizer() != nullptr ? std::string(text) : fmt::format("{} ", id));
    flush();
  };
  if (streams) flush();
  const Generated generated = generate(model, {request}, generate_options(options), watch);
  const Result& result = generated.results.front();

  if (options.json) {
    Json json = {{"prompt", prompt.text},       {"prompt_ids", prompt.ids},
                 {"text", result.text},         {"ids", result.ids},
                 {"finish", name_of(result.finish)}, {"seed", request.sampling.seed}};
    if (options.digest) json["digest"] = result.digest;
    print_line(dumped(json));
  } else if (is_terminal_stdout()) {
    print("\n");
  }
  flush();
  if (options.stats) {
    if (!options.seed) note(fmt::format("seed {}", request.sampling.seed));
    say_stats(model, generated.timings, open_seconds);
  }
  if (options.digest) say_digest(result, "");
  if (result.finish == Finish::kContext && !options.verbosity.quiet) {
    note(fmt::format("stopped at the end of the context ({} tokens)",
                     request.prompt.size() + result.ids.size()));
  }
  return finish_code(result.finish == Finish::kInterrupted);
}

// --- many prompts -----------------------------------------------------------------------------

struct Line {
  Json id;  // null where the line has none
  Request request;
};

Line parse_line(const Model& model, const Options& options, const std::string& text,
                std::size_t number) {
  const auto refuse = [&](const std::string& problem, const std::string& field) {
    return refused(problem).in(fmt::format("{}:{}", printable(options.prompts), number)).at(field);
  };
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) throw refuse("a line is no JSON object", "");
  Line line;
  line.request = {.prompt = {},
                  .tokens = options.tokens,
                  .sampling = sampling_of(options, model),
                  .stops = options.stops,
                  .ignore_end_ids = options.ignore_eos};
  line.request.sampling.seed = options.seed ? *options.seed : drawn_seed();
  for (const auto& [key, value] : json.items()) {
    if (key == "id") {
      line.id = value;
    } else if (key == "prompt" && value.is_string()) {
      line.request.prompt = encode(model, value.get<std::string>(), options);
    } else if (key == "ids" && value.is_array()) {
      for (const Json& id : value) {
        if (!id.is_number_integer()) throw refuse("an id is no whole number", "ids");
        const auto wide = id.get<std::int64_t>();
        const bool fits = wide >= 0 && wide < static_cast<std::int64_t>(model.vocabulary());
        if (!fits) throw refuse(fmt::format("id {} is outside the vocabulary", wide), "ids");
        line.request.prompt.push_back(static_cast<TokenId>(wide));
      }
    } else if (key == "n" && value.is_number_unsigned() && value.get<std::uint64_t>() <= kMaxTokens) {
      line.request.tokens = value.get<std::size_t>();
    } else if (key == "seed" && value.is_number_unsigned()) {
      line.request.sampling.seed = value.get<std::uint64_t>();
    } else {
      throw refuse("a field is unknown or of a wrong type", printable(key));
    }
  }
  if (line.request.prompt.empty()) throw refuse("a line has no prompt", "prompt");
  return line;
}

int run_many(const Model& model, const Options& options, double open_seconds) {
  std::vector<Line> lines;
  const std::string content = options.prompts == "-" ? read_stdin() : read_file(options.prompts);
  std::size_t number = 0;
  for (std::size_t at = 0; at < content.size();) {
    const std::size_t end = std::min(content.find('\n', at), content.size());
    ++number;
    const std::string text = content.substr(at, end - at);
    if (text.find_first_not_of(" \t\r") != text.npos) {
      lines.push_back(parse_line(model, options, text, number));
    }
    at = end + 1;
  }
  std::vector<Request> requests;
  for (const Line& line : lines) requests.push_back(line.request);

  // Sequences end in any order; lines come out in the order of the file.
  std::map<std::size_t, Result> waiting;
  std::size_t next = 0;
  bool was_interrupted = false;
  const auto write_ready = [&] {
    for (auto ready = waiting.find(next); ready != waiting.end(); ready = waiting.find(++next)) {
      const Result& result = ready->second;
      was_interrupted = was_interrupted || result.finish == Finish::kInterrupted;
      print_line(dumped({{"id", lines[next].id.is_null() ? Json(next) : lines[next].id},
                         {"text", result.text},
                         {"ids", result.ids},
                         {"finish", name_of(result.finish)}}));
      flush();
      if (options.digest) say_digest(result, dumped(lines[next].id.is_null() ? Json(next) : lines[next].id));
      waiting.erase(ready);
    }
  };
  Watch watch;
  watch.is_interrupted = [] { return interrupt() != 0; };
  watch.on_result = [&](std::size_t index, const Result& result) {
    waiting.emplace(index, result);
    write_ready();
  };
  const Generated generated = generate(model, requests, generate_options(options), watch);
  if (options.stats) say_stats(model, generated.timings, open_seconds);
  return finish_code(was_interrupted || interrupt() != 0);
}

int run(const Options& options) {
  if (options.input) {
    run_dense({.model = options.model.model, .input = *options.input, .json = options.json});
    return 0;
  }
  cache_kind(options.run);  // what is wrong here is found before the model is read
  isa_in_use();
  const Clock::time_point start = Clock::now();
  const Model model = open_model(options.model);
  const double open_seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (!options.verbosity.quiet) {
    for (const std::string& warning : model.warnings()) note("warning: " + warning);
    if (options.run.context > model.context()) {
      note(fmt::format("warning: a context of {} is more than the {} the model was made for",
                       options.run.context, model.context()));
    }
  }
  catch_interrupts();
  return options.prompts.empty() ? run_one(model, options, open_seconds)
                                 : run_many(model, options, open_seconds);
}

void add_sampling_options(CLI::App* command, Options& options) {
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

void add_run(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("run", "Continue a prompt");
  add_model_options(command, options->model);
  command->add_option("-p,--prompt", options->prompt, "The prompt; else -f, --ids or stdin")
      ->type_name("TEXT");
  command->add_option("-f,--file", options->file, "The prompt from a file")->type_name("FILE");
  command->add_option("--ids", options->ids, "The prompt as token ids: 1,2,3")->type_name("IDS");
  command->add_option("--prompts", options->prompts,
                      "Many: a line {\"prompt\" or \"ids\", \"n\", \"seed\", \"id\"} each, answered in order")
      ->type_name("JSONL");
  CLI::Option* input = command->add_option(
      "--input", options->input, "For a dense network: [1,2,3], or a file of vectors (.json, .jsonl, .npy, -)");
  input->type_name("JSON");
  for (const char* other : {"--prompt", "--file", "--ids", "--prompts"}) input->excludes(other);
  add_integer(command, "-n,--tokens", options->tokens, 0, kMaxTokens,
              "New tokens at most (256); 0 evaluates the prompt only");
  command->add_option("--stop", options->stops, "Text that ends generation; repeatable")
      ->type_name("TEXT")
      ->expected(1)
      ->take_all();
  command->add_flag("--ignore-eos", options->ignore_eos, "Go on after end tokens");
  command->add_flag("--special", options->special, "Parse special tokens in the prompt");
  command->add_flag("--no-bos", options->no_bos, "No BOS in front of the prompt");
  command->add_flag("--no-echo", options->no_echo, "Do not print the prompt");
  add_sampling_options(command, *options);
  add_run_options(command, options->run);
  add_integer(command, "--draft-ngram", options->draft_ngram, 1,
              NgramDraft::kLongestNgram,
              "Guess ahead from earlier text, by its last N tokens (3 is good); never changes a bit");
  command->add_flag("--stats", options->stats, "Speed and memory, on stderr");
  command->add_flag("--digest", options->digest, "SHA-256 of all logits, on stderr");
  command->add_option("--dump", options->dump, "Write the prompt's activations (safetensors)")
      ->type_name("FILE");
  command->add_flag("--dump-attention", options->dump_attention, "Attention weights too");
  command->add_flag("--json", options->json, "One JSON document instead of text");
  add_verbosity(command, options->verbosity);
  set_examples(command, "kinglet run -p \"Once upon a time\" --seed 7 --stats",
               "kinglet run -m model.gguf -f prompt.txt -n 100 --temp 0");
  command->callback([options, &exit_code] { exit_code = run(*options); });
}

}  // namespace kinglet::cli
