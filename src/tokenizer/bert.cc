#include "tokenizer/bert.h"

#include <fmt/format.h>

#include <utility>

namespace kinglet {

std::unique_ptr<Tokenizer::Pipeline> bert_pipeline(BertVocabulary bert) {
  auto pipeline = std::make_unique<Tokenizer::Pipeline>();
  if (const std::size_t twice = bert.vocabulary.build_index(); twice > 0)
    pipeline->warnings.push_back(fmt::format("{} entries stand there twice; the first counts", twice));
  pipeline->vocabulary = std::move(bert.vocabulary);

  std::vector<AddedToken> added;
  for (std::size_t i = 0; i < pipeline->vocabulary.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    if (pipeline->vocabulary.kind(id) != TokenKind::kControl) continue;
    AddedToken token;
    token.content = pipeline->vocabulary.text(id);
    token.id = id;
    token.is_special = true;
    added.push_back(std::move(token));
  }
  pipeline->added = AddedTokens(std::move(added));

  std::vector<norm::Step> steps;
  steps.emplace_back(bert.normalizer);
  pipeline->normalizer = Normalizer(std::move(steps));
  std::vector<pre::Step> cuts;
  cuts.emplace_back(pre::Bert{});
  pipeline->pre_tokenizer = PreTokenizer(std::move(cuts));
  WordPiece::Options options;
  options.unknown = bert.unknown;
  pipeline->model.emplace<WordPiece>(pipeline->vocabulary, options);
  pipeline->decoder.stages.emplace_back(decode::WordPiece{});

  pipeline->bos = bert.cls;
  pipeline->eos = bert.sep;
  pipeline->adds_bos = bert.cls.has_value();
  if (bert.cls) pipeline->before.push_back(*bert.cls);
  if (bert.sep) pipeline->after.push_back(*bert.sep);
  return pipeline;
}

}  // namespace kinglet
