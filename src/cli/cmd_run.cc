// kinglet run [-m MODEL] [-p TEXT]: continues a prompt; --prompts continues many; --input runs a dense
// network.

#include <fmt/format.h>

#include <chrono>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/generation.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/run_dense.h"
#include "kinglet/error.h"
#include "kinglet/generate.h"
#include "kinglet/version.h"
#include "runtime/dump.h"

namespace kinglet::cli {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

struct Options : GenerationOptions {
  Verbosity verbosity;
  std::optional<std::string> input;
  std::string prompts, dump;
  bool no_echo = false, stats = false, json = false, dump_attention = false;
};

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
  // Before the prompt is echoed: what is refused prints nothing.
  const Prompt prompt = read_prompt(model, options);
  if (!options.dump.empty()) {
    dump_activations(model, prompt.ids,
                     {.cache = cache_kind(options.run),
                      .threads = options.model.threads,
                      .chunk = options.run.chunk,
                      .attention = options.dump_attention},
                     options.dump);
  }
  Request request = request_of(model, options);
  request.prompt = prompt.ids;

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
  if (options.digest) say_digest(result);
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
  line.request = request_of(model, options);
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
  if (!options.verbosity.quiet) say_warnings(model, options);
  catch_interrupts();
  return options.prompts.empty() ? run_one(model, options, open_seconds)
                                 : run_many(model, options, open_seconds);
}

}  // namespace

void add_run(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("run", "Continue a prompt");
  add_generation_options(command, *options);
  command->add_option("--prompts", options->prompts,
                      "Many: a line {\"prompt\" or \"ids\", \"n\", \"seed\", \"id\"} each, answered in order")
      ->type_name("JSONL");
  CLI::Option* input = command->add_option(
      "--input", options->input, "For a dense network: [1,2,3], or a file of vectors (.json, .jsonl, .npy, -)");
  input->type_name("JSON");
  for (const char* other : {"--prompt", "--file", "--ids", "--prompts"}) input->excludes(other);
  command->add_flag("--no-echo", options->no_echo, "Do not print the prompt");
  command->add_flag("--stats", options->stats, "Speed and memory, on stderr");
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
