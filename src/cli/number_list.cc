#include "cli/number_list.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/options.h"
#include "kinglet/error.h"

namespace kinglet::cli {
namespace {

constexpr std::size_t kMostNumbers = 1000;

// "a-b", "a-b+step", "a-b*factor", or one number; appended to `numbers`.
void add_range(std::string_view option, std::string_view text, std::int64_t min, std::int64_t max,
               std::vector<std::size_t>& numbers) {
  const auto number = [&](std::string_view part, std::int64_t least) {
    return parse_integer(option, part, least, max);
  };
  const std::size_t dash = std::min(text.find('-'), text.size());
  const std::size_t sign = std::min(text.find_first_of("+*"), text.size());
  if (dash == text.size() || dash == 0) {
    numbers.push_back(static_cast<std::size_t>(number(text, min)));
    return;
  }
  const std::int64_t first = number(text.substr(0, dash), min);
  const std::int64_t last = number(text.substr(dash + 1, sign - dash - 1), first);
  const bool is_factor = sign < text.size() && text[sign] == '*';
  const std::int64_t step =
      sign == text.size() ? 1 : number(text.substr(sign + 1), is_factor ? 2 : 1);
  for (std::int64_t value = first; value <= last && numbers.size() <= kMostNumbers;) {
    numbers.push_back(static_cast<std::size_t>(value));
    if (is_factor && value == 0) break;
    value = is_factor ? value * step : value + step;
  }
}

}  // namespace

std::vector<std::size_t> parse_numbers(std::string_view option, std::string_view text,
                                       std::int64_t min, std::int64_t max) {
  std::vector<std::size_t> numbers;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    add_range(option, text.substr(begin, comma - begin), min, max, numbers);
    begin = comma + 1;
  }
  if (numbers.size() <= kMostNumbers) return numbers;
  throw usage_error(fmt::format("option {} gives too many numbers", option))
      .found(kinglet::quoted(text))
      .allowed(fmt::format("{} of them", kMostNumbers));
}

}  // namespace kinglet::cli
