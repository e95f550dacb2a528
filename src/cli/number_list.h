#pragma once

// Lists and ranges of whole numbers, as llama-bench takes them: "512", "1,2,8", "1-4" (each),
// "0-4096+1024" (by steps), "16-256*2" (by factors), and any of these between commas.

#include <cstdint>
#include <string_view>
#include <vector>

namespace kinglet::cli {

// In the order given. Errors (kUsage): naming the option; a number outside [min, max], a range that
// does not rise, more than 1000 numbers.
std::vector<std::size_t> parse_numbers(std::string_view option, std::string_view text,
                                       std::int64_t min, std::int64_t max);

}  // namespace kinglet::cli
