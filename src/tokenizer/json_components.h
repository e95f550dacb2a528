#pragma once

// The components of a tokenizer.json around its model. A type that is not known is an Error that
// names it and where it stands; null is an absent component.

#include <vector>

#include "tokenizer/decoder.h"
#include "tokenizer/json_field.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pretokenizer.h"

namespace kinglet {

std::vector<norm::Step> read_normalizer(const JsonField& field);
std::vector<pre::Step> read_pre_tokenizer(const JsonField& field);
Decoder read_decoder(const JsonField& field);

// What the post-processor puts around one text.
struct Affix {
  std::vector<TokenId> before, after;
};
Affix read_post_processor(const JsonField& field);

}  // namespace kinglet
