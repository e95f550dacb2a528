// kinglet tokenize [-m MODEL] [TEXT]: text to ids. kinglet detokenize [--ids 1,2,3]: ids to text.

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/cpu.h"
#include "base/team.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "kinglet/error.h"
#include "runtime/open_tokenizer.h"

namespace kinglet::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string model;
  std::optional<std::string> text, ids;
  std::string file, check;
  bool ids_only = false, special = false, no_special = false, add_special = false;
  bool jsonl = false, json = false, quiet = false;
  std::size_t threads = 0;
};

Tokenizer load(const Options& options) {
  Tokenizer tokenizer =
      options.model.empty() ? built_in_tokenizer() : open_tokenizer(options.model);
  if (!options.quiet) {
    for (const std::string& warning : tokenizer.warnings()) note("warning: " + warning);
  }
  return tokenizer;
}

EncodeOptions encode_options(const Options& options) {
  return {.special = options.special ? SpecialTokens::kParsed : SpecialTokens::kAsText,
          .affixes = options.add_special ? Affixes::kAdded : Affixes::kNone};
}

std::string array_of(std::span<const TokenId> ids) {
  std::string text = "[";
  text.reserve(ids.size() * 6 + 2);
  for (const TokenId id : ids) {
    if (text.size() > 1) text += ',';
    const fmt::format_int digits(id);
    text.append(digits.data(), digits.size());
  }
  return text += ']';
}

std::string unhex(const std::string& hex, const std::string& where) {
  const auto digit = [&](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    throw refused("not hexadecimal").in(where).at("bytes_hex");
  };
  if (hex.size() % 2 != 0) throw refused("an odd number of digits").in(where).at("bytes_hex");
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
  }
  return bytes;
}

struct Line {
  std::string_view text;
  std::size_t number = 0;  // in the file, from 1
};

// The lines that are not empty.
std::vector<Line> lines_of(std::string_view content) {
  std::vector<Line> lines;
  std::size_t number = 0;
  for (std::size_t at = 0; at < content.size();) {
    const std::size_t end = std::min(content.find('\n', at), content.size());
    const std::string_view text = content.substr(at, end - at);
    ++number;
    at = end + 1;
    if (text.find_first_not_of(" \t\r") != text.npos) lines.push_back({text, number});
  }
  return lines;
}

Json object_of(const Line& line, const std::string& where) {
  Json json = Json::parse(line.text, nullptr, false);
  if (!json.is_object()) throw refused("a line is no JSON object").in(where);
  return json;
}

std::string text_of(const Json& line, const std::string& where) {
  if (line.contains("text") && line["text"].is_string()) return line["text"].get<std::string>();
  if (line.contains("bytes_hex") && line["bytes_hex"].is_string()) {
    return unhex(line["bytes_hex"].get<std::string>(), where);
  }
  throw refused("a line has neither \"text\" nor \"bytes_hex\"").in(where);
}

// What is recorded may be no id of this vocabulary, but has to be whole numbers.
std::vector<std::int64_t> recorded_ids(const Json& line, const std::string& where) {
  if (!line.contains("ids") || !line["ids"].is_array()) throw refused("a line has no \"ids\"").in(where);
  std::vector<std::int64_t> ids;
  for (const Json& id : line["ids"]) {
    if (!id.is_number_integer())
      throw refused("a recorded id is no whole number")
          .in(where)
          .at(fmt::format("ids[{}]", ids.size()))
          .found(kinglet::quoted(id.dump(-1, ' ', true, Json::error_handler_t::replace)));
    ids.push_back(id.get<std::int64_t>());
  }
  return ids;
}

// Where the two differ first, and what stands there.
std::string difference(const std::vector<std::int64_t>& found, const std::vector<std::int64_t>& recorded) {
  const auto first = std::mismatch(found.begin(), found.end(), recorded.begin(), recorded.end()).first;
  const auto at = static_cast<std::size_t>(first - found.begin());
  const auto shown = [at](const std::vector<std::int64_t>& ids) {
    return at < ids.size() ? fmt::format("{}", ids[at]) : std::string("the end");
  };
  return fmt::format("differs at token {}: found {}, recorded {}", at, shown(found), shown(recorded));
}

int check(const Tokenizer& tokenizer, const Options& options) {
  const std::string content = read_file(options.check);
  const std::vector<Line> lines = lines_of(content);
  std::size_t wrong = 0;
  for (const Line& text : lines) {
    const std::string where = fmt::format("{}:{}", printable(options.check), text.number);
    const Json line = object_of(text, where);
    const std::vector<std::int64_t> recorded = recorded_ids(line, where);
    const auto ids = tokenizer.encode(text_of(line, where), encode_options(options));
    const std::vector<std::int64_t> found(ids.begin(), ids.end());
    if (found == recorded) continue;
    ++wrong;
    print_line(where + ": " + difference(found, recorded));
  }
  print_line(fmt::format("{} of {} lines as recorded", lines.size() - wrong, lines.size()));
  return wrong == 0 ? 0 : static_cast<int>(Fault::kVerification);
}

std::string input_of(const Options& options) {
  if (options.text) return *options.text;
  if (!options.file.empty()) return read_file(options.file);
  if (!is_terminal_stdin()) return read_stdin();
  throw usage_error("no text: give TEXT, -f FILE, or text on stdin");
}

void print_pieces(const Tokenizer& tokenizer, const Options& options, const std::string& text) {
  Json list = Json::array();
  for (const Token& token : tokenizer.encode_with_offsets(text, encode_options(options))) {
    const std::string_view piece = tokenizer.piece(token.id);
    if (options.json) {
      list.push_back({{"id", token.id}, {"piece", piece}, {"begin", token.begin}, {"end", token.end}});
    } else {
      print_line(fmt::format("{}\t{}", token.id, printable(piece)));
    }
  }
  if (options.json) print_line(list.dump(-1, ' ', false, Json::error_handler_t::replace));
}

