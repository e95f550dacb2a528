#include "tokenizer/byte_level.h"

#include <array>

#include "tokenizer/utf8.h"

namespace kinglet {
namespace {

constexpr bool stands_for_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::size_t kStandInEnd = 0x100 + 68;

constexpr std::array<char32_t, 256> kStandIns = [] {
  std::array<char32_t, 256> table{};
  char32_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte)
    table[byte] = stands_for_itself(byte) ? static_cast<char32_t>(byte) : next++;
  return table;
}();

constexpr std::array<short, kStandInEnd> kBytes = [] {
  std::array<short, kStandInEnd> table{};
  for (short& byte : table) byte = -1;
  for (unsigned byte = 0; byte < 256; ++byte) table[kStandIns[byte]] = static_cast<short>(byte);
  return table;
}();

}  // namespace

char32_t stand_in(unsigned char byte) { return kStandIns[byte]; }

std::optional<std::string> bytes_of_stand_ins(std::string_view text) {
  // Stand-ins are ASCII or, below U+0144, two bytes: all else stands for nothing.
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char32_t c = static_cast<unsigned char>(text[i]);
    if (c >= 0x80) {
      const bool is_pair = c >= 0xC2 && c <= 0xC5 && i + 1 < text.size() &&
                           (static_cast<unsigned char>(text[i + 1]) & 0xC0) == 0x80;
      if (!is_pair) return std::nullopt;
      c = (c & 0x1F) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3F);
    }
    if (c >= kStandInEnd || kBytes[c] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kBytes[c]));
  }
  return bytes;
}

}  // namespace kinglet
