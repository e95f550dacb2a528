#include "tokenizer/byte_level.h"

#include <array>

#include "base/text.h"
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
  std::string bytes;
  while (!text.empty()) {
    if (utf8_length(text) == 0) return std::nullopt;
    const CodePoint c = first_code_point(text);
    if (c.value >= kStandInEnd || kBytes[c.value] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kBytes[c.value]));
    text.remove_prefix(c.length);
  }
  return bytes;
}

}  // namespace kinglet
