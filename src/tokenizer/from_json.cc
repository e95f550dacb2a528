// Hugging Face's tokenizer.json: added_tokens, normalizer, pre_tokenizer, model, post_processor and
// decoder; truncation and padding are not of tokenizing and are ignored.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/text.h"
#include "kinglet/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/factories.h"
#include "tokenizer/json_components.h"
#include "tokenizer/json_document.h"
#include "tokenizer/merges.h"
#include "tokenizer/pipeline.h"

namespace kinglet {
namespace {

// The model's own entries, as the file spells them.
Vocabulary read_entries(const JsonDocument& document, std::vector<std::string>& warnings) {
  if (document.ids.size() != document.pieces.size())
    throw refused("wanted an id for each piece").at("model.vocab");
  Vocabulary entries;
  entries.reserve(document.pieces.size(), document.pieces.total_bytes());
  std::size_t replaced = 0;
  for (std::size_t i = 0; i < document.pieces.size(); ++i) {
    const std::int64_t id = document.ids[i];
    if (id < 0 || id >= static_cast<std::int64_t>(kMaxTokens))
      throw refused("a token id is out of range")
          .at("model.vocab." + printable(document.pieces[i]))
          .found(std::to_string(id))
          .allowed(fmt::format("0 to {}", kMaxTokens - 1));
    const auto token = static_cast<TokenId>(id);
    replaced += entries.contains(token) && entries.kind(token) != TokenKind::kMissing;
    entries.set(token, document.pieces[i]);
  }
  if (replaced > 0)
    warnings.push_back(fmt::format("{} ids of model.vocab stand there twice; the last counts", replaced));
  if (const std::size_t twice = entries.build_index(); twice > 0)
    warnings.push_back(fmt::format("{} pieces of model.vocab stand there twice", twice));
  return entries;
}

// The same entries as the bytes that they stand for; those that stand for none never match.
Vocabulary byte_texts(const Vocabulary& entries) {
  Vocabulary texts;
  texts.reserve(entries.size(), entries.size() * 8);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    if (entries.kind(id) == TokenKind::kMissing) continue;
    if (const auto bytes = bytes_of_stand_ins(entries.text(id))) texts.set(id, *bytes);
  }
  texts.build_index();
  return texts;
}

// The id of the entry that a member names; -1 where the member is null.
TokenId named_token(const JsonField& field, const Vocabulary& entries) {
  if (field.is_null()) return -1;
  const std::string text = field.string();
  const TokenId id = entries.find(text);
  if (id < 0) throw field.wrong("is not in the vocabulary").found(kinglet::quoted(text));
  return id;
}

std::string model_type(const JsonField& model, const JsonDocument& document) {
  if (const JsonField type = model["type"]; !type.is_null()) return type.string();
  // Old files do not say.
  if (document.lefts.size() > 0) return "BPE";
  if (!document.scores.empty()) return "Unigram";
  return model["continuing_subword_prefix"].is_null() ? "WordLevel" : "WordPiece";
}

class Builder {
 public:
  explicit Builder(std::string_view json) : document_(parse_tokenizer_json(json)) {}

  std::unique_ptr<Tokenizer::Pipeline> build() {
    const JsonField root(document_.tree, "");
    const JsonField model = root["model"];
    if (model.is_null()) throw refused("has no model").at("model");
    pipeline_->normalizer = Normalizer(read_normalizer(root["normalizer"]));
    std::vector<pre::Step> steps = read_pre_tokenizer(root["pre_tokenizer"]);
    pipeline_->vocabulary = read_entries(document_, pipeline_->warnings);
    read_model(model, steps);
    pipeline_->pre_tokenizer = PreTokenizer(std::move(steps));
    pipeline_->decoder = read_decoder(root["decoder"]);
    read_added_tokens(root["added_tokens"]);
    read_affixes(root["post_processor"]);
    if (const std::size_t holes = pipeline_->vocabulary.missing(); holes > 0)
      pipeline_->warnings.push_back(fmt::format("{} ids below the highest have no token", holes));
    return std::move(pipeline_);
  }

 private:
  void read_model(const JsonField& model, std::vector<pre::Step>& steps) {
    const std::string type = model_type(model, document_);
    const Vocabulary& entries = pipeline_->vocabulary;
    if (type == "Unigram" ? document_.scores.size() != document_.ids.size() : !document_.scores.empty())
      throw refused("has the wrong form for a " + type + " model").at("model.vocab");
    if (type == "BPE") return read_bpe(model, steps);
    pipeline_->texts = entries;
    if (type == "WordPiece") return read_word_piece(model);
    if (type == "Unigram") return read_unigram(model);
    if (type == "WordLevel") {
      pipeline_->model = WordLevel{&pipeline_->texts, named_token(model["unk_token"], entries)};
      return;
    }
    throw model["type"].wrong("unknown model").found(kinglet::quoted(type));
  }

