// kinglet lens [-m MODEL] -p TEXT: what each layer would predict; --attention: where each head looks;
// --ablate: what the text loses without a head.

#include <fmt/format.h>

#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/generation.h"
#include "cli/interrupt.h"
#include "cli/lens_report.h"
#include "cli/options.h"
#include "cli/output.h"
#include "kinglet/error.h"
#include "kinglet/lens.h"
#include "kinglet/version.h"
#include "runtime/token_text.h"

namespace kinglet::cli {
namespace {

struct Options : GenerationOptions {
  Verbosity verbosity;
  bool attention = false, json = false;
  std::string position = "last";
  std::size_t top = 5;
  HeadChoice choice;
  std::vector<HeadPlace> ablated;
  bool ablates_each = false;
  std::string npy, html;
};

// What is wrong whatever the model is.
void check(const Options& options) {
  cache_kind(options.run);
  if (options.ablates_each && !options.ablated.empty()) {
    throw usage_error("option --ablate takes all, or heads, not both");
  }
  const char* of_attention = !options.npy.empty()   ? "--npy"
                             : options.choice.layer ? "--layer"
                             : options.choice.head  ? "--head"
                                                    : nullptr;
  const bool has_maps = options.attention || (options.npy.empty() && !options.html.empty());
  if (of_attention != nullptr && !has_maps) {
    throw usage_error(fmt::format("option {} needs --attention", of_attention));
  }
}

HeadPlace parse_place(const std::string& text) {
  constexpr std::int64_t kMost = 1 << 20;
  const std::size_t dot = text.find('.');
  if (dot == text.npos) {
    throw usage_error("option --ablate").found(kinglet::quoted(text)).allowed("LAYER.HEAD, or all");
  }
  return {static_cast<std::size_t>(parse_integer("--ablate", text.substr(0, dot), 0, kMost)),
          static_cast<std::size_t>(parse_integer("--ablate", text.substr(dot + 1), 0, kMost))};
}

std::vector<std::size_t> positions_of(const std::string& text, std::size_t tokens) {
  if (text == "last") return {tokens - 1};
  if (text != "all") {
    return {static_cast<std::size_t>(
        parse_integer("--position", text, 0, static_cast<std::int64_t>(tokens) - 1))};
  }
  std::vector<std::size_t> all(tokens);
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

bool ablates(const Options& options) { return options.ablates_each || !options.ablated.empty(); }

LensOptions lens_options(const Options& options) {
  return {.cache = cache_kind(options.run),
          .context = options.run.context,
          .threads = options.model.threads,
          .chunk = options.run.chunk,
          .is_interrupted = [] { return interrupt() != 0; }};
}

// False where there is no result.
template <class Found>
bool take(std::optional<Found> result, std::optional<Found>& to) {
  to = std::move(result);
  return to.has_value();
}

// False where it was interrupted.
bool look(const Model& model, const Options& options, LensFindings& found) {
  const LensOptions lens = lens_options(options);
  const bool is_plain = !options.attention && !ablates(options);
  const std::vector<std::size_t> positions = positions_of(options.position, found.ids.size());
  if ((is_plain || options.json || options.digest) &&
      !take(logit_lens(model, found.ids, positions, options.top, lens), found.logit_lens)) {
    return false;
  }
  if (options.attention && !take(attention_maps(model, found.ids, options.choice, lens), found.attention)) {
    return false;
  }
  if (options.ablates_each) return take(ablate_each(model, found.ids, lens), found.sweep);
  return options.ablated.empty() || take(ablate(model, found.ids, options.ablated, lens), found.ablation);
}

// Everything, of all positions; what was found already is not looked at again. False where interrupted.
bool write_page(const Model& model, const Options& options, LensFindings& found) {
  LensPage page = {.ids = found.ids, .cache = cache_kind(options.run)};
  const LensOptions lens = lens_options(options);
  const std::optional<LogitLens> readings =
      logit_lens(model, found.ids, positions_of("all", found.ids.size()), options.top, lens);
  if (!readings) return false;
  std::optional<AttentionMaps> maps;
  if (!found.attention && !take(attention_maps(model, found.ids, options.choice, lens), maps)) return false;
  page.attention = found.attention ? &*found.attention : &*maps;
  page.logit_lens = &*readings;
  if (found.ablation) page.ablation = &*found.ablation;
  if (found.sweep) page.sweep = &*found.sweep;
  write_html(model, page, options.html);
  return true;
}

int lens(const Options& options) {
  check(options);
  isa_in_use();
  const Model model = open_model(options.model);
  if (!options.verbosity.quiet) say_warnings(model, options);
  LensFindings found;
  found.ids = read_prompt(model, options).ids;
  found.texts = token_texts(model, found.ids);
  catch_interrupts();
  if (!look(model, options, found)) return 128 + interrupt();

  if (!options.npy.empty()) write_npy(*found.attention, options.npy);
  if (!options.html.empty() && !write_page(model, options, found)) return 128 + interrupt();
  options.json ? print_json(model, found, cache_kind(options.run)) : print_text(model, found, {.width = width_of_stdout(), .has_colour = has_colour_stdout()});
  flush();
  if (options.digest) {
    note(fmt::format("digest {} ({} positions)", found.logit_lens->digest, found.logit_lens->positions.size()));
  }
  return interrupt() == 0 ? 0 : 128 + interrupt();
}

void add_choice(CLI::App* command, const std::string& name, std::optional<std::size_t>& value,
                const std::string& help) {
  constexpr std::int64_t kMost = 1 << 20;
  command
      ->add_option_function<std::string>(
          name,
          [&value, name](const std::string& text) {
            value = static_cast<std::size_t>(parse_integer(name, text, 0, kMost));
          },
          help)
      ->type_name("N");
}

}  // namespace

void add_lens(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("lens", "Look inside: what layers predict, where heads look");
  add_prompt_options(command, *options);
  command->add_option("--position", options->position, "Where to look: last (default), all, or a token's number")
      ->type_name("N");
  add_integer(command, "--top", options->top, 1, 1 << 20, "Most probable tokens of each layer (default 5)");
  command->add_flag("--attention", options->attention, "Where each head looks, instead");
  add_choice(command, "--layer", options->choice.layer, "Attention of this layer only");
  add_choice(command, "--head", options->choice.head, "Attention of this head only; with --layer, in detail");
  command->add_option("--npy", options->npy, "Attention as a NumPy array (L, H, T, T), f32")->type_name("FILE");
  command
      ->add_option("--html", options->html,
                   "A page: attention, the logit lens of all positions, and ablation where it is asked for")
      ->type_name("FILE");
  command
      ->add_option_function<std::vector<std::string>>(
          "--ablate",
          [options](const std::vector<std::string>& places) {
            for (const std::string& place : places) {
              place == "all" ? void(options->ablates_each = true) : options->ablated.push_back(parse_place(place));
            }
          },
          "Zeros for this head's output, before the output projection: what does the text lose? "
          "Repeatable, together; or all: each by itself, ranked")
      ->type_name("LAYER.HEAD")
      ->expected(1)
      ->take_all();
  add_run_options(command, options->run);
  command->add_flag("--digest", options->digest, "SHA-256 of the last layer's logits at these positions, on stderr");
  command->add_flag("--json", options->json, "One JSON document: the logit lens, and what else is asked for");
  add_verbosity(command, options->verbosity);
  set_examples(command, "kinglet lens -p \"Once upon a\"",
               "kinglet lens --attention --ablate all -p \"The king had a son. The king\" --html lens.html");
  command->callback([options, &exit_code] { exit_code = lens(*options); });
}

}  // namespace kinglet::cli
