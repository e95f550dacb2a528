#include "cli/lens_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/checked.h"
#include "base/text.h"
#include "cli/heat_map.h"
#include "cli/options.h"
#include "cli/output.h"
#include "kinglet/version.h"
#include "runtime/token_text.h"

namespace kinglet::cli {
namespace {

using Json = nlohmann::ordered_json;

// A token's text in quotes, on one line.
std::string shown(const std::string& text) {
  std::string line;
  for (const char c : text) c == '\n' ? line += "\\n" : line += c;
  return kinglet::quoted(line);
}

// ".42", "1.0"
std::string share(double probability) {
  const std::string text = fmt::format("{:.2f}", probability);
  return text.front() == '0' ? text.substr(1) : "1.0";
}

// --- attention --------------------------------------------------------------------------------

HeatMap map_of(const AttentionMaps& maps, std::size_t layer, std::size_t head) {
  HeatMap map = {.rows = maps.tokens, .columns = maps.tokens, .values = {}};
  for (std::size_t t = 0; t < maps.tokens; ++t) {
    const std::span<const float> row = maps.row(layer, head, t);
    map.values.insert(map.values.end(), row.begin(), row.begin() + static_cast<std::ptrdiff_t>(t) + 1);
    map.values.insert(map.values.end(), maps.tokens - t - 1, std::numeric_limits<float>::quiet_NaN());
  }
  return map;
}

std::string legend(const Screen& screen) {
  if (!screen.has_colour) {
    return fmt::format("'{}' from 0 to 1, by the square root", kShades);
  }
  HeatMap scale = {.rows = 1, .columns = 20, .values = {}};
  for (std::size_t i = 0; i < 20; ++i) {
    const float root = static_cast<float>(i) / 19;
    scale.values.push_back(root * root);
  }
  return fmt::format("0 {} 1, by the square root", in_colours(scale, 1).front());
}

// The tokens that row t looks at most, in words.
std::string targets(const AttentionMaps& maps, const LensFindings& found, std::size_t t) {
  constexpr std::size_t kShown = 3;
  const std::span<const float> row = maps.row(0, 0, t);
  std::vector<std::size_t> order(t + 1);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return row[a] > row[b]; });
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, order.size()); ++i) {
    if (i > 0 && row[order[i]] < 0.005f) break;
    text += fmt::format("{}{} {}", i == 0 ? "" : "  ", share(static_cast<double>(row[order[i]])),
                        shown(found.texts[order[i]]));
  }
  return text;
}

void print_one_head(const LensFindings& found, const Screen& screen) {
  constexpr std::size_t kWidestLabel = 14, kForTargets = 30;
  const AttentionMaps& maps = *found.attention;
  std::size_t label = 0;
  for (const std::string& text : found.texts) label = std::max(label, shown(text).size());
  label = std::min(label, kWidestLabel);
  const std::size_t around = 6 + label + 3 + kForTargets;
  const std::size_t room = screen.width > around + 16 ? screen.width - around : 16;
  const std::size_t side = ceil_div(maps.tokens, room);
  HeatMap map = map_of(maps, 0, 0);
  // Rows are kept, columns are pooled.
  HeatMap narrow = {.rows = map.rows, .columns = ceil_div(map.columns, side), .values = {}};
  for (std::size_t t = 0; t < map.rows; ++t) {
    const HeatMap row = pooled({.rows = 1, .columns = map.columns,
                                .values = {map.values.begin() + static_cast<std::ptrdiff_t>(t * map.columns),
                                           map.values.begin() + static_cast<std::ptrdiff_t>((t + 1) * map.columns)}},
                               side);
    narrow.values.insert(narrow.values.end(), row.values.begin(), row.values.end());
  }
  const std::size_t cell = screen.has_colour && 2 * narrow.columns <= room ? 2 : 1;
  const std::vector<std::string> lines = screen.has_colour ? in_colours(narrow, cell) : in_characters(narrow);
  print_line(fmt::format("layer {}, head {}: {}{}", maps.layers.front(), maps.heads.front(), legend(screen),
                         side == 1 ? "" : fmt::format("; a column is {} tokens", side)));
  for (std::size_t t = 0; t < lines.size(); ++t) {
    print_line(fmt::format("{:>5} {:<{}.{}} {}  {}", t, shown(found.texts[t]), label, label, lines[t],
                           targets(maps, found, t)));
  }
}

