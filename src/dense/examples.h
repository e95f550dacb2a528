#pragma once

// Examples for probes: features, one vector a row, each with a label. A file gives
//
//   {"x": [0.1, 0.2], "y": "cat"}   JSON lines; "label" says the same as "y"
//   features.npy and labels         labels: .npy of one dimension, or a label a line as JSON
//
// Labels are all numbers, all strings or all true/false. Whether numbers are quantities or names of
// classes is for who fits to say.

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "dense/vectors.h"

namespace kinglet::dense {

// In the order of the rows.
struct Labels {
  std::vector<std::string> names;  // a number as its shortest text
  std::vector<double> numbers;     // the same as numbers; empty where labels are strings or booleans
};

// Makes labels of JSON values that come one by one.
class LabelCollector {
 public:
  explicit LabelCollector(const Origin& origin) : origin_(origin) {}

  // Errors (kRefused, by origin): neither number, string nor boolean; not of the first one's type.
  void add(const nlohmann::json& label);
  Labels take() { return std::move(labels_); }

 private:
  enum class Type { kNone, kNumber, kString, kBoolean };
  static Type type_of(const nlohmann::json& label);

  const Origin& origin_;
  Type type_ = Type::kNone;
  Labels labels_;
};

struct Examples {
  Vectors vectors;
  Labels labels;  // as many

  std::size_t rows() const { return vectors.values.rows(); }
};

// `labels` is empty for JSON lines, which have them. Errors (kRefused): naming file and line.
Examples read_examples(const std::filesystem::path& features, const std::filesystem::path& labels);

// Labelled texts, whose features are still to be made: {"text": "...", "label": ...} a line; "y" says the
// same as "label".
struct TextExamples {
  std::vector<std::string> texts;
  Labels labels;  // as many
  Origin origin;
};

// Whether the first line is such a one: it has "text" and no "x".
bool has_texts(const std::filesystem::path& path);
// Errors (kRefused): naming file and line.
TextExamples read_text_examples(const std::filesystem::path& path);

// The rows named.
Matrix rows_of(const Matrix& matrix, std::span<const std::size_t> rows);

// The classes: each label once, numbers in their order, strings in that of their bytes.
std::vector<std::string> classes_of(const Labels& labels);

}  // namespace kinglet::dense
