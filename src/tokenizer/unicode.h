#pragma once

// Classes and cases of code points, as the reference tokenizers ask for them; the tables are utf8proc's.

#include <string>

namespace kinglet {

// Of characters that are not ASCII; the functions below answer for ASCII where they are called.
namespace beyond_ascii {
bool is_whitespace(char32_t c);
bool is_punctuation(char32_t c);
bool is_numeric(char32_t c);
bool is_word(char32_t c);
}  // namespace beyond_ascii

constexpr bool is_between(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

inline bool is_whitespace(char32_t c) {  // White_Space
  if (c >= 0x80) return beyond_ascii::is_whitespace(c);
  return c == ' ' || is_between(c, 0x09, 0x0D);
}
inline bool is_punctuation(char32_t c) {  // ASCII punctuation and symbols, and P*
  if (c >= 0x80) return beyond_ascii::is_punctuation(c);
  return is_between(c, 0x21, 0x2F) || is_between(c, 0x3A, 0x40) || is_between(c, 0x5B, 0x60) ||
         is_between(c, 0x7B, 0x7E);
}
inline bool is_numeric(char32_t c) {  // Nd, Nl, No
  return c < 0x80 ? is_between(c, '0', '9') : beyond_ascii::is_numeric(c);
}
inline bool is_word(char32_t c) {  // letters, marks, Nd, Nl, Pc and the joiners: the \w of UTS 18
  if (c >= 0x80) return beyond_ascii::is_word(c);
  return is_between(c, '0', '9') || is_between(c, 'A', 'Z') || is_between(c, 'a', 'z') || c == '_';
}
bool is_mark(char32_t c);         // Mn, Mc, Me
bool is_nonspacing_mark(char32_t c);  // Mn
bool is_other(char32_t c);        // Cc, Cf, Co, Cs: not unassigned ones
bool is_cjk(char32_t c);          // the ranges that BERT pads with spaces

void append_lower(std::string& out, char32_t c);  // one character by itself: no final sigma

}  // namespace kinglet
