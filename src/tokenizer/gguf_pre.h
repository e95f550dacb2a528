#pragma once

// What `tokenizer.ggml.pre` names: how the byte-level vocabularies of GGUF cut text. The file has
// the name alone, so the expressions stand here, as in the models' own tokenizer.json.

#include <string_view>
#include <vector>

#include "tokenizer/pretokenizer.h"

namespace kinglet {

struct GgufPre {
  enum class Form { kAsIs, kNfc } form = Form::kAsIs;
  enum class WholeWords { kMerged, kLookedUp } whole_words = WholeWords::kMerged;  // ignore_merges
  enum class Bos { kNone, kAdded } bos = Bos::kNone;  // where the file has no add_bos_token
  std::vector<pre::Step> steps;                       // the last is ByteLevel in bytes
  bool is_known = true;                               // else the steps are GPT-2's
};

GgufPre gguf_pre(std::string_view name);

}  // namespace kinglet
