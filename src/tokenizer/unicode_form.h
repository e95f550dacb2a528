#pragma once

// Unicode normalization forms (UAX 15), with tracing, in time linear but for runs of marks, which
// are sorted.

#include "tokenizer/traced_text.h"

namespace kinglet {

enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };

// `text` is well-formed.
TracedText to_form(const TracedText& text, UnicodeForm form);

}  // namespace kinglet
