#pragma once

// Where Hugging Face's tokenizers 0.23 has another version of Unicode than the distribution's utf8proc
// (2.8: Unicode 15). Its crates are of several: categories and normal forms are years older, Rust's own
// tables are newer. Ids depend on it, so each predicate corrects what utf8proc says (`otherwise`);
// found by asking the library for every code point.

namespace kinglet::reference {

bool is_punctuation(char32_t c, bool otherwise);
bool is_nonspacing_mark(char32_t c, bool otherwise);
bool is_mark(char32_t c, bool otherwise);
bool is_other(char32_t c, bool otherwise);
bool is_numeric(char32_t c, bool otherwise);
bool is_word(char32_t c, bool otherwise);
// Whether its normal forms leave `c` alone, and what stands around it apart.
bool has_no_forms(char32_t c);
char32_t lower(char32_t c, char32_t otherwise);

}  // namespace kinglet::reference