// What one line of input gives: a line of output, or why there is none.
struct Encoded {
  std::string ids;
  std::exception_ptr failure;
};

// All threads take lines off a block until none is left; then its output is printed in the lines' order,
// up to the first that failed.
void print_encoded_lines(const Tokenizer& tokenizer, const Options& options, const std::string& name,
                         const std::string& input) {
  constexpr std::size_t kBlock = 1024;
  const std::vector<Line> lines = lines_of(input);
  Team team(options.threads > 0 ? options.threads : usable_cores());
  for (std::size_t begin = 0; begin < lines.size(); begin += kBlock) {
    std::vector<Encoded> block(std::min(kBlock, lines.size() - begin));
    std::atomic<std::size_t> next = 0;
    team.run([&](const Member&) noexcept {
      for (std::size_t i = next++; i < block.size(); i = next++) {
        try {
          const Line& line = lines[begin + i];
          const std::string where = fmt::format("{}:{}", name, line.number);
          const std::string text = text_of(object_of(line, where), where);
          block[i].ids = array_of(tokenizer.encode(text, encode_options(options)));
        } catch (...) {
          block[i].failure = std::current_exception();
        }
      }
    });
    for (const Encoded& encoded : block) {
      if (encoded.failure) std::rethrow_exception(encoded.failure);
      print_line(encoded.ids);
    }
  }
}

int tokenize(const Options& options) {
  const Tokenizer tokenizer = load(options);
  if (!options.check.empty()) return check(tokenizer, options);
  const std::string input = input_of(options);
  if (options.jsonl) {
    const std::string name = options.text ? "TEXT" : options.file.empty() ? "stdin" : printable(options.file);
    print_encoded_lines(tokenizer, options, name, input);
  } else if (options.ids_only) {
    print_line(array_of(tokenizer.encode(input, encode_options(options))));
  } else {
    print_pieces(tokenizer, options, input);
  }
  return 0;
}

// Ids as people and programs write them: "1,2,3", "[1, 2, 3]", one a line, an array a line.
std::vector<TokenId> ids_of(const Options& options) {
  std::string text;
  if (options.ids)
    text = *options.ids;
  else if (!is_terminal_stdin())
    text = read_stdin();
  else
    throw usage_error("no ids: give --ids, or ids on stdin");
  std::string list;  // with commas alone
  bool ends_item = false;
  for (const char c : text) {
    const bool is_between = std::string_view(" \t\r\n[]").find(c) != std::string_view::npos;
    if (!is_between && c != ',' && ends_item && !list.empty() && list.back() != ',') list.push_back(',');
    if (!is_between) list.push_back(c);
    ends_item = is_between;
  }
  return parse_ids(options.ids ? "--ids" : "stdin", list);
}

void detokenize(const Options& options) {
  const Tokenizer tokenizer = load(options);
  print(tokenizer.decode(ids_of(options), options.special));
}

void add_vocabulary_option(CLI::App* command, Options& options) {
  command
      ->add_option("-m,--model,--tokenizer", options.model,
                   "A model, or a bare vocabulary: tokenizer.json, tokenizer.model, vocab.txt, "
                   "tokenizer.bin, GGUF; without it the built-in model's")
      ->type_name("PATH");
  command->add_flag("-q,--quiet", options.quiet, "No warnings");
}

}  // namespace

void add_tokenize(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("tokenize", "Show the tokens of a text");
  add_vocabulary_option(command, *options);
  command->add_option("text", options->text, "The text; else -f or stdin")->type_name("TEXT");
  CLI::Option* file = command->add_option("-f,--file", options->file, "The text from a file");
  file->type_name("FILE")->excludes("text");
  command->add_flag("--ids-only", options->ids_only, "One JSON array of ids");
  CLI::Option* special = command->add_flag("--special", options->special, "Parse special tokens in the text");
  command->add_flag("--no-special", options->no_special, "Take them as plain text (default)")
      ->excludes(special);
  command->add_flag("--add-special", options->add_special, "With BOS, EOS, CLS, SEP");
  command->add_flag("--jsonl", options->jsonl,
                    "Lines {\"text\"} or {\"bytes_hex\"} in, an array a line out");
  add_threads_option(command, options->threads);
  command->add_flag("--json", options->json, "With byte offsets, as JSON")
      ->excludes("--ids-only")
      ->excludes("--jsonl");
  CLI::Option* check =
      command->add_option("--check", options->check, "Compare with recorded ids; exit 4 on a difference");
  check->type_name("JSONL");
  for (const char* other : {"text", "--file", "--ids-only", "--jsonl", "--json"}) check->excludes(other);
  set_examples(command, "kinglet tokenize \"Once upon a time\"",
               "kinglet tokenize -m tokenizer.json --ids-only --add-special \"Hello\"");
  command->callback([options, &exit_code] { exit_code = tokenize(*options); });
}

void add_detokenize(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("detokenize", "The text of token ids, as raw bytes");
  add_vocabulary_option(command, *options);
  command->add_option("--ids", options->ids, "1,2,3; else from stdin")->type_name("IDS");
  CLI::Option* special = command->add_flag("--special", options->special, "Show special tokens too");
  command->add_flag("--no-special", options->no_special, "Leave them out (default)")->excludes(special);
  set_examples(command, "kinglet detokenize --ids 12,318,41",
               "kinglet tokenize --ids-only \"Hello\" | kinglet detokenize");
  command->callback([options] { detokenize(*options); });
}

}  // namespace kinglet::cli
