#pragma once

// GPT-2's stand-ins: every byte as one printable character, so that a vocabulary is text.
// 0x21-0x7E, 0xA1-0xAC and 0xAE-0xFF stand for themselves; the other 68 bytes are U+0100 and up,
// in order (space is U+0120, newline U+010A).

#include <optional>
#include <string>
#include <string_view>

namespace kinglet {

char32_t stand_in(unsigned char byte);

// The bytes that `text` stands for; nothing where a character of it stands for none.
std::optional<std::string> bytes_of_stand_ins(std::string_view text);

}  // namespace kinglet
