#pragma once

// What the commands that generate text have in common: the prompt, the draws, when a text ends.

#include <CLI/CLI.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "kinglet/generate.h"
#include "kinglet/model.h"

namespace kinglet::cli {

constexpr std::int64_t kMaxTokens = 1 << 30;  // of -n

// What the user said; what was not said stays empty, and the model's own value holds.
struct GenerationOptions {
  ModelOptions model;
  RunOptions run;
  std::optional<std::string> prompt;
  std::string file, ids;
  bool special = false, no_bos = false;
  std::size_t tokens = 256;
  std::vector<std::string> stops;
  bool ignore_eos = false;
  std::map<std::string, double> sampling;  // by option
  std::vector<std::string> logit_bias;
  std::optional<std::uint64_t> seed;
  std::size_t draft_ngram = 0;
  bool digest = false;
};
// -m and its company, -p, -f, --ids, --special, --no-bos
void add_prompt_options(CLI::App* command, GenerationOptions& options);
// Those, -n, --stop, --ignore-eos, sampling, -c and its company, --draft-ngram, --digest
void add_generation_options(CLI::App* command, GenerationOptions& options);

// The tokens of a prompt's text, BOS in front where the model's texts start with one.
// Errors (kUsage): the model has no tokenizer.
std::vector<TokenId> encode(const Model& model, const std::string& text, const GenerationOptions& options);

struct Prompt {
  std::string text;  // what is echoed
  std::vector<TokenId> ids;
};
// Errors (kUsage): no prompt, an empty one, an id out of range, more than the context holds.
Prompt read_prompt(const Model& model, const GenerationOptions& options);

// All but the prompt. A seed that was not given is drawn. Errors (kUsage): a bias that is none.
Request request_of(const Model& model, const GenerationOptions& options);
GenerateOptions generate_options(const GenerationOptions& options);

// What is not as usual about a model, on stderr.
void say_warnings(const Model& model, const GenerationOptions& options);
// "digest <version>:<hex> (<n> positions)", and the id where there is one, on stderr.
void say_digest(const Result& result, const std::string& id = "");

}  // namespace kinglet::cli