void print_all_heads(const LensFindings& found, const Screen& screen) {
  constexpr std::size_t kLargest = 32, kGap = 2;
  const AttentionMaps& maps = *found.attention;
  const std::size_t side = ceil_div(maps.tokens, std::min(kLargest, screen.width));
  const std::size_t size = ceil_div(maps.tokens, side);
  const std::size_t column = std::max<std::size_t>(size, fmt::format("head {}", maps.heads.back()).size());
  const std::size_t at_once = std::max<std::size_t>(1, (screen.width + kGap) / (column + kGap));
  print_line(fmt::format("rows: tokens, columns: where they look{}; {}",
                         side == 1 ? "" : fmt::format(", {} tokens a cell", side), legend(screen)));
  for (std::size_t layer = 0; layer < maps.layers.size(); ++layer) {
    print_line(fmt::format("\nlayer {}", maps.layers[layer]));
    for (std::size_t first = 0; first < maps.heads.size(); first += at_once) {
      const std::size_t last = std::min(first + at_once, maps.heads.size());
      std::vector<std::string> rows = {""};
      for (std::size_t head = first; head < last; ++head) {
        const HeatMap map = pooled(map_of(maps, layer, head), side);
        const std::vector<std::string> lines = screen.has_colour ? in_half_blocks(map) : in_characters(map);
        const std::string gap(head + 1 == last ? 0 : column - size + kGap, ' ');
        rows.resize(lines.size() + 1);
        rows[0] += fmt::format("{:<{}}", fmt::format("head {}", maps.heads[head]), head + 1 == last ? 0 : column + kGap);
        for (std::size_t i = 0; i < lines.size(); ++i) rows[i + 1] += lines[i] + gap;
      }
      if (first > 0) print_line("");
      for (const std::string& row : rows) print_line(row);
    }
  }
}

void print_attention(const LensFindings& found, const Screen& screen) {
  const AttentionMaps& maps = *found.attention;
  if (maps.layers.empty()) return print_line("the model has no layers");
  maps.layers.size() * maps.heads.size() == 1 ? print_one_head(found, screen) : print_all_heads(found, screen);
}

// --- logit lens -------------------------------------------------------------------------------

void print_logit_lens(const Model& model, const LensFindings& found) {
  constexpr std::size_t kWidest = 14;
  const LogitLens& lens = *found.logit_lens;
  for (std::size_t i = 0; i < lens.positions.size(); ++i) {
    const std::size_t position = lens.positions[i];
    const TokenId here = found.ids[position];
    if (i > 0) print_line("");
    print_line(fmt::format("after {} (position {}): {}{}", shown(found.texts[position]), position,
                           shown(token_text(model, here, lens.next[i])),
                           position + 1 < found.ids.size() ? " comes next"
                                                           : " is the model's own choice, the text ends here"));
    std::vector<std::vector<std::string>> texts;  // by row
    std::size_t width = 0;
    for (std::size_t row = 0; row <= lens.layers; ++row) {
      texts.emplace_back();
      for (const Guess& guess : lens.at(i, row).top) {
        texts.back().push_back(shown(token_text(model, here, guess.id)));
        width = std::min(kWidest, std::max(width, texts.back().back().size()));
      }
    }
    print_line(fmt::format("{:<6}{:>8}{:>7}{:>9}  {}", "layer", "entropy", "rank", "log p", "most probable"));
    for (std::size_t row = 0; row <= lens.layers; ++row) {
      const Reading& reading = lens.at(i, row);
      std::string line = fmt::format("{:<6}{:>8.3f}{:>7}{:>9.3f}", row == 0 ? "embed" : fmt::format("{}", row - 1),
                                     reading.entropy, reading.rank, reading.log_probability);
      for (std::size_t k = 0; k < reading.top.size(); ++k) {
        line += fmt::format("  {} {:<{}.{}}", share(std::exp(reading.top[k].log_probability)), texts[row][k], width,
                            width);
      }
      print_line(line.substr(0, line.find_last_not_of(' ') + 1));
    }
  }
}

