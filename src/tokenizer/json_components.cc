#include "tokenizer/json_components.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "tokenizer/base64.h"

namespace kinglet {
namespace {

[[noreturn]] void unknown(const JsonField& field, const char* what) {
  throw field["type"].wrong(std::string("unknown ") + what).found(kinglet::quoted(field.type()));
}

std::variant<Regex, std::string> read_pattern(const JsonField& field) {
  // A bare string is how old files have it.
  const JsonField literal = field.json().is_string() ? field : field["String"];
  if (!literal.is_null()) {
    if (literal.string().empty()) return Regex("");  // everywhere, as the reference has it
    return literal.string();
  }
  const JsonField pattern = field["Regex"];
  try {
    return Regex(pattern.string());
  } catch (Error& error) {
    throw error.at(pattern.path());
  }
}

norm::Bert read_bert_normalizer(const JsonField& field) {
  using Do = norm::Bert::Do;
  const auto flag = [&](std::string_view key, bool otherwise) {
    return field[key].boolean_or(otherwise) ? Do::kYes : Do::kNo;
  };
  norm::Bert bert;
  bert.clean = flag("clean_text", true);
  bert.pad_cjk = flag("handle_chinese_chars", true);
  bert.lowercase = flag("lowercase", true);
  bert.strip_accents = flag("strip_accents", bert.lowercase == Do::kYes);
  return bert;
}

norm::Step read_normalizer_step(const JsonField& field) {
  const std::string type = field.type();
  if (type == "NFC") return norm::Unicode{UnicodeForm::kNfc};
  if (type == "NFD") return norm::Unicode{UnicodeForm::kNfd};
  if (type == "NFKC") return norm::Unicode{UnicodeForm::kNfkc};
  if (type == "NFKD") return norm::Unicode{UnicodeForm::kNfkd};
  if (type == "Lowercase") return norm::Lowercase{};
  if (type == "StripAccents") return norm::StripAccents{};
  if (type == "Nmt") return norm::Nmt{};
  if (type == "ByteLevel") return norm::ByteLevel{};
  if (type == "BertNormalizer") return read_bert_normalizer(field);
  if (type == "Prepend") return norm::Prepend{field["prepend"].string()};
  if (type == "Replace") return norm::Replace{read_pattern(field["pattern"]), field["content"].string()};
  if (type == "Strip") {
    using Side = norm::Strip::Side;
    return norm::Strip{field["strip_left"].boolean_or(true) ? Side::kStripped : Side::kKept,
                       field["strip_right"].boolean_or(true) ? Side::kStripped : Side::kKept};
  }
  if (type == "Precompiled") {
    const JsonField map = field["precompiled_charsmap"];
    const auto blob = map.is_null() ? std::string() : decode_base64(map.string());
    if (!blob) throw map.wrong("is no base64");
    try {
      return norm::Precompiled{Charsmap(*blob)};
    } catch (Error& error) {
      throw error.at(map.path());
    }
  }
  unknown(field, "normalizer");
}

SplitBehavior read_behavior(const JsonField& field) {
  constexpr std::array<std::pair<std::string_view, SplitBehavior>, 5> kNames{{
      {"Removed", SplitBehavior::kRemoved},
      {"Isolated", SplitBehavior::kIsolated},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext},
      {"Contiguous", SplitBehavior::kContiguous},
  }};
  const std::string name = field.string_or("Isolated");
  for (const auto& [known, behavior] : kNames)
    if (name == known) return behavior;
  throw field.wrong("unknown split behavior").found(kinglet::quoted(name));
}

// Files older than prepend_scheme have add_prefix_space.
std::string prepend_scheme(const JsonField& field) {
  const JsonField scheme = field["prepend_scheme"];
  if (!field["add_prefix_space"].boolean_or(true)) return "never";
  const std::string name = scheme.string_or("always");
  if (name != "always" && name != "first" && name != "never")
    throw scheme.wrong("unknown scheme").found(kinglet::quoted(name)).allowed("always, first or never");
  return name;
}

pre::Metaspace read_metaspace(const JsonField& field) {
  using Metaspace = pre::Metaspace;
  Metaspace step;
  step.replacement = field["replacement"].string_or(step.replacement);
  const std::string scheme = prepend_scheme(field);
  step.prepend = scheme == "always"  ? Metaspace::Prepend::kAlways
                 : scheme == "first" ? Metaspace::Prepend::kFirst
                                     : Metaspace::Prepend::kNever;
  step.words = field["split"].boolean_or(true) ? Metaspace::Words::kSplit : Metaspace::Words::kWhole;
  return step;
}

pre::Split read_split(const JsonField& field) {
  pre::Split step{read_pattern(field["pattern"]), read_behavior(field["behavior"])};
  if (field["invert"].boolean_or(false)) step.keep = pre::Split::Keep::kInverted;
  return step;
}

pre::Step read_pre_tokenizer_step(const JsonField& field) {
  const std::string type = field.type();
  if (type == "Whitespace") return pre::Whitespace{};
  if (type == "WhitespaceSplit") return pre::WhitespaceSplit{};
  if (type == "BertPreTokenizer") return pre::Bert{};
  if (type == "Split") return read_split(field);
  if (type == "Metaspace") return read_metaspace(field);
  if (type == "Punctuation") return pre::Punctuation{read_behavior(field["behavior"])};
  if (type == "CharDelimiterSplit")
    return pre::Split{field["delimiter"].string(), SplitBehavior::kRemoved};
  if (type == "Digits")
    return pre::Digits{field["individual_digits"].boolean_or(false) ? pre::Digits::Group::kSingle
                                                                     : pre::Digits::Group::kRuns};
  if (type == "ByteLevel") {
    using ByteLevel = pre::ByteLevel;
    ByteLevel step;
    if (field["add_prefix_space"].boolean_or(true)) step.prefix = ByteLevel::Prefix::kSpace;
    if (!field["use_regex"].boolean_or(true)) step.words = ByteLevel::Words::kWhole;
    return step;
  }
  unknown(field, "pre-tokenizer");
}

// Appends in place: g++ 12 takes a Stage that is moved for uninitialised.
void read_decoder_stage(const JsonField& field, std::vector<decode::Stage>& stages) {
  const std::string type = field.type();
  if (type == "ByteLevel") {
    stages.emplace_back(decode::ByteLevel{});
  } else if (type == "ByteFallback") {
    stages.emplace_back(decode::ByteFallback{});
  } else if (type == "Fuse") {
    stages.emplace_back(decode::Fuse{});
  } else if (type == "BPEDecoder") {
    stages.emplace_back(decode::WordSuffix{field["suffix"].string_or("</w>")});
  } else if (type == "Replace") {
    stages.emplace_back(decode::Replace{read_pattern(field["pattern"]), field["content"].string()});
  } else if (type == "Strip") {
    stages.emplace_back(decode::Strip{field["content"].character(), field["start"].count_or(0),
                                      field["stop"].count_or(0)});
  } else if (type == "WordPiece") {
    using Cleanup = decode::WordPiece::Cleanup;
    const bool cleans = field["cleanup"].boolean_or(true);
    stages.emplace_back(decode::WordPiece{field["prefix"].string_or("##"),
                                          cleans ? Cleanup::kEnglish : Cleanup::kNone});
  } else if (type == "Metaspace") {
    using First = decode::Metaspace::First;
    const bool keeps = prepend_scheme(field) == "never";
    stages.emplace_back(decode::Metaspace{field["replacement"].string_or("\xE2\x96\x81"),
                                          keeps ? First::kKept : First::kDropped});
  } else {
    unknown(field, "decoder");
  }
}

std::vector<TokenId> template_ids(const JsonField& field, const std::string& token) {
  const JsonField special = field["special_tokens"][token];
  if (special.is_null())
    throw field["special_tokens"].wrong("lacks a token of the template").found(kinglet::quoted(token));
  std::vector<TokenId> ids;
  for (const JsonField& id : special["ids"].items()) ids.push_back(id.token_id());
  return ids;
}

// What a text becomes on its way through the post-processors: parts, each of ids and, once, the text.
using Part = std::vector<TokenId>;
constexpr TokenId kText = -1;

std::vector<Part> apply_template(const JsonField& field, const std::vector<Part>& parts) {
  if (parts.size() > 2) throw field["type"].wrong("a template after one that leaves over two parts");
  std::vector<Part> result;
  for (const JsonField& item : field[parts.size() == 1 ? "single" : "pair"].items()) {
    if (const JsonField sequence = item["Sequence"]; !sequence.is_null()) {
      const std::size_t index = sequence["id"].string_or("A") == "A" ? 0 : 1;
      if (index >= parts.size()) throw sequence.wrong("the template wants a second text");
      result.push_back(parts[index]);
    } else {
      result.push_back(template_ids(field, item["SpecialToken"]["id"].string()));
    }
  }
  return result;
}

TokenId id_of_pair(const JsonField& field) {
  const auto items = field.items();
  if (items.size() != 2) throw field.wrong("wanted a token and its id");
  return items[1].token_id();
}

std::vector<Part> post_process(const JsonField& field, std::vector<Part> parts) {
  const std::string type = field.type();
  if (type == "ByteLevel") return parts;
  if (type == "TemplateProcessing") return apply_template(field, parts);
  if (type != "BertProcessing" && type != "RobertaProcessing") unknown(field, "post-processor");
  const TokenId cls = id_of_pair(field["cls"]), sep = id_of_pair(field["sep"]);
  for (Part& part : parts) {
    if (&part == &parts.front())
      part.insert(part.begin(), cls);
    else if (type == "RobertaProcessing")
      part.insert(part.begin(), sep);
    part.push_back(sep);
  }
  return parts;
}

}  // namespace

