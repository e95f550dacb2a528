// The vocabulary of a GGUF file (docs/gguf.md of ggml-org/ggml, "Tokenizer"): tokenizer.ggml.model
// says which kind. What the keys leave out is taken as the original tokenizer has it.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/text.h"
#include "kinglet/error.h"
#include "tokenizer/bert.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/factories.h"
#include "tokenizer/gguf_pre.h"
#include "tokenizer/merges.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/sentencepiece_model.h"

namespace kinglet {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";

class Builder {
 public:
  explicit Builder(const GgufVocabulary& keys) : keys_(keys) {}

  std::unique_ptr<Tokenizer::Pipeline> build() {
    check_lengths();
    std::unique_ptr<Tokenizer::Pipeline> pipeline;
    if (keys_.model == "gpt2")
      pipeline = byte_level();
    else if (keys_.model == "llama")
      pipeline = sentencepiece(SentencePieceModel::Type::kBpe);
    else if (keys_.model == "t5")
      pipeline = sentencepiece(SentencePieceModel::Type::kUnigram);
    else if (keys_.model == "bert")
      pipeline = bert();
    else
      throw refused("unknown kind of tokenizer")
          .at("tokenizer.ggml.model")
          .found(quoted(keys_.model))
          .allowed("gpt2, llama, t5 or bert");
    pipeline->warnings.insert(pipeline->warnings.begin(), warnings_.begin(), warnings_.end());
    return pipeline;
  }

 private:
  void check_lengths() const {
    const auto check = [&](const char* key, std::size_t size) {
      if (size != 0 && size != keys_.tokens.size())
        throw refused("lists of the vocabulary differ in length")
            .at(key)
            .found(std::to_string(size))
            .allowed(fmt::format("{}, as tokenizer.ggml.tokens", keys_.tokens.size()));
    };
    if (keys_.tokens.empty()) throw refused("the vocabulary is empty").at("tokenizer.ggml.tokens");
    check("tokenizer.ggml.scores", keys_.scores.size());
    check("tokenizer.ggml.token_type", keys_.token_type.size());
  }

  TokenKind kind(std::size_t i) const {
    if (keys_.token_type.empty()) return TokenKind::kNormal;
    const std::int64_t type = keys_.token_type[i];
    if (type < 0 || type > 6)
      throw refused("a token has an unknown type")
          .at(fmt::format("tokenizer.ggml.token_type[{}]", i))
          .found(std::to_string(type))
          .allowed("0 to 6");
    return type == 0 ? TokenKind::kNormal : static_cast<TokenKind>(type);
  }

  Vocabulary read_tokens() {
    Vocabulary vocabulary;
    vocabulary.reserve(keys_.tokens.size(), keys_.tokens.size() * 8);
    for (std::size_t i = 0; i < keys_.tokens.size(); ++i)
      vocabulary.set(static_cast<TokenId>(i), keys_.tokens[i], kind(i));
    return vocabulary;
  }

  // A special id; nothing where the key is absent, -1, or outside the vocabulary (with a warning).
  std::optional<TokenId> special_id(std::string_view key, const std::optional<std::int64_t>& id) {
    constexpr std::int64_t kNoneUnsigned = 0xFFFFFFFF;
    if (!id || *id == -1 || *id == kNoneUnsigned) return std::nullopt;
    if (*id >= 0 && static_cast<std::uint64_t>(*id) < keys_.tokens.size())
      return static_cast<TokenId>(*id);
    warnings_.push_back(fmt::format("tokenizer.ggml.{} is {}, outside the vocabulary of {}: ignored", key,
                                    *id, keys_.tokens.size()));
    return std::nullopt;
  }

  // Where the file has no types, the tokens that it names are special.
  void mark_named(Vocabulary& vocabulary) {
    if (!keys_.token_type.empty()) return;
    for (const auto& id : {bos_, eos_, special_id("eot_token_id", keys_.eot_token_id),
                           special_id("eom_token_id", keys_.eom_token_id),
                           special_id("padding_token_id", keys_.padding_token_id)})
      if (id) vocabulary.set_kind(*id, TokenKind::kControl);
  }

  void read_bos_and_eos() {
    bos_ = special_id("bos_token_id", keys_.bos_token_id);
    eos_ = special_id("eos_token_id", keys_.eos_token_id);
  }

