#include "cli/vectors_option.h"

#include <fmt/format.h>

#include "cli/output.h"
#include "kinglet/error.h"

namespace kinglet::cli {

dense::Vectors vectors_given(const std::string& given, const std::string& option) {
  const std::size_t first = given.find_first_not_of(" \t\r\n");
  if (first != given.npos && given[first] == '[') {
    try {
      dense::Vectors vectors = dense::parse_vectors(given, option);
      vectors.origin.fault = Fault::kUsage;
      return vectors;
    } catch (const Error& error) {
      throw usage_error(error.what());
    }
  }
  if (given == "-") return dense::parse_vector_lines(read_stdin(), "stdin");
  return dense::read_vectors(given);
}

std::string number_list(std::span<const double> values, Digits digits) {
  std::string list;
  for (const double value : values) {
    list += list.empty() ? "" : ", ";
    list += digits == Digits::kAll ? fmt::format("{}", value) : fmt::format("{:.8g}", value);
  }
  return "[" + list + "]";
}

}  // namespace kinglet::cli
