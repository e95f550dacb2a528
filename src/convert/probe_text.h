#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "io/open.h"
#include "kinglet/tokenizer.h"

namespace kinglet {

// Text on which cuts differ: contractions, digits, case, marks, spaces and lines, scripts.
inline constexpr std::string_view kProbeText =
    "Hello, World! I'm sure they'LL say it's 1 or 12 or 123 or 1234567 (3.14159).\n\n  Two  spaces,\ttabs\r\n"
    "HTTPServer getElementById FOO_bar camelCase; if (x != y) { return -1; } // \xC3\xA9t\xC3\xA9 na\xC3\xAFve \xE2\x82\xAC""5\n"
    "e\xCC\x81 \xE4\xBD\xA0\xE5\xA5\xBD\xEF\xBC\x8C\xE4\xB8\x96\xE7\x95\x8C \xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82 "
    "\xD9\x85\xD8\xB1\xD8\xAD\xD8\xA8\xD8\xA7 \xF0\x9F\x98\x80!!! ...   \n   end";

// The text as tokens of the model, repeated up to `count`; numbers where there is no tokenizer. Ids are in
// [0, vocabulary).
std::vector<TokenId> probe_tokens(const io::ModelFile& model, std::size_t vocabulary, std::size_t count);

}  // namespace kinglet
