// The page of the lens: its skeleton and data here, its style and scripts in lens_page/.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>

#include "base/output_file.h"
#include "base/text.h"
#include "kinglet/error.h"
#include "kinglet/lens.h"
#include "kinglet/version.h"
#include "runtime/cache_type.h"
#include "runtime/lens_page/text.h"
#include "runtime/page.h"
#include "runtime/text_run.h"
#include "runtime/token_text.h"

namespace kinglet {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostWeights = std::size_t{64} << 20;  // bytes of a page
constexpr std::size_t kMostGuesses = 10;                     // of a reading

std::string base64(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 3; ++j) bits = bits << 8 | (j < count ? bytes[i + j] : 0u);
    for (std::size_t j = 0; j < 4; ++j) text += j <= count ? kDigits[bits >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

// Text as JSON can hold it: bytes that are no whole character, as tokens can be, as \xNN.
std::string as_utf8(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const std::size_t length = utf8_length(bytes);
    if (length == 0) text += fmt::format("\\x{:02x}", static_cast<unsigned char>(bytes[0]));
    text += bytes.substr(0, length);
    bytes.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return text;
}

// A number for a page: four digits after the point.
double rounded(double value) { return std::round(value * 1e4) / 1e4; }

std::vector<double> rounded(std::span<const double> values) {
  std::vector<double> list;
  for (const double value : values) list.push_back(rounded(value));
  return list;
}

// --- data -------------------------------------------------------------------------------------

// Row t of each map has t + 1 weights; each is a byte.
Json json_of(const AttentionMaps& maps) {
  const std::size_t count = maps.layers.size() * maps.heads.size();
  const std::size_t size = maps.tokens * (maps.tokens + 1) / 2;
  if (count * size > kMostWeights) {
    throw usage_error("a page does not hold so many attention maps: choose a layer or a head")
        .found(fmt::format("{} maps of {}", count, human_bytes(size)))
        .allowed(fmt::format("{} in all", human_bytes(kMostWeights)));
  }
  std::vector<std::uint8_t> bytes;
  bytes.reserve(count * size);
  for (std::size_t layer = 0; layer < maps.layers.size(); ++layer) {
    for (std::size_t head = 0; head < maps.heads.size(); ++head) {
      for (std::size_t t = 0; t < maps.tokens; ++t) {
        for (const float weight : maps.row(layer, head, t).first(t + 1)) {
          bytes.push_back(static_cast<std::uint8_t>(std::lround(255 * std::clamp(weight, 0.0f, 1.0f))));
        }
      }
    }
  }
  return {{"layers", maps.layers}, {"heads", maps.heads}, {"weights", base64(bytes)}};
}

// Texts of tokens, each kept once.
class Words {
 public:
  explicit Words(const Model& model) : model_(model) {}

  std::size_t of(TokenId before, TokenId id) {
    const auto [at, is_new] = index_.try_emplace(as_utf8(token_text(model_, before, id)), list_.size());
    if (is_new) list_.push_back(at->first);
    return at->second;
  }
  const std::vector<std::string>& list() const { return list_; }

 private:
  const Model& model_;
  std::unordered_map<std::string, std::size_t> index_;
  std::vector<std::string> list_;
};

Json json_of(const Model& model, std::span<const TokenId> ids, const LogitLens& lens) {
  const std::size_t top = std::min(kMostGuesses, lens.readings.front().top.size());
  Words words(model);
  std::vector<std::size_t> guesses, next, ranks;
  std::vector<double> probabilities, entropies, scores;
  for (std::size_t i = 0; i < lens.positions.size(); ++i) {
    const TokenId here = ids[lens.positions[i]];
    next.push_back(words.of(here, lens.next[i]));
    for (std::size_t row = 0; row <= lens.layers; ++row) {
      const Reading& reading = lens.at(i, row);
      for (const Guess& guess : std::span(reading.top).first(top)) {
        guesses.push_back(words.of(here, guess.id));
        probabilities.push_back(rounded(std::exp(guess.log_probability)));
      }
      entropies.push_back(rounded(reading.entropy));
      ranks.push_back(reading.rank);
      scores.push_back(rounded(reading.log_probability));
    }
  }
  return {{"layers", lens.layers}, {"top", top},     {"words", words.list()},
          {"guesses", guesses},    {"probabilities", probabilities}, {"next", next},
          {"ranks", ranks},        {"scores", scores}, {"entropies", entropies}};
}

Json json_of(const Ablation& ablation) {
  std::string heads;
  for (const HeadPlace& place : ablation.heads) {
    heads += fmt::format("{}{}.{}", heads.empty() ? "" : ", ", place.layer, place.head);
  }
  std::vector<double> changes;
  for (std::size_t i = 0; i < ablation.before.size(); ++i) {
    changes.push_back(rounded(ablation.after[i] - ablation.before[i]));
  }
  return {{"before", rounded(ablation.before)},
          {"heads", {(ablation.heads.size() == 1 ? "head " : "heads ") + heads}},
          {"changes", Json::array({changes})}};
}

Json json_of(const AblationSweep& sweep) {
  Json json = {{"columns", sweep.heads}, {"before", rounded(sweep.before)}, {"heads", Json::array()},
               {"changes", Json::array()}};
  for (std::size_t layer = 0; layer < sweep.layers; ++layer) {
    for (std::size_t head = 0; head < sweep.heads; ++head) {
      json["heads"].push_back(fmt::format("head {}.{}", layer, head));
      json["changes"].push_back(rounded(sweep.of(layer, head)));
    }
  }
  return json;
}

// JSON inside an element: no "<" that could end it.
std::string embedded(const Json& json) {
  std::string text;
  for (const char c : json.dump()) {
    c == '<' ? text += "\\u003c" : text += c;
  }
  return text;
}

// --- skeleton ---------------------------------------------------------------------------------

constexpr std::string_view kAttention = R"html(
<section aria-labelledby='attention'>
<h2 id='attention'>Where each head looks</h2>
<p class='lead'>Choose a token, with the pointer or with Tab and the arrow keys: the stronger the colour of another one, the
more of it the head takes. Choose a head below.</p>
<div class='looking'>
<div>
<div class='switch' role='group' aria-label='Direction'><button type='button' id='looks'>looks at</button><button
 type='button' id='is-looked-at'>is looked at by</button></div>
<p class='text' id='text' role='listbox' aria-label='The text, by tokens'></p>
<p class='said' id='said' aria-live='polite'></p>
<div class='bars' id='targets'></div>
</div>
<div class='map-side'>
<h3 id='map-name'></h3>
<canvas class='map' id='map' role='img' aria-label='Map of the chosen head: a row for each token, a column for each token it looks at'></canvas>
<p class='scale'>0 <canvas id='scale' width='110' height='10' aria-hidden='true'></canvas> 1, by the square root <span id='pair'></span></p>
</div>
</div>
<div id='all-heads'>
<h3>All heads</h3>
<div class='heads' id='heads'></div>
</div>
</section>
)html";

constexpr std::string_view kLogits = R"html(
<section aria-labelledby='logits'>
<h2 id='logits'>What each layer would predict</h2>
<p class='lead'>The hidden state after each layer, sent through the model’s last norm and its head: the most probable
next token, stronger in colour where it is more probable, with a check mark where it is what comes next. The last layer is the model itself.</p>
<div class='reading'>
<div class='grid' id='predictions'></div>
<div class='detail'><h3 id='reading-name' aria-live='polite'></h3><div class='bars' id='guesses'></div><dl id='facts'></dl></div>
</div>
</section>
)html";

