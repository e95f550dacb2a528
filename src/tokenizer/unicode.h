#pragma once

// Classes and cases of code points, as the reference tokenizers ask for them; the tables are utf8proc's.

#include <string>

namespace kinglet {

bool is_whitespace(char32_t c);   // White_Space
bool is_punctuation(char32_t c);  // ASCII punctuation and symbols, and P*
bool is_numeric(char32_t c);      // Nd, Nl, No
bool is_word(char32_t c);         // letters, marks, Nd, Nl, Pc and the joiners: the \w of UTS 18
bool is_mark(char32_t c);         // Mn, Mc, Me
bool is_nonspacing_mark(char32_t c);  // Mn
bool is_other(char32_t c);        // Cc, Cf, Co, Cs: not unassigned ones
bool is_cjk(char32_t c);          // the ranges that BERT pads with spaces

void append_lower(std::string& out, char32_t c);  // one character by itself: no final sigma

}  // namespace kinglet
