#include "convert/imatrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "base/output_file.h"
#include "base/text.h"
#include "convert/gguf_keys.h"
#include "io/gguf.h"
#include "io/gguf_names.h"
#include "kinglet/error.h"

namespace kinglet {
namespace {

constexpr std::uint64_t kAlignment = 32;
constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";

// The matrices that an activation goes into.
struct Input {
  std::string_view activation;
  std::array<std::string_view, 3> matrices;
};
constexpr Input kInputs[] = {{"attn_norm", {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"}},
                             {"attn_mixed", {"self_attn.o_proj"}},
                             {"mlp_norm", {"mlp.gate_proj", "mlp.up_proj"}},
                             {"mlp_act", {"mlp.down_proj"}}};

bool is_head_input(std::string_view activation) { return activation == "final_norm"; }

std::vector<float> floats_of(const File& file, const io::GgufTensor& tensor) {
  if (tensor.dtype != DType::kF32) {
    throw refused("an importance matrix is not f32").in(file.name()).at(printable(tensor.name));
  }
  std::vector<float> values(static_cast<std::size_t>(tensor.nbytes / sizeof(float)));
  file.read(tensor.offset, std::as_writable_bytes(std::span(values)));
  for (const float value : values) {
    if (std::isfinite(value) && value >= 0) continue;
    throw refused("an importance matrix holds what is no sum of squares")
        .in(file.name())
        .at(printable(tensor.name))
        .found(fmt::format("{}", value));
  }
  return values;
}

// A tensor of the file to be written.
struct Table {
  TensorInfo info;
  std::string name;
  std::vector<float> values;
};

std::vector<Table> tables_of(const Imatrix& imatrix) {
  std::vector<Table> tables;
  const auto add = [&](std::string name, std::vector<float> values) {
    Table table;
    table.info.shape = {1, values.size()};
    table.name = std::move(name);
    table.values = std::move(values);
    tables.push_back(std::move(table));
  };
  for (const auto& [name, importance] : imatrix) {
    const std::string in_file = io::gguf_of_kinglet(name).value_or(name);
    std::vector<float> sums;
    for (const double square : importance.squares) sums.push_back(static_cast<float>(square));
    add(in_file + std::string(kSums), std::move(sums));
    add(in_file + std::string(kCounts), {static_cast<float>(importance.rows)});
  }
  return tables;
}

}  // namespace

std::vector<float> Importance::means() const {
  std::vector<float> means;
  if (rows == 0) return means;
  for (const double square : squares) means.push_back(static_cast<float>(square / static_cast<double>(rows)));
  return means;
}

void ImportanceCollector::add(std::string_view activation, int layer, std::span<const float> row) {
  const bool is_input = std::any_of(std::begin(kInputs), std::end(kInputs),
                                    [&](const Input& input) { return input.activation == activation; });
  if (!is_input && !is_head_input(activation)) return;
  Importance& importance = inputs_[fmt::format("{}.{}", layer, activation)];
  importance.squares.resize(row.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    importance.squares[i] += static_cast<double>(row[i]) * static_cast<double>(row[i]);
  }
  ++importance.rows;
}

Imatrix ImportanceCollector::result() const {
  Imatrix result;
  for (const auto& [place, importance] : inputs_) {
    const std::size_t dot = place.find('.');
    const std::string_view activation = std::string_view(place).substr(dot + 1);
    if (is_head_input(activation)) result[head_] = importance;
    for (const Input& input : kInputs) {
      if (input.activation != activation) continue;
      for (const std::string_view matrix : input.matrices) {
        if (!matrix.empty()) result[fmt::format("model.layers.{}.{}.weight", place.substr(0, dot), matrix)] = importance;
      }
    }
  }
  return result;
}

Imatrix read_imatrix(const std::filesystem::path& path) {
  const File file = File::open(path);
  const io::GgufHeader header(file);
  if (header.string("general.type").value_or("") != "imatrix") {
    throw refused("no importance matrix: general.type is not 'imatrix'").in(file.name());
  }
  std::map<std::string_view, const io::GgufTensor*> by_name;
  for (const io::GgufTensor& tensor : header.tensors()) by_name[tensor.name] = &tensor;
  Imatrix result;
  for (const auto& [name, tensor] : by_name) {
    if (!name.ends_with(kSums)) continue;
    const std::string matrix(name.substr(0, name.size() - kSums.size()));
    const auto counts = by_name.find(matrix + std::string(kCounts));
    if (counts == by_name.end()) {
      throw refused("sums without counts").in(file.name()).at(printable(name));
    }
    const std::vector<float> count = floats_of(file, *counts->second);
    if (count.size() != 1) continue;  // of experts: kinglet has no models with them
    Importance importance;
    for (const float square : floats_of(file, *tensor)) importance.squares.push_back(static_cast<double>(square));
    importance.rows = static_cast<std::uint64_t>(std::min(count[0], 0x1p62f));
    result[io::kinglet_of_gguf(matrix)] = std::move(importance);
  }
  if (result.empty()) throw refused("an importance matrix of no tensors").in(file.name());
  return result;
}

void write_imatrix(const std::filesystem::path& path, const Imatrix& imatrix, const ImatrixText& text) {
  GgufKeys keys;
  keys.string("general.type", "imatrix");
  keys.strings("imatrix.datasets", std::array{text.dataset});
  keys.u32("imatrix.chunk_count", text.chunks);
  keys.u32("imatrix.chunk_size", text.chunk_tokens);
  const std::vector<Table> tables = tables_of(imatrix);
  std::vector<PlannedTensor> tensors;
  for (const Table& table : tables) {
    PlannedTensor tensor;
    tensor.source = &table.info;
    tensor.name = table.name;
    tensor.bytes = table.values.size() * sizeof(float);
    tensors.push_back(std::move(tensor));
  }
  OutputFile file(path);
  file.write(keys.header(tensors, kAlignment));
  for (const Table& table : tables) {
    const auto bytes = std::as_bytes(std::span(table.values));
    file.write(bytes);
    file.write(std::string(round_up(bytes.size(), kAlignment) - bytes.size(), '\0'));
  }
  file.commit();
}

}  // namespace kinglet
