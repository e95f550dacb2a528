#pragma once

// Base64 (RFC 4648), as tokenizer.json has its charsmap in.

#include <optional>
#include <string>
#include <string_view>

namespace kinglet {

// Nothing where `text` is no base64; padding may be missing.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace kinglet
