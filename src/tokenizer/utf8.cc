#include "tokenizer/utf8.h"

#include <cstdint>
#include <cstring>

#include "base/text.h"

namespace kinglet {
namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// The length of the ASCII start of `text`, eight bytes at a time.
std::size_t ascii_prefix(std::string_view text) {
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + i, 8);
    if ((word & 0x8080808080808080U) != 0) break;
  }
  while (i < text.size() && static_cast<unsigned char>(text[i]) < 0x80) ++i;
  return i;
}

}  // namespace

CodePoint last_code_point(std::string_view text) {
  std::size_t begin = text.size() - 1;
  while (begin > 0 && is_continuation(text[begin])) --begin;
  return first_code_point(text.substr(begin));
}

void append_utf8(std::string& out, char32_t value) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (value < 0x80) {
    put(value);
  } else if (value < 0x800) {
    put(0xC0 | value >> 6);
    put(0x80 | (value & 0x3F));
  } else if (value < 0x10000) {
    put(0xE0 | value >> 12);
    put(0x80 | (value >> 6 & 0x3F));
    put(0x80 | (value & 0x3F));
  } else {
    put(0xF0 | value >> 18);
    put(0x80 | (value >> 12 & 0x3F));
    put(0x80 | (value >> 6 & 0x3F));
    put(0x80 | (value & 0x3F));
  }
}

std::string to_utf8(char32_t value) {
  std::string text;
  append_utf8(text, value);
  return text;
}

bool is_ascii(std::string_view text) { return ascii_prefix(text) == text.size(); }

std::size_t utf8_prefix(std::string_view text) {
  std::size_t i = 0;
  while (true) {
    i += ascii_prefix(text.substr(i));
    if (i == text.size()) return i;
    const std::size_t length = utf8_length(text.substr(i));
    if (length == 0) return i;
    i += length;
  }
}

bool is_utf8(std::string_view text) { return utf8_prefix(text) == text.size(); }

std::size_t malformed_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0xC2 || lead > 0xF4 || text.size() < 2) return 1;
  const std::size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  // The second byte's range is narrower after some leads: complete the character and ask.
  std::string probe(text.substr(0, 2));
  if (!is_continuation(probe[1])) return 1;
  probe.resize(wanted, '\x80');
  if (utf8_length(probe) == 0) return 1;
  std::size_t length = 2;
  while (length < wanted && length < text.size() && is_continuation(text[length])) ++length;
  return length;
}

std::string well_formed(std::string_view text) {
  std::string out;
  while (true) {
    const std::size_t good = utf8_prefix(text);
    out += text.substr(0, good);
    text.remove_prefix(good);
    if (text.empty()) return out;
    out += kReplacement;
    text.remove_prefix(malformed_length(text));
  }
}

std::size_t unfinished_tail(std::string_view text) {
  for (std::size_t tail = 1; tail <= 3 && tail <= text.size(); ++tail) {
    const std::string_view end = text.substr(text.size() - tail);
    if (is_continuation(end[0])) continue;
    const auto lead = static_cast<unsigned char>(end[0]);
    const std::size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 1;
    const bool is_cut = lead <= 0xF4 && tail < wanted && malformed_length(end) == tail;
    return is_cut ? tail : 0;
  }
  return 0;
}

}  // namespace kinglet
