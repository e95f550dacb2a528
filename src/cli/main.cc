// kinglet COMMAND [options]: the list of commands, and what becomes of errors.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "kinglet/error.h"
#include "kinglet/version.h"

namespace kinglet::cli {
namespace {

constexpr int kUsageCode = static_cast<int>(Fault::kUsage);

std::string version_text() {
  return fmt::format("kinglet {} (numerics {})\ncompiler {}\nISA levels {}, in use: {}", version(),
                     kNumericsVersion, __VERSION__, fmt::join(isa_levels(), " "), isa_in_use());
}

// The command that was being parsed when an error came up.
const CLI::App& parsed_command(const CLI::App& app) {
  const auto commands = app.get_subcommands();
  return commands.empty() ? app : parsed_command(*commands.front());
}

// What might have been meant by a word that no command or option has.
std::string suggestion(const CLI::App& app, const std::string& word) {
  std::vector<std::string> known;
  const CLI::App& command = parsed_command(app);
  for (const CLI::App* sub : command.get_subcommands([](const CLI::App*) { return true; })) {
    known.push_back(sub->get_name());
  }
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
    for (const std::string& name : option->get_snames()) known.push_back("-" + name);
  }
  const std::string near = nearest(word.substr(0, word.find('=')), known);
  return near.empty() ? "" : fmt::format("; did you mean {}?", near);
}

int report_usage(const CLI::App& app, const CLI::ParseError& error) {
  std::string text = error.what();
  const std::vector<std::string> extras = parsed_command(app).remaining();
  if (!extras.empty()) {
    const auto option = std::ranges::find_if(extras, [](const std::string& word) { return word.starts_with('-'); });
    const bool is_option = option != extras.end();
    const std::string& word = is_option ? *option : extras.front();
    text = fmt::format("unknown {} {}{}",
                       is_option ? "option" : app.get_subcommands().empty() ? "command" : "argument",
                       kinglet::quoted(word), suggestion(app, word));
  }
  std::replace(text.begin(), text.end(), '\n', ' ');
  note("error: " + text);
  return kUsageCode;
}

int run(int argc, char** argv) {
  int exit_code = 0;
  CLI::App app("kinglet: a tiny transformer inference engine, the same bits every time", "kinglet");
  app.set_version_flag("--version", version_text, "Version, compiler, instruction sets");
  app.get_formatter()->column_width(30);
  app.require_subcommand(0, 1);
  app.footer(
      "Examples:\n"
      "  kinglet run -p \"Once upon a time\"\n"
      "  kinglet run -m model.gguf -p \"Hello\" -n 50 --temp 0 --stats\n"
      "  kinglet inspect model.gguf --tensors");
  try {
    add_run(app, exit_code);
    add_tokenize(app, exit_code);
    add_detokenize(app);
    add_inspect(app);
    add_convert(app, exit_code);
    add_verify(app, exit_code);
    add_score(app, exit_code);
    add_embed(app);
    add_similar(app);
    add_probe(app);
    add_bench(app, exit_code);
    add_profile(app, exit_code);
    add_lens(app, exit_code);
    add_completion(app);
    app.parse(argc, argv);
    if (app.get_subcommands().empty()) print(app.help());
    flush();
  } catch (const CLI::CallForHelp&) {
    print(parsed_command(app).help());
    flush();
  } catch (const CLI::CallForVersion&) {
    print_line(version_text());
    flush();
  } catch (const CLI::ParseError& error) {
    return report_usage(app, error);
  }
  return exit_code;
}

int guarded(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const Error& error) {
    note(std::string("error: ") + error.what());
    return static_cast<int>(error.fault());
  } catch (const std::bad_alloc&) {
    note("error: out of memory");
    return static_cast<int>(Fault::kRuntime);
  } catch (const std::exception& error) {
    note(std::string("error: ") + printable(error.what()));
    return static_cast<int>(Fault::kRuntime);
  }
}

}  // namespace
}  // namespace kinglet::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a write then fails with EPIPE, and we end quietly
  try {
    return kinglet::cli::guarded(argc, argv);
  } catch (const kinglet::cli::BrokenPipe&) {
    std::_Exit(1);
  }
}
