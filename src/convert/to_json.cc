// kinglet-json (io/json_weights.h has the format): numbers as the shortest text that reads back as the same f32.

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "convert/rope.h"
#include "convert/targets.h"
#include "dtype/format.h"
#include "kinglet/error.h"

namespace kinglet {
namespace {

constexpr std::uint64_t kMostValues = 5'000'000;  // what its reader takes, as text
constexpr auto kReplace = nlohmann::json::error_handler_t::replace;

std::uint64_t values_of(const TensorInfo& tensor) {
  std::uint64_t values = 1;
  for (const std::uint64_t size : tensor.shape) values *= size;
  return values;
}

void check(const io::ModelFile& model, const Plan& plan) {
  std::uint64_t values = 0;
  for (const PlannedTensor& tensor : plan.tensors) {
    if (tensor.to != DType::kF32 || tensor.source->shape.empty()) {
      throw refused("a kinglet-json file has no place for this tensor")
          .in(model.file)
          .at(printable(tensor.source->name))
          .found(fmt::format("[{}] of {}", fmt::join(tensor.source->shape, ", "), dtype::name_of(tensor.source->dtype)))
          .allowed("weights of one dimension or more");
    }
    values += values_of(*tensor.source);
  }
  if (values <= kMostValues) return;
  throw refused("too large for kinglet-json, which is for small models; safetensors or GGUF hold it")
      .in(model.file)
      .found(fmt::format("{} values", values))
      .allowed(fmt::format("at most {}", kMostValues));
}

class Text {
 public:
  explicit Text(const io::ModelFile& model) : model_(model) {}

  // Nested lists, a line for each row.
  void add(const TensorInfo& tensor) {
    const auto width = static_cast<std::size_t>(tensor.shape.back());
    const std::uint64_t rows = width == 0 ? 0 : values_of(tensor) / width;
    bytes_.resize(dtype::row_bytes(tensor.dtype, width));
    values_.resize(width);
    for (std::uint64_t row = 0; row < rows; ++row) {
      model_.tensors->read_rows(tensor, row, bytes_);
      dtype::format_of(tensor.dtype).unpack(bytes_.data(), width, values_.data());
      if (row > 0) text_ += ",\n";
      for (std::size_t i = 0; i < brackets_before(tensor, row); ++i) text_ += '[';
      for (std::size_t i = 0; i < width; ++i) add_number(tensor, row, i);
      for (std::size_t i = 0; i < brackets_before(tensor, row + 1); ++i) text_ += ']';
    }
  }

  void operator+=(std::string_view text) { text_ += text; }
  std::string take() { return std::move(text_); }

 private:
  // The lists that begin at `row`, and end before it.
  static std::size_t brackets_before(const TensorInfo& tensor, std::uint64_t row) {
    std::size_t count = 1;
    for (std::size_t i = tensor.shape.size() - 1; i-- > 0; ++count) {
      if (row % tensor.shape[i] != 0) return count;
      row /= tensor.shape[i];
    }
    return count;
  }

  void add_number(const TensorInfo& tensor, std::uint64_t row, std::size_t column) {
    const float value = values_[column];
    if (!std::isfinite(value)) {
      throw refused("a weight is not finite, which JSON cannot say")
          .in(tensor.file)
          .at(printable(tensor.name_in_file))
          .found(fmt::format("{} at [{}, {}]", value, row, column));
    }
    if (column > 0) text_ += ", ";
    // "-0" would be read as a whole number, which has no sign there.
    fmt::format_to(std::back_inserter(text_), "{}{}", value, value == 0 && std::signbit(value) ? ".0" : "");
  }

  const io::ModelFile& model_;
  std::string text_;
  std::vector<std::byte> bytes_;
  std::vector<float> values_;
};

}  // namespace

void lay_out_json(const io::ModelFile& model, const ConvertOptions&, Plan& plan) {
  check(model, plan);
  Text text(model);
  text += "{\"format\": \"kinglet-json\", \"version\": 1,\n\"config\": ";
  text += hf_config_of(model).dump(-1, ' ', false, kReplace);
  if (!model.generation.json().empty()) {
    text += ",\n\"generation\": ";
    text += model.generation.json().dump(-1, ' ', false, kReplace);
  }
  if (!model.chat_template.empty()) {
    text += ",\n\"chat_template\": ";
    text += nlohmann::json(model.chat_template).dump(-1, ' ', false, kReplace);
  }
  text += ",\n\"tensors\": {";
  for (const PlannedTensor& tensor : plan.tensors) {
    if (&tensor != plan.tensors.data()) text += ",";
    text += fmt::format("\n{}: ", nlohmann::json(tensor.name).dump(-1, ' ', false, kReplace));
    text.add(*tensor.source);
  }
  text += "}";
  if (model.tokenizer.kind == io::TokenizerText::Kind::kTokenizerJson) {
    text += ",\n\"tokenizer\": ";
    text += model.tokenizer.content;
  } else {
    plan.warnings.emplace_back("the source has no tokenizer.json; none is written");
  }
  text += "}\n";
  plan.files.push_back({"", {{.text = text.take()}}});
}

}  // namespace kinglet
