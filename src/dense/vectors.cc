#include "dense/vectors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "io/npy.h"
#include "io/strict_json.h"

namespace kinglet::dense {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMaxTextBytes = std::uint64_t{1} << 30;
constexpr io::JsonLimits kLimits{.values = 50'000'000};

template <class Number>
void check_all_finite(std::span<const Number> values, std::size_t width, const Origin& origin) {
  const auto bad = std::find_if(values.begin(), values.end(), [](Number v) { return !std::isfinite(v); });
  if (bad == values.end()) return;
  const auto index = static_cast<std::size_t>(bad - values.begin());
  throw origin.error(fmt::format("value {} is not finite", index % width), index / width)
      .found(fmt::format("{}", *bad));
}

Vectors of_npy(File file) {
  const io::NpyFile array(std::move(file));
  // One dimension is one vector, as it would be in JSON.
  const bool is_one = array.shape().size() == 1;
  const auto rows = static_cast<std::size_t>(is_one ? 1 : array.rows());
  const auto width = static_cast<std::size_t>(is_one ? array.rows() : array.width());
  Vectors vectors{Matrix(rows, width, array.doubles()), {.file = array.file().name(), .lines = {}}};
  check_finite(vectors.values.values(), width, vectors.origin);
  return vectors;
}

Matrix taken(RowCollector& rows, const std::string& name) {
  if (rows.rows() == 0) throw refused("no vectors").in(name);
  return rows.take();
}

}  // namespace

Error Origin::error(std::string problem, std::size_t row) const {
  Error error(fault, std::move(problem));
  if (!lines.empty()) return error.in(fmt::format("{}:{}", file, lines[row]));
  return error.in(file).at(fmt::format("row {}", row));
}

void RowCollector::add(const json& list) {
  const std::size_t row = rows();
  if (!list.is_array()) throw origin_.error("not a list of numbers", row);
  if (list.empty()) throw origin_.error("an empty vector", row);
  if (width_ != 0 && list.size() != width_) {
    throw origin_.error("a vector of another length than the first one", row)
        .found(fmt::format("{}", list.size()))
        .allowed(fmt::format("{}", width_));
  }
  width_ = list.size();
  for (const json& value : list) {
    if (!value.is_number()) {
      throw origin_.error("not a number", row)
          .found(printable(value.dump(-1, ' ', false, json::error_handler_t::replace)));
    }
    values_.push_back(value.get<double>());  // finite: the parser refuses what overflows
  }
}

Matrix RowCollector::take() {
  const std::size_t count = rows();
  return Matrix(count, width_, std::move(values_));
}

void for_each_json_line(std::string_view text, const std::string& name,
                        const std::function<void(const json&, std::size_t)>& take) {
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    take(io::parse_json({line, fmt::format("{}:{}", name, number)}, kLimits), number);
  }
}

Vectors parse_vectors(std::string_view text, const std::string& name) {
  const json parsed = io::parse_json({text, name}, kLimits);
  Vectors vectors{{}, {.file = name, .lines = {}}};
  RowCollector rows(vectors.origin);
  const bool is_batch = parsed.is_array() && !parsed.empty() && parsed[0].is_array();
  if (is_batch) {
    for (const json& row : parsed) rows.add(row);
  } else {
    rows.add(parsed);
  }
  vectors.values = taken(rows, name);
  return vectors;
}

Vectors parse_vector_lines(std::string_view text, const std::string& name) {
  Vectors vectors{{}, {.file = name, .lines = {}}};
  RowCollector rows(vectors.origin);
  for_each_json_line(text, name, [&](const json& line, std::size_t number) {
    vectors.origin.lines.push_back(number);
    const auto x = line.find("x");
    rows.add(line.is_object() && x != line.end() ? *x : line);
  });
  vectors.values = taken(rows, name);
  return vectors;
}

Vectors read_vectors(const std::filesystem::path& path) {
  File file = File::open(path);
  const std::string name = file.name();
  std::string start(std::min<std::uint64_t>(file.size(), 6), '\0');
  file.read(0, std::as_writable_bytes(std::span(start)));
  if (io::starts_as_npy(start) || path.extension() == ".npy") return of_npy(std::move(file));
  const std::string text = file.read_all(kMaxTextBytes);
  return path.extension() == ".jsonl" ? parse_vector_lines(text, name) : parse_vectors(text, name);
}

void check_finite(std::span<const double> values, std::size_t width, const Origin& origin) {
  check_all_finite(values, width, origin);
}
void check_finite(std::span<const float> values, std::size_t width, const Origin& origin) {
  check_all_finite(values, width, origin);
}

void check_width(const Vectors& vectors, std::size_t width, std::string_view what) {
  if (vectors.values.columns() == width) return;
  throw vectors.origin.error(fmt::format("the vectors do not fit {}", what), 0)
      .found(fmt::format("{} values", vectors.values.columns()))
      .allowed(fmt::format("{}", width));
}

}  // namespace kinglet::dense
