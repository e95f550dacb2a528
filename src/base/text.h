#pragma once

// Text that people will read: bytes from files made safe for a terminal, numbers, lists.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace kinglet {

// `bytes` with control characters, ESC and invalid UTF-8 written as \xNN, cut to 200 characters.
// Everything that comes from a file or a file name goes through here before it reaches a terminal.
std::string printable(std::string_view bytes);

// The same in single quotes: 'name'.
std::string quoted(std::string_view bytes);

// The length in bytes of the well-formed UTF-8 character at the start of `bytes`; 0 where there is
// none (overlong forms, surrogates, values over U+10FFFF, a cut character, or no byte at all).
std::size_t utf8_length(std::string_view bytes);

// The entry of `known` nearest to `word` by edit distance, or "" where none is near.
std::string nearest(std::string_view word, std::span<const std::string> known);

// 1536 -> "1.5 KiB".
std::string human_bytes(std::uint64_t bytes);

}  // namespace kinglet