// --- ablation ---------------------------------------------------------------------------------

std::string name_of(const HeadPlace& place) { return fmt::format("{}.{}", place.layer, place.head); }

std::vector<HeadPlace> by_effect(const AblationSweep& sweep) {
  std::vector<HeadPlace> places;
  std::vector<double> totals;
  for (std::size_t layer = 0; layer < sweep.layers; ++layer) {
    for (std::size_t head = 0; head < sweep.heads; ++head) {
      places.push_back({layer, head});
      totals.push_back(std::abs(total(sweep.of(layer, head))));
    }
  }
  std::stable_sort(places.begin(), places.end(), [&](const HeadPlace& a, const HeadPlace& b) {
    return totals[a.layer * sweep.heads + a.head] > totals[b.layer * sweep.heads + b.head];
  });
  return places;
}

void print_ablation(const LensFindings& found) {
  const Ablation& ablation = *found.ablation;
  std::string names;
  for (const HeadPlace& place : ablation.heads) names += (names.empty() ? "" : ", ") + name_of(place);
  print_line(fmt::format("log-probability of each next token, and without head{} {}",
                         ablation.heads.size() == 1 ? "" : "s", names));
  print_line(fmt::format("{:>8}  {:>9}{:>9}{:>9}  {}", "position", "log p", "without", "change", "token"));
  const auto numbers = [](double before, double after) {
    return fmt::format("{:>9.3f}{:>9.3f}{:>+9.3f}", before, after, after - before);
  };
  for (std::size_t i = 0; i < ablation.before.size(); ++i) {
    print_line(fmt::format("{:>8}  {}  {}", i + 1, numbers(ablation.before[i], ablation.after[i]),
                           shown(found.texts[i + 1])));
  }
  print_line(fmt::format("{:>8}  {}", "total", numbers(total(ablation.before), total(ablation.after))));
}

void print_sweep(const LensFindings& found) {
  constexpr std::size_t kShown = 10;
  const AblationSweep& sweep = *found.sweep;
  print_line(fmt::format("change in the text's log-probability ({:.3f}, {} tokens) without one head",
                         total(sweep.before), sweep.before.size()));
  std::string head = "layer ";
  for (std::size_t i = 0; i < sweep.heads; ++i) head += fmt::format("{:>9}", fmt::format("head {}", i));
  print_line(head);
  for (std::size_t layer = 0; layer < sweep.layers; ++layer) {
    std::string line = fmt::format("{:>5} ", layer);
    for (std::size_t i = 0; i < sweep.heads; ++i) line += fmt::format("{:>+9.3f}", total(sweep.of(layer, i)));
    print_line(line);
  }
  print_line("\nlargest effects");
  std::vector<HeadPlace> places = by_effect(sweep);
  places.resize(std::min(places.size(), kShown));
  for (const HeadPlace& place : places) {
    const std::span<const double> changes = sweep.of(place.layer, place.head);
    const auto hardest = std::max_element(changes.begin(), changes.end(),
                                          [](double a, double b) { return std::abs(a) < std::abs(b); });
    const auto at = static_cast<std::size_t>(hardest - changes.begin()) + 1;
    print_line(fmt::format("{:>7} {:>+9.3f}   most at {} (position {}): {:+.3f}", name_of(place), total(changes),
                           shown(found.texts[at]), at, *hardest));
  }
}

// --- JSON -------------------------------------------------------------------------------------