std::vector<norm::Step> read_normalizer(const JsonField& field) {
  std::vector<norm::Step> steps;
  for_each_component(field, "normalizers",
                     [&](const JsonField& step) { steps.push_back(read_normalizer_step(step)); });
  return steps;
}

std::vector<pre::Step> read_pre_tokenizer(const JsonField& field) {
  std::vector<pre::Step> steps;
  for_each_component(field, "pretokenizers",
                     [&](const JsonField& step) { steps.push_back(read_pre_tokenizer_step(step)); });
  return steps;
}

Decoder read_decoder(const JsonField& field) {
  Decoder decoder;
  for_each_component(field, "decoders",
                     [&](const JsonField& stage) { read_decoder_stage(stage, decoder.stages); });
  if (field.is_null()) decoder.stages.emplace_back(decode::JoinWithSpaces{});
  return decoder;
}

Affix read_post_processor(const JsonField& field) {
  std::vector<Part> parts{{kText}};
  for_each_component(field, "processors",
                     [&](const JsonField& step) { parts = post_process(step, std::move(parts)); });
  Part all;
  for (const Part& part : parts) all.insert(all.end(), part.begin(), part.end());
  if (std::count(all.begin(), all.end(), kText) != 1) throw field.wrong("wanted the text once in the template");
  const auto text = std::find(all.begin(), all.end(), kText);
  return {Part(all.begin(), text), Part(text + 1, all.end())};
}

}  // namespace kinglet