  void read_bpe(const JsonField& model, std::vector<pre::Step>& steps) {
    const Vocabulary& entries = pipeline_->vocabulary;
    Bpe::Options options;
    options.unknown = named_token(model["unk_token"], entries);
    options.fuse_unknown = model["fuse_unk"].boolean_or(false);
    options.byte_fallback = model["byte_fallback"].boolean_or(false);
    options.ignore_merges = model["ignore_merges"].boolean_or(false);
    options.continuing_prefix = model["continuing_subword_prefix"].string_or("");
    options.end_suffix = model["end_of_word_suffix"].string_or("");
    if (!model["dropout"].is_null() && model["dropout"].json() != 0.0)
      pipeline_->warnings.emplace_back("model.dropout is for training and is ignored");

    auto* last = steps.empty() ? nullptr : std::get_if<pre::ByteLevel>(&steps.back());
    const bool is_marked = !options.continuing_prefix.empty() || !options.end_suffix.empty();
    // Byte fallback works on the spelling in stand-ins.
    if (last != nullptr && !is_marked && !options.byte_fallback) {
      last->spelling = pre::ByteLevel::Spelling::kBytes;
      options.alphabet = Bpe::Alphabet::kBytes;
      pipeline_->texts = byte_texts(entries);
    } else {
      pipeline_->texts = entries;
    }
    const MergeList merges{document_.lefts.size(), [this](std::size_t i) {
                             return std::pair(document_.lefts[i], document_.rights[i]);
                           }};
    PairTable table = build_merges(entries, merges, options.continuing_prefix, pipeline_->warnings);
    pipeline_->model.emplace<Bpe>(pipeline_->texts, std::move(table), std::move(options));
  }

  void read_word_piece(const JsonField& model) {
    const std::string prefix = model["continuing_subword_prefix"].string_or("##");
    WordPiece::Options options;
    options.prefix = prefix;
    options.unknown = named_token(model["unk_token"], pipeline_->vocabulary);
    options.max_characters = model["max_input_chars_per_word"].count_or(100);
    pipeline_->model.emplace<WordPiece>(pipeline_->texts, options);
  }

  void read_unigram(const JsonField& model) {
    for (const double score : document_.scores)
      if (!std::isfinite(score)) throw refused("a score is not finite").at("model.vocab");
    Unigram::Options options;
    options.sums = Unigram::Sums::kDouble;
    if (const JsonField unknown = model["unk_id"]; !unknown.is_null()) {
      options.unknown = unknown.token_id();
      if (!pipeline_->vocabulary.contains(options.unknown))
        throw unknown.wrong("is not in the vocabulary").found(std::to_string(options.unknown));
    }
    if (model["byte_fallback"].boolean_or(false)) options.fallback = Unigram::Fallback::kBytes;
    for (std::size_t byte = 0; byte < 256; ++byte)
      options.byte_tokens[byte] =
          pipeline_->vocabulary.find(byte_token_text(static_cast<unsigned char>(byte)));
    pipeline_->model.emplace<Unigram>(pipeline_->texts, document_.scores, options);
  }

  void read_added_tokens(const JsonField& list) {
    if (list.is_null()) return;
    std::vector<AddedToken> raw, normalized;
    StepBudget budget(0);
    std::size_t moved = 0;
    for (const JsonField& field : list.items()) {
      AddedToken token;
      token.content = field["content"].string();
      token.id = field["id"].token_id();
      token.is_special = field["special"].boolean_or(false);
      token.is_single_word = field["single_word"].boolean_or(false);
      token.strips_left = field["lstrip"].boolean_or(false);
      token.strips_right = field["rstrip"].boolean_or(false);
      token.is_normalized = field["normalized"].boolean_or(!token.is_special);
      // The model's own id of a text stands above what the list says.
      if (const TokenId id = pipeline_->vocabulary.find(token.content); id >= 0 && id != token.id) {
        token.id = id;
        ++moved;
      }
      pipeline_->vocabulary.set(token.id, token.content,
                                token.is_special ? TokenKind::kControl : TokenKind::kUserDefined);
      if (token.is_normalized) {
        std::string content = pipeline_->normalizer.apply(token.content, budget);
        if (content != token.content) pipeline_->normalized_texts[token.id] = content;
        token.content = std::move(content);
        normalized.push_back(std::move(token));
      } else {
        raw.push_back(std::move(token));
      }
    }
    if (moved > 0)
      pipeline_->warnings.push_back(
          fmt::format("{} added tokens have another id in model.vocab, which counts", moved));
    pipeline_->vocabulary.build_index();
    pipeline_->added = AddedTokens(std::move(raw));
    pipeline_->added_normalized = AddedTokens(std::move(normalized));
  }

  void read_affixes(const JsonField& field) {
    Affix affix = read_post_processor(field);
    for (const auto* side : {&affix.before, &affix.after})
      for (const TokenId id : *side)
        if (!pipeline_->vocabulary.contains(id))
          throw field.wrong("has a token id that the vocabulary lacks").found(std::to_string(id));
    if (!affix.before.empty()) pipeline_->bos = affix.before.front();
    if (!affix.after.empty()) pipeline_->eos = affix.after.back();
    pipeline_->adds_bos = !affix.before.empty();
    pipeline_->before = std::move(affix.before);
    pipeline_->after = std::move(affix.after);
  }

  JsonDocument document_;
  std::unique_ptr<Tokenizer::Pipeline> pipeline_ = std::make_unique<Tokenizer::Pipeline>();
};

}  // namespace

Tokenizer from_json(const std::string& file, std::string_view json) {
  try {
    return Tokenizer(Builder(json).build());
  } catch (Error& error) {
    throw error.in(file);
  }
}

}  // namespace kinglet
