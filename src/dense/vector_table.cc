#include "dense/vector_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
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

// {"words", "vectors"}
VectorTable of_json(const json& object, const std::string& file) {
  const auto words = object.find("words");
  const auto rows = object.find("vectors");
  if (rows == object.end() || !rows->is_array() || rows->empty()) {
    throw refused("no list of vectors").in(file).at("vectors");
  }
  Origin origin{.file = file, .lines = {}};
  RowCollector collector(origin);
  for (const json& row : *rows) collector.add(row);
  std::vector<std::string> names;
  if (words != object.end()) {
    const bool are_strings = words->is_array() && std::all_of(words->begin(), words->end(), [](const json& word) {
                               return word.is_string();
                             });
    if (!are_strings) throw refused("not a list of strings").in(file).at("words");
    names = words->get<std::vector<std::string>>();
    if (names.size() != rows->size()) {
      throw refused("there are not as many words as vectors")
          .in(file)
          .at("words")
          .found(fmt::format("{}", names.size()))
          .allowed(fmt::format("{}", rows->size()));
    }
  }
  return VectorTable(collector.take(), std::move(names), std::move(origin));
}

bool starts_as_object(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != text.npos && text[first] == '{';
}

}  // namespace

VectorTable::VectorTable(std::vector<float> values, std::size_t width, Origin origin)
    : width_(width), floats_(std::move(values)) {
  check_finite(floats_, width_, origin);
  check(origin);
}

VectorTable::VectorTable(Matrix values, std::vector<std::string> names, Origin origin)
    : width_(values.columns()), doubles_(values.values().begin(), values.values().end()), names_(std::move(names)) {
  check_finite(doubles_, width_, origin);
  floats_.reserve(doubles_.size());
  for (const double value : doubles_) floats_.push_back(static_cast<float>(value));
  check(origin);
}

void VectorTable::check(const Origin& origin) const {
  const auto is_zero = [](auto value) { return value == 0; };
  for (std::size_t row = 0; row < rows(); ++row) {
    const std::size_t begin = row * width_;
    const bool has_no_direction =
        doubles_.empty() ? std::all_of(&floats_[begin], &floats_[begin] + width_, is_zero)
                         : std::all_of(&doubles_[begin], &doubles_[begin] + width_, is_zero);
    if (has_no_direction) throw origin.error("a vector of zeros has no direction", row);
  }
}

std::string VectorTable::name(std::size_t row) const {
  return names_.empty() ? fmt::format("{}", row) : names_[row];
}

std::optional<std::size_t> VectorTable::find(std::string_view name) const {
  if (!names_.empty()) {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found == names_.end()) return std::nullopt;
    return static_cast<std::size_t>(found - names_.begin());
  }
  std::size_t row = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), row);
  if (error != std::errc() || end != name.data() + name.size() || row >= rows()) return std::nullopt;
  return row;
}

std::span<const double> VectorTable::doubles(std::size_t row, std::vector<double>& scratch) const {
  if (!doubles_.empty()) return std::span(doubles_).subspan(row * width_, width_);
  const auto values = floats(row);
  scratch.assign(values.begin(), values.end());
  return scratch;
}

VectorTable read_vector_table(const std::filesystem::path& path) {
  File file = File::open(path);
  const std::string name = file.name();
  std::string start(std::min<std::uint64_t>(file.size(), 6), '\0');
  file.read(0, std::as_writable_bytes(std::span(start)));
  if (io::starts_as_npy(start)) {
    const io::NpyFile array(std::move(file));
    if (array.dtype() == DType::kF32 && array.shape().size() == 2) {
      return VectorTable(array.floats(), static_cast<std::size_t>(array.width()), {.file = name, .lines = {}});
    }
  } else if (path.extension() != ".jsonl") {
    const std::string text = file.read_all(kMaxTextBytes);
    if (starts_as_object(text)) return of_json(io::parse_json({text, name}, kLimits), name);
  }
  Vectors vectors = read_vectors(path);
  return VectorTable(std::move(vectors.values), {}, std::move(vectors.origin));
}

}  // namespace kinglet::dense
