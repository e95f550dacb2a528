#include "tokenizer/unicode_form.h"

#include <utf8proc.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tokenizer/reference_unicode.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace kinglet {
namespace {

bool is_compatible(UnicodeForm form) { return form == UnicodeForm::kNfkc || form == UnicodeForm::kNfkd; }
bool composes(UnicodeForm form) { return form == UnicodeForm::kNfc || form == UnicodeForm::kNfkc; }

bool in(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

// Whether `c`, or what it decomposes to, can change with the character before it. Marks, the medial
// and final jamo, and the half-width and compatibility letters that become either.
bool joins_previous(char32_t c) {
  if (c < 0x300 || reference::has_no_forms(c)) return false;
  return is_mark(c) || in(c, 0x1160, 0x11FF) || in(c, 0xD7B0, 0xD7FF) || in(c, 0x3130, 0x318F) ||
         in(c, 0xFF9E, 0xFFDC);
}

bool is_hangul_syllable(char32_t c) { return in(c, 0xAC00, 0xD7A3); }

// Whether `c` alone is the same in every form that is asked for.
bool is_stable_alone(char32_t c, UnicodeForm form) {
  if (c < 0x80) return true;
  if (is_hangul_syllable(c)) return composes(form);
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->decomp_seqindex == UINT16_MAX;
}

int combining_class(utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; }

// The normal form of one run: a character and those that join it.
class Former {
 public:
  explicit Former(UnicodeForm form) : form_(form) {}

  const std::string& apply(std::string_view run) {
    points_.clear();
    const int options = UTF8PROC_DECOMPOSE | (is_compatible(form_) ? UTF8PROC_COMPAT : 0);
    while (!run.empty()) {
      const CodePoint c = first_code_point(run);
      run.remove_prefix(c.length);
      utf8proc_int32_t parts[32];
      int last_class = 0;
      const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c.value), parts, 32,
                                                 static_cast<utf8proc_option_t>(options), &last_class);
      if (count < 0 || count > 32) {
        points_.push_back(static_cast<utf8proc_int32_t>(c.value));
        continue;
      }
      points_.insert(points_.end(), parts, parts + count);
    }
    sort_marks();
    if (composes(form_)) {
      const auto length = utf8proc_normalize_utf32(
          points_.data(), static_cast<utf8proc_ssize_t>(points_.size()),
          static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
      points_.resize(static_cast<std::size_t>(length));
    }
    formed_.clear();
    for (const utf8proc_int32_t c : points_) append_utf8(formed_, static_cast<char32_t>(c));
    return formed_;
  }

 private:
  // Canonical order: each run of marks by combining class, those of one class as they stand.
  void sort_marks() {
    for (std::size_t i = 0; i < points_.size();) {
      std::size_t end = i;
      while (end < points_.size() && combining_class(points_[end]) != 0) ++end;
      std::stable_sort(points_.begin() + static_cast<std::ptrdiff_t>(i),
                       points_.begin() + static_cast<std::ptrdiff_t>(end),
                       [](auto a, auto b) { return combining_class(a) < combining_class(b); });
      i = end + 1;
    }
  }

  UnicodeForm form_;
  std::vector<utf8proc_int32_t> points_;
  std::string formed_;
};

}  // namespace

TracedText to_form(const TracedText& text, UnicodeForm form) {
  const std::string_view bytes = text.bytes();
  if (is_ascii(bytes)) return text;
  Rewriter out(text);
  Former former(form);
  const auto is_ascii_at = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]) < 0x80; };
  for (std::size_t begin = 0; begin < bytes.size();) {
    // Of a run of ASCII only the last can change, with what follows it.
    std::size_t ascii_end = begin;
    while (ascii_end < bytes.size() && is_ascii_at(ascii_end)) ++ascii_end;
    if (ascii_end > begin + 1) {
      out.keep(begin, ascii_end - 1);
      begin = ascii_end - 1;
    }
    const CodePoint first = first_code_point(bytes.substr(begin));
    std::size_t end = begin + first.length;
    if (reference::has_no_forms(first.value)) {
      out.keep(begin, end);
      begin = end;
      continue;
    }
    const std::size_t alone = end;
    while (end < bytes.size()) {
      const CodePoint next = first_code_point(bytes.substr(end));
      if (!joins_previous(next.value)) break;
      end += next.length;
    }
    const std::string_view run = bytes.substr(begin, end - begin);
    if (end == alone && is_stable_alone(first.value, form)) {
      out.keep(begin, end);
    } else if (const std::string& formed = former.apply(run); formed == run) {
      out.keep(begin, end);
    } else {
      out.put(formed, begin, end);
    }
    begin = end;
  }
  return out.finish();
}

}  // namespace kinglet
