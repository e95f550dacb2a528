#pragma once

// UTF-8 in the small: code points out of well-formed text, and what to do with the rest.

#include <cstddef>
#include <string>
#include <string_view>

namespace kinglet {

inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

struct CodePoint {
  char32_t value = 0;
  std::size_t length = 0;  // in bytes
};

// The first code point of well-formed, non-empty text.
inline CodePoint first_code_point(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (lead < 0xF0) return {(lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  return {(lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F), 4};
}

// The last code point of well-formed, non-empty text.
CodePoint last_code_point(std::string_view text);

// `value` is a Unicode scalar value.
void append_utf8(std::string& out, char32_t value);
std::string to_utf8(char32_t value);

bool is_ascii(std::string_view text);
bool is_utf8(std::string_view text);
// The length of the well-formed start of `text`.
std::size_t utf8_prefix(std::string_view text);

// Where a character is malformed at the start of `text` (not empty): the length of its maximal
// subpart, the bytes that one U+FFFD replaces (Unicode 15, 3.9, as decode("utf-8", "replace")).
std::size_t malformed_length(std::string_view text);

// `text` with U+FFFD for each maximal subpart that is malformed.
std::string well_formed(std::string_view text);

// How long a tail of `text` could still become one whole character when more bytes come: 0 to 3.
std::size_t unfinished_tail(std::string_view text);

}  // namespace kinglet