  std::unique_ptr<Tokenizer::Pipeline> sentencepiece(SentencePieceModel::Type type) {
    read_bos_and_eos();
    const bool is_bpe = type == SentencePieceModel::Type::kBpe;
    SentencePieceModel model;
    model.type = type;
    model.vocabulary = read_tokens();
    mark_named(model.vocabulary);
    model.scores = keys_.scores;
    if (model.scores.empty()) {
      warnings_.emplace_back("tokenizer.ggml.scores is missing: taken as 0, the leftmost merge first");
      model.scores.resize(keys_.tokens.size());
    }
    if (const auto id = special_id("unknown_token_id", keys_.unknown_token_id)) {
      model.unknown = *id;
    } else {
      for (std::size_t i = keys_.tokens.size(); i-- > 0;)
        if (kind(i) == TokenKind::kUnknown) model.unknown = static_cast<TokenId>(i);
    }
    mark_bytes(model);
    model.charsmap.assign(keys_.precompiled_charsmap.begin(), keys_.precompiled_charsmap.end());
    model.adds_dummy_prefix = keys_.add_space_prefix.value_or(true);
    model.removes_extra_whitespaces = keys_.remove_extra_whitespaces.value_or(false);
    model.bos = bos_;
    model.eos = eos_;
    model.adds_bos = keys_.add_bos_token.value_or(is_bpe);
    model.adds_eos = keys_.add_eos_token.value_or(!is_bpe);
    const bool strips = model.adds_dummy_prefix;
    auto pipeline = sentencepiece_pipeline(std::move(model));
    if (is_bpe) pipeline->decoder_of_shown = legacy_decoder(strips ? 1 : 0);
    return pipeline;
  }

  // Special tokens in and around the text follow Hugging Face's legacy Llama tokenizer, in encoding
  // and so in decoding.
  static Decoder legacy_decoder(std::size_t stripped_spaces) {
    Decoder decoder;
    decoder.stages.emplace_back(decode::Replace{std::string(kSpaceMark), " "});
    decoder.stages.emplace_back(decode::ByteFallback{});
    decoder.stages.emplace_back(decode::Fuse{});
    decoder.stages.emplace_back(decode::Strip{' ', stripped_spaces, 0});
    return decoder;
  }

  // The files have no flag for byte fallback: it is there where the byte tokens are.
  void mark_bytes(SentencePieceModel& model) const {
    for (std::size_t i = 0; i < keys_.tokens.size(); ++i) {
      const auto id = static_cast<TokenId>(i);
      if (keys_.token_type.empty() && byte_token_value(keys_.tokens[i]))
        model.vocabulary.set_kind(id, TokenKind::kByte);
      model.has_byte_fallback |= model.vocabulary.kind(id) == TokenKind::kByte;
    }
  }

  std::unique_ptr<Tokenizer::Pipeline> byte_level() {
    read_bos_and_eos();
    auto pipeline = std::make_unique<Tokenizer::Pipeline>();
    GgufPre pre = gguf_pre(keys_.pre);
    if (!pre.is_known)
      warnings_.push_back(fmt::format("unknown tokenizer.ggml.pre {}: text is cut as GPT-2 does, which may "
                                      "cost tokens", quoted(keys_.pre)));
    pipeline->vocabulary = read_tokens();
    mark_named(pipeline->vocabulary);
    if (const std::size_t twice = pipeline->vocabulary.build_index(); twice > 0)
      warnings_.push_back(fmt::format("{} tokens stand there twice; the first counts", twice));
    read_texts(*pipeline);

    const MergeList merges{keys_.merges.size(), [this](std::size_t i) {
                             const std::string_view merge = keys_.merges[i];
                             const std::size_t space = std::min(merge.find(' '), merge.size());
                             return std::pair(merge.substr(0, space),
                                              merge.substr(std::min(space + 1, merge.size())));
                           }};
    Bpe::Options options;
    options.alphabet = Bpe::Alphabet::kBytes;
    options.ignore_merges = pre.whole_words == GgufPre::WholeWords::kLookedUp;
    PairTable table = build_merges(pipeline->vocabulary, merges, "", warnings_);
    pipeline->model.emplace<Bpe>(pipeline->texts, std::move(table), options);

    if (pre.form == GgufPre::Form::kNfc) {
      std::vector<norm::Step> steps;
      steps.emplace_back(norm::Unicode{UnicodeForm::kNfc});
      pipeline->normalizer = Normalizer(std::move(steps));
    }
    if (keys_.add_space_prefix.value_or(false))
      std::get<pre::ByteLevel>(pre.steps.back()).prefix = pre::ByteLevel::Prefix::kSpace;
    pipeline->pre_tokenizer = PreTokenizer(std::move(pre.steps));
    pipeline->decoder.stages.emplace_back(decode::ByteLevel{});

    pipeline->bos = bos_;
    pipeline->eos = eos_;
    pipeline->adds_bos = bos_ && keys_.add_bos_token.value_or(pre.bos == GgufPre::Bos::kAdded);
    if (pipeline->adds_bos) pipeline->before.push_back(*bos_);
    if (eos_ && keys_.add_eos_token.value_or(false)) pipeline->after.push_back(*eos_);
    return pipeline;
  }

