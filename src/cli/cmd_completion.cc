// kinglet completion bash|zsh|fish: a script that completes commands and options, written from the
// commands' own declarations.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "kinglet/error.h"

namespace kinglet::cli {
namespace {

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<std::string> options_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::string names_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(app)) names.push_back(command->get_name());
  return fmt::format("{}", fmt::join(names, " "));
}

std::string bash(const CLI::App& app) {
  std::string script = fmt::format(
      "_kinglet() {{\n  local word=${{COMP_WORDS[COMP_CWORD]}}\n"
      "  if [ $COMP_CWORD = 1 ]; then COMPREPLY=($(compgen -W \"{} --help --version\" -- \"$word\")); "
      "return; fi\n  local options=--help\n  case ${{COMP_WORDS[1]}} in\n",
      names_of(app));
  for (const CLI::App* command : commands_of(app)) {
    script += fmt::format("    {}) options=\"{}\" ;;\n", command->get_name(),
                          fmt::join(options_of(*command), " "));
  }
  return script +
         "  esac\n  case $word in\n    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
         "    *) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n  esac\n}\n"
         "complete -o filenames -F _kinglet kinglet\n";
}

std::string fish(const CLI::App& app) {
  std::string script;
  for (const CLI::App* command : commands_of(app)) {
    script += fmt::format("complete -c kinglet -n __fish_use_subcommand -a {} -d '{}'\n",
                          command->get_name(), command->get_description());
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& name : option->get_lnames()) {
        script += fmt::format("complete -c kinglet -n '__fish_seen_subcommand_from {}' -l {}\n",
                              command->get_name(), name);
      }
    }
  }
  return script;
}

std::string script_for(const CLI::App& app, const std::string& shell) {
  if (shell == "bash") return bash(app);
  if (shell == "zsh") return "autoload -U +X bashcompinit && bashcompinit\n" + bash(app);
  if (shell == "fish") return fish(app);
  throw usage_error("no completion for this shell").found(kinglet::quoted(shell)).allowed("bash, zsh, fish");
}

}  // namespace

void add_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("completion", "Print a script that completes in the shell");
  command->add_option("shell", *shell, "bash, zsh or fish")->required();
  command->footer("Examples:\n  source <(kinglet completion bash)\n"
                  "  kinglet completion fish > ~/.config/fish/completions/kinglet.fish");
  command->callback([&app, shell] { print(script_for(app, *shell)); });
}

}  // namespace kinglet::cli
