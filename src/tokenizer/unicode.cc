#include "tokenizer/unicode.h"

#include <utf8proc.h>

#include "tokenizer/reference_unicode.h"
#include "tokenizer/utf8.h"

namespace kinglet {
namespace {

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

bool in(char32_t c, char32_t first, char32_t last) { return is_between(c, first, last); }

}  // namespace

namespace beyond_ascii {

bool is_whitespace(char32_t c) {
  return c == 0x85 || c == 0xA0 || c == 0x1680 || in(c, 0x2000, 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_punctuation(char32_t c) {
  const auto kind = category(c);
  return reference::is_punctuation(c, kind >= UTF8PROC_CATEGORY_PC && kind <= UTF8PROC_CATEGORY_PO);
}

bool is_numeric(char32_t c) {
  const auto kind = category(c);
  return reference::is_numeric(c, kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO);
}

bool is_word(char32_t c) {
  const auto kind = category(c);
  const bool is_of_words = (kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_NL) ||
                           kind == UTF8PROC_CATEGORY_PC;  // letters, marks, numbers but for No
  // The joiners, and the circled and squared letters.
  return reference::is_word(c, is_of_words || c == 0x200C || c == 0x200D || in(c, 0x24B6, 0x24E9) ||
                                   in(c, 0x1F130, 0x1F149) || in(c, 0x1F150, 0x1F169) ||
                                   in(c, 0x1F170, 0x1F189));
}

}  // namespace beyond_ascii

bool is_mark(char32_t c) {
  if (c < 0x300) return false;
  const auto kind = category(c);
  return reference::is_mark(c, kind >= UTF8PROC_CATEGORY_MN && kind <= UTF8PROC_CATEGORY_ME);
}

bool is_nonspacing_mark(char32_t c) {
  return c >= 0x300 && reference::is_nonspacing_mark(c, category(c) == UTF8PROC_CATEGORY_MN);
}

bool is_other(char32_t c) {
  if (c < 0x80) return c < 0x20 || c == 0x7F;
  const auto kind = category(c);
  return reference::is_other(c, kind == UTF8PROC_CATEGORY_CC || kind == UTF8PROC_CATEGORY_CF ||
                                    kind == UTF8PROC_CATEGORY_CO || kind == UTF8PROC_CATEGORY_CS);
}

bool is_cjk(char32_t c) {
  if (c < 0x3400) return false;
  // 0x2B920 where the original has 0x2B820: as the reference in Rust has it.
  return in(c, 0x4E00, 0x9FFF) || in(c, 0x3400, 0x4DBF) || in(c, 0x20000, 0x2A6DF) ||
         in(c, 0x2A700, 0x2B73F) || in(c, 0x2B740, 0x2B81F) || in(c, 0x2B920, 0x2CEAF) ||
         in(c, 0xF900, 0xFAFF) || in(c, 0x2F800, 0x2FA1F);
}

void append_lower(std::string& out, char32_t c) {
  if (c == 0x130) {  // the one character whose lower case is two
    out += "i\xCC\x87";
    return;
  }
  const auto small = static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
  append_utf8(out, small == c ? reference::lower(c, c) : small);
}

}  // namespace kinglet
