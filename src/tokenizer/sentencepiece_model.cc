#include "tokenizer/sentencepiece_model.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "kinglet/error.h"

namespace kinglet {
namespace {

norm::SentencePiece normalizer_of(const SentencePieceModel& model) {
  using Norm = norm::SentencePiece;
  Norm step;
  step.map = Charsmap(model.charsmap);
  step.user_defined = user_defined_trie(model.vocabulary);
  if (model.removes_extra_whitespaces) step.whitespace = Norm::Extra::kRemoved;
  if (!model.escapes_whitespaces) step.space = " ";
  if (!model.adds_dummy_prefix)
    step.dummy = Norm::Dummy::kNone;
  else if (model.has_whitespace_suffix)
    step.dummy = Norm::Dummy::kSuffix;
  return step;
}

// Control and unknown pieces are found in the text only where special tokens are parsed; then each
// stretch between them is a text of its own, dummy prefix and all.
AddedTokens added_tokens_of(const Vocabulary& vocabulary) {
  std::vector<AddedToken> tokens;
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    const TokenKind kind = vocabulary.kind(id);
    if (kind != TokenKind::kControl && kind != TokenKind::kUnknown) continue;
    AddedToken token;
    token.content = vocabulary.text(id);
    token.id = id;
    token.is_special = true;
    tokens.push_back(std::move(token));
  }
  return AddedTokens(std::move(tokens));
}

}  // namespace

std::unique_ptr<Tokenizer::Pipeline> sentencepiece_pipeline(SentencePieceModel model) {
  for (const float score : model.scores)
    if (!std::isfinite(score)) throw refused("a token's score is not finite");
  auto pipeline = std::make_unique<Tokenizer::Pipeline>();
  pipeline->warnings = std::move(model.warnings);
  if (const std::size_t twice = model.vocabulary.build_index(); twice > 0)
    pipeline->warnings.push_back(fmt::format("{} tokens stand there twice; the first counts", twice));

  std::vector<norm::Step> steps;
  steps.emplace_back(normalizer_of(model));
  pipeline->normalizer = Normalizer(std::move(steps));
  pipeline->malformed = Malformed::kKept;
  pipeline->added = added_tokens_of(model.vocabulary);
  pipeline->decoder.stages.emplace_back(
      decode::SentencePiece{model.adds_dummy_prefix, model.removes_extra_whitespaces});

  pipeline->vocabulary = std::move(model.vocabulary);
  const Vocabulary& vocabulary = pipeline->vocabulary;
  if (model.type == SentencePieceModel::Type::kBpe) {
    ScoreBpe::Options options;
    if (!model.escapes_whitespaces) options.mark = " ";
    options.unknown = model.unknown;
    if (model.has_byte_fallback) options.fallback = ScoreBpe::Fallback::kBytes;
    options.byte_tokens = byte_tokens_of(vocabulary);
    pipeline->model.emplace<ScoreBpe>(vocabulary, std::move(model.scores), std::move(options));
  } else {
    Unigram::Options options;
    options.unknown = model.unknown;
    if (model.has_byte_fallback) options.fallback = Unigram::Fallback::kBytes;
    options.byte_tokens = byte_tokens_of(vocabulary);
    pipeline->model.emplace<Unigram>(
        vocabulary, std::vector<double>(model.scores.begin(), model.scores.end()), options);
  }

  pipeline->bos = model.bos;
  pipeline->eos = model.eos;
  pipeline->adds_bos = model.adds_bos && model.bos;
  if (pipeline->adds_bos) pipeline->before.push_back(*model.bos);
  if (model.adds_eos && model.eos) pipeline->after.push_back(*model.eos);
  return pipeline;
}

}  // namespace kinglet
