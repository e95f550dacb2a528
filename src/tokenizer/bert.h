#pragma once

// BERT's pipeline from its list of entries: what vocab.txt and a GGUF "bert" leave unsaid.

#include <memory>
#include <optional>

#include "tokenizer/pipeline.h"

namespace kinglet {

struct BertVocabulary {
  Vocabulary vocabulary;  // entries inside words spelt "##x"; special ones kControl
  TokenId unknown = -1;
  std::optional<TokenId> cls, sep;
  norm::Bert normalizer;
};

std::unique_ptr<Tokenizer::Pipeline> bert_pipeline(BertVocabulary bert);

}  // namespace kinglet
