#include "dense/examples.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "io/npy.h"

namespace kinglet::dense {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMaxTextBytes = std::uint64_t{1} << 30;

bool is_npy(const File& file) {
  std::string start(std::min<std::uint64_t>(file.size(), 6), '\0');
  file.read(0, std::as_writable_bytes(std::span(start)));
  return io::starts_as_npy(start);
}

// Calls `take` with each line, an object, and the member that is its label. `wants`: what it should have.
void for_each_example(const File& file, Origin& origin, const char* wants,
                      const std::function<void(const json& line, const json& label)>& take) {
  origin.file = file.name();
  for_each_json_line(file.read_all(kMaxTextBytes), origin.file, [&](const json& line, std::size_t number) {
    const std::size_t row = origin.lines.size();
    origin.lines.push_back(number);
    if (!line.is_object()) throw origin.error(fmt::format("not an object with {} and a label", wants), row);
    const auto y = line.find("y"), label = line.find("label");
    if (y == line.end() && label == line.end()) throw origin.error("a line has no \"y\" and no \"label\"", row);
    take(line, y != line.end() ? *y : *label);
  });
  if (origin.lines.empty()) throw refused("no examples").in(origin.file);
}

Examples of_lines(const File& file) {
  Examples examples;
  Origin& origin = examples.vectors.origin;
  RowCollector rows(origin);
  LabelCollector labels(origin);
  for_each_example(file, origin, "\"x\"", [&](const json& line, const json& label) {
    const auto x = line.find("x");
    if (x == line.end()) throw origin.error("a line has no \"x\"", origin.lines.size() - 1);
    rows.add(*x);
    labels.add(label);
  });
  examples.vectors.values = rows.take();
  examples.labels = labels.take();
  return examples;
}

Labels labels_of_npy(File file) {
  const io::NpyFile array(std::move(file));
  if (array.shape().size() != 1) {
    throw refused("labels have one dimension").in(array.file().name()).at("shape").found(fmt::format("{}", array.shape().size()));
  }
  const std::vector<double> values = array.doubles();
  const Origin origin{.file = array.file().name(), .lines = {}};
  check_finite(values, 1, origin);
  LabelCollector labels(origin);
  for (const double value : values) labels.add(value);
  return labels.take();
}

Labels labels_of_lines(const File& file) {
  Origin origin{.file = file.name(), .lines = {}};
  LabelCollector labels(origin);
  for_each_json_line(file.read_all(kMaxTextBytes), file.name(), [&](const json& label, std::size_t number) {
    origin.lines.push_back(number);
    labels.add(label);
  });
  return labels.take();
}

}  // namespace

LabelCollector::Type LabelCollector::type_of(const json& label) {
  return label.is_number()    ? Type::kNumber
         : label.is_string()  ? Type::kString
         : label.is_boolean() ? Type::kBoolean
                              : Type::kNone;
}

void LabelCollector::add(const json& label) {
  const std::size_t row = labels_.names.size();
  const Type type = type_of(label);
  const auto shown = [&] { return printable(label.dump(-1, ' ', false, json::error_handler_t::replace)); };
  if (type == Type::kNone) {
    throw origin_.error("a label is a number, a string, true or false", row).found(shown());
  }
  if (type_ != Type::kNone && type != type_) {
    throw origin_.error("a label of another type than the first one", row).found(shown());
  }
  type_ = type;
  if (type == Type::kNumber) {
    const double number = label.get<double>() + 0.0;  // -0 is 0
    labels_.numbers.push_back(number);
    labels_.names.push_back(fmt::format("{}", number));
  } else {
    labels_.names.push_back(type == Type::kString ? label.get<std::string>() : label.get<bool>() ? "true" : "false");
  }
}

Examples read_examples(const std::filesystem::path& features, const std::filesystem::path& labels) {
  File file = File::open(features);
  if (labels.empty()) {
    if (!is_npy(file)) return of_lines(file);
    throw usage_error("a .npy file has no labels: give --labels FILE").in(file.name());
  }
  Examples examples{.vectors = read_vectors(features), .labels = {}};
  File label_file = File::open(labels);
  const std::string name = label_file.name();
  examples.labels = is_npy(label_file) ? labels_of_npy(std::move(label_file)) : labels_of_lines(label_file);
  if (examples.labels.names.size() != examples.rows()) {
    throw refused("there are not as many labels as vectors")
        .in(name)
        .found(fmt::format("{}", examples.labels.names.size()))
        .allowed(fmt::format("{}", examples.rows()));
  }
  return examples;
}

bool has_texts(const std::filesystem::path& path) {
  const File file = File::open(path);
  if (is_npy(file)) return false;
  std::string content = file.read_all(kMaxTextBytes);
  const std::size_t first = std::min(content.find_first_not_of(" \t\r\n"), content.size());
  const json line = json::parse(content.substr(first, content.find('\n', first) - first), nullptr, false);
  return line.is_object() && line.contains("text") && !line.contains("x");
}

TextExamples read_text_examples(const std::filesystem::path& path) {
  const File file = File::open(path);
  TextExamples examples;
  Origin& origin = examples.origin;
  LabelCollector labels(origin);
  for_each_example(file, origin, "\"text\"", [&](const json& line, const json& label) {
    const auto text = line.find("text");
    if (text == line.end() || !text->is_string()) {
      throw origin.error("a line has no \"text\" that is a string", origin.lines.size() - 1);
    }
    examples.texts.push_back(text->get<std::string>());
    labels.add(label);
  });
  examples.labels = labels.take();
  return examples;
}

Matrix rows_of(const Matrix& matrix, std::span<const std::size_t> rows) {
  Matrix result(rows.size(), matrix.columns());
  for (std::size_t n = 0; n < rows.size(); ++n) std::ranges::copy(matrix.row(rows[n]), result.row(n).begin());
  return result;
}

std::vector<std::string> classes_of(const Labels& labels) {
  if (labels.numbers.empty()) {
    const std::set<std::string> classes(labels.names.begin(), labels.names.end());
    return {classes.begin(), classes.end()};
  }
  std::map<double, std::string> classes;
  for (std::size_t n = 0; n < labels.numbers.size(); ++n) classes.emplace(labels.numbers[n], labels.names[n]);
  std::vector<std::string> names;
  for (const auto& [number, name] : classes) names.push_back(name);
  return names;
}

}  // namespace kinglet::dense
