#pragma once

// Regular expressions as tokenizer.json files have them, written for Oniguruma, in PCRE2's spelling.
//
// What differs and is translated: \s \w \d \h \v and \b (PCRE2 takes U+180E for a space, does not
// take marks for parts of words, ...), POSIX brackets, scripts (PCRE2 means script extensions) and
// long names in \p{}, (?m) for "dot matches newline", \uHHHH, classes inside classes.

#include <string>
#include <string_view>

namespace kinglet {

// Errors (kRefused): an intersection (&&) or a negated class inside a class, which PCRE2 lacks.
std::string pcre2_of_oniguruma(std::string_view pattern);

}  // namespace kinglet