  // What merges make, and what is found in the text before: special and user-defined tokens.
  void read_texts(Tokenizer::Pipeline& pipeline) const {
    std::vector<AddedToken> added;
    pipeline.texts.reserve(keys_.tokens.size(), keys_.tokens.size() * 8);
    for (std::size_t i = 0; i < keys_.tokens.size(); ++i) {
      const auto id = static_cast<TokenId>(i);
      const TokenKind token_kind = pipeline.vocabulary.kind(id);
      if (token_kind == TokenKind::kControl || token_kind == TokenKind::kUserDefined) {
        AddedToken token;
        token.content = keys_.tokens[i];
        token.id = id;
        token.is_special = token_kind == TokenKind::kControl;
        added.push_back(std::move(token));
      } else if (const auto bytes = bytes_of_stand_ins(keys_.tokens[i])) {
        pipeline.texts.set(id, *bytes);
      }
    }
    pipeline.texts.build_index();
    pipeline.added = AddedTokens(std::move(added));
  }

  // The file spells what starts a word with a mark, and what is inside one without: BERT's own
  // spelling the other way round.
  std::unique_ptr<Tokenizer::Pipeline> bert() {
    BertVocabulary result;
    for (std::size_t i = 0; i < keys_.tokens.size(); ++i) {
      const auto id = static_cast<TokenId>(i);
      const std::string_view token = keys_.tokens[i];
      const bool is_bracketed = token.starts_with('[') && token.ends_with(']');
      if (kind(i) == TokenKind::kControl || kind(i) == TokenKind::kUnknown)
        result.vocabulary.set(id, token, TokenKind::kControl);
      else if (token.starts_with(kSpaceMark))
        result.vocabulary.set(id, token.substr(kSpaceMark.size()));
      else if (is_bracketed)
        result.vocabulary.set(id, token);
      else
        result.vocabulary.set(id, "##" + std::string(token));
    }
    result.vocabulary.build_index();
    const auto named = [&](std::string_view key, const std::optional<std::int64_t>& id,
                           std::string_view text) -> std::optional<TokenId> {
      if (const auto given = special_id(key, id)) return given;
      const TokenId found = result.vocabulary.find(text);
      return found >= 0 ? std::optional(found) : std::nullopt;
    };
    result.unknown = named("unknown_token_id", keys_.unknown_token_id, "[UNK]").value_or(-1);
    result.cls = named("cls_token_id", keys_.cls_token_id ? keys_.cls_token_id : keys_.bos_token_id, "[CLS]");
    result.sep = named("seperator_token_id", keys_.seperator_token_id, "[SEP]");
    using Do = norm::Bert::Do;
    if (!keys_.normalizer_lowercase.value_or(true)) result.normalizer.lowercase = Do::kNo;
    if (!keys_.normalizer_strip_accents.value_or(keys_.normalizer_lowercase.value_or(true)))
      result.normalizer.strip_accents = Do::kNo;
    return bert_pipeline(std::move(result));
  }

  const GgufVocabulary& keys_;
  std::vector<std::string> warnings_;
  std::optional<TokenId> bos_, eos_;
};

}  // namespace

Tokenizer from_gguf(const std::string& file, const GgufVocabulary& vocabulary) {
  try {
    return Tokenizer(Builder(vocabulary).build());
  } catch (Error& error) {
    throw error.in(file);
  }
}

}  // namespace kinglet