Json json_of(const Model& model, const LensFindings& found, const LogitLens& lens) {
  Json json = Json::array();
  for (std::size_t i = 0; i < lens.positions.size(); ++i) {
    const std::size_t position = lens.positions[i];
    const TokenId here = found.ids[position];
    const auto token = [&](TokenId id) -> Json { return {{"id", id}, {"text", token_text(model, here, id)}}; };
    Json entry = {{"position", position},
                  {"next", token(lens.next[i])},
                  {"is_in_text", position + 1 < found.ids.size()},
                  {"layers", Json::array()}};
    for (std::size_t row = 0; row <= lens.layers; ++row) {
      const Reading& reading = lens.at(i, row);
      Json layer = {{"layer", row == 0 ? Json("embed") : Json(row - 1)},
                    {"entropy", reading.entropy},
                    {"rank", reading.rank},
                    {"log_probability", reading.log_probability},
                    {"top", Json::array()}};
      for (const Guess& guess : reading.top) {
        Json top = token(guess.id);
        top["log_probability"] = guess.log_probability;
        top["probability"] = std::exp(guess.log_probability);
        layer["top"].push_back(std::move(top));
      }
      entry["layers"].push_back(std::move(layer));
    }
    json.push_back(std::move(entry));
  }
  return json;
}

Json json_of(const AttentionMaps& maps) {
  Json weights = Json::array();
  for (std::size_t layer = 0; layer < maps.layers.size(); ++layer) {
    weights.push_back(Json::array());
    for (std::size_t head = 0; head < maps.heads.size(); ++head) {
      weights.back().push_back(Json::array());
      for (std::size_t t = 0; t < maps.tokens; ++t) {
        const std::span<const float> row = maps.row(layer, head, t);
        weights.back().back().push_back(std::vector<float>(row.begin(), row.end()));
      }
    }
  }
  return {{"layers", maps.layers}, {"heads", maps.heads}, {"weights", std::move(weights)}};
}

Json json_of(const Ablation& ablation) {
  Json heads = Json::array();
  for (const HeadPlace& place : ablation.heads) heads.push_back({{"layer", place.layer}, {"head", place.head}});
  std::vector<double> changes;
  for (std::size_t i = 0; i < ablation.before.size(); ++i) {
    changes.push_back(ablation.after[i] - ablation.before[i]);
  }
  return {{"heads", heads},
          {"log_probabilities", ablation.before},
          {"without", ablation.after},
          {"changes", changes},
          {"total", total(ablation.before)},
          {"total_without", total(ablation.after)},
          {"total_change", total(ablation.after) - total(ablation.before)}};
}

Json json_of(const AblationSweep& sweep) {
  Json heads = Json::array();
  for (const HeadPlace& place : by_effect(sweep)) {
    const std::span<const double> changes = sweep.of(place.layer, place.head);
    heads.push_back({{"layer", place.layer},
                     {"head", place.head},
                     {"total_change", total(changes)},
                     {"changes", std::vector<double>(changes.begin(), changes.end())}});
  }
  return {{"log_probabilities", sweep.before}, {"total", total(sweep.before)}, {"heads", std::move(heads)}};
}

}  // namespace

void print_text(const Model& model, const LensFindings& found, const Screen& screen) {
  if (found.attention) print_attention(found, screen);
  if (found.attention && (found.ablation || found.sweep)) print_line("");
  if (found.ablation) print_ablation(found);
  if (found.sweep) print_sweep(found);
  if (!found.attention && !found.ablation && !found.sweep) print_logit_lens(model, found);
}

void print_json(const Model& model, const LensFindings& found, CacheKind cache) {
  Json json = {{"model", model.file()},   {"format", model.format()}, {"cache_type", cache_name(cache)},
               {"isa", isa_in_use()},     {"numerics", kNumericsVersion}, {"ids", found.ids},
               {"tokens", found.texts}};
  if (found.logit_lens) {
    json["logit_lens"] = json_of(model, found, *found.logit_lens);
    json["digest"] = found.logit_lens->digest;
  }
  if (found.attention) json["attention"] = json_of(*found.attention);
  if (found.ablation) json["ablation"] = json_of(*found.ablation);
  if (found.sweep) json["ablation"] = json_of(*found.sweep);
  print_line(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace kinglet::cli