constexpr std::string_view kAblation = R"html(
<section aria-labelledby='ablation'>
<h2 id='ablation'>What the text loses without a head</h2>
<p class='lead'>A head’s output is replaced by zeros before the output projection. The change of each token’s
log-probability, in nats: <span class='worse'></span>less probable without the head <span class='better'></span>more probable.</p>
<div class='effects' id='effects'></div>
<p class='text' id='lost-text' role='listbox' aria-label='The text, by tokens'></p>
<p class='said' id='lost' aria-live='polite'></p>
</section>
)html";

// No network, whatever a text holds.
constexpr std::string_view kPolicy =
    "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'\">\n";

}  // namespace

void write_html(const Model& model, const LensPage& page, const std::filesystem::path& path) {
  const nn::Shape& shape = shape_of(model);
  const bool has_attention = page.attention != nullptr && !page.attention->layers.empty();
  Json data = {{"tokens", Json::array()}};
  for (const std::string& text : token_texts(model, page.ids)) data["tokens"].push_back(as_utf8(text));
  if (has_attention) data["attention"] = json_of(*page.attention);
  if (page.logit_lens != nullptr) data["logits"] = json_of(model, page.ids, *page.logit_lens);
  if (page.sweep != nullptr) data["ablation"] = json_of(*page.sweep);
  if (page.ablation != nullptr) data["ablation"] = json_of(*page.ablation);

  std::string html = page_start("kinglet lens: " + model.file(), kLensPageStyle);
  html.insert(html.find("<title>"), kPolicy);
  html += fmt::format(
      "<p class='kicker'>kinglet lens</p>\n<h1>{}</h1>\n<p class='dim'>{} token{}, {} layers of {} heads; {}, KV cache {}, "
      "kernels {}, kinglet {}.</p>\n<noscript><p>This page draws with JavaScript, which is switched off here.</p></noscript>\n",
      escaped(model.file()), page.ids.size(), page.ids.size() == 1 ? "" : "s", shape.layers, shape.heads, escaped(model.format()), name_of(page.cache),
      isa_in_use(), version());
  if (has_attention) html += kAttention;
  if (page.logit_lens != nullptr) html += kLogits;
  if (data.contains("ablation")) html += kAblation;
  html += fmt::format(
      "<footer class='dim'>A dot is a space at a token’s start, ↵ the end of a line, \\xNN a byte of a character.{} The numbers themselves: "
      "<code>kinglet lens --json</code>.</footer>\n<script type='application/json' id='data'>{}</script>\n<script>\n(() => {{\n"
      "\"use strict\";\n{}}})();\n</script>\n",
      has_attention ? " Attention weights are kept in steps of 1/255 on this page." : "", embedded(data), kLensPageScript);
  html += page_end();
  OutputFile file(path);
  file.write(html);
  file.commit();
}

}  // namespace kinglet
