#include "runtime/compare.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <tuple>

#include "base/text.h"
#include "dtype/format.h"
#include "io/safetensors.h"
#include "kinglet/error.h"

namespace kinglet {
namespace {

constexpr std::array<std::string_view, 15> kSteps = {
    "attn_norm", "q",        "k",        "v",        "q_rope", "k_rope",  "attn_probs", "attn_mixed",
    "attn_out",  "mlp_norm", "mlp_gate", "mlp_up",   "mlp_act", "mlp_out", "out"};
constexpr std::array<std::string_view, 3> kEnds = {"final_norm", "logits", "pooled"};

template <std::size_t kCount>
std::size_t place_in(const std::array<std::string_view, kCount>& list, std::string_view name) {
  return static_cast<std::size_t>(std::find(list.begin(), list.end(), name) - list.begin());
}

// Sorts names into the order of the pass: ids, embed, the layers' steps, the ends.
std::tuple<int, std::size_t, std::size_t> order_of(std::string_view name) {
  if (name == "ids") return {0, 0, 0};
  if (name == "embed") return {0, 1, 0};
  constexpr std::string_view kLayers = "layers.";
  if (name.starts_with(kLayers)) {
    const std::string_view rest = name.substr(kLayers.size());
    const std::size_t dot = std::min(rest.find('.'), rest.size());
    std::size_t layer = 0;
    std::from_chars(rest.data(), rest.data() + dot, layer);
    return {1, layer, place_in(kSteps, dot < rest.size() ? rest.substr(dot + 1) : "")};
  }
  return {2, place_in(kEnds, name), 0};
}

io::SafetensorsSource open(const std::filesystem::path& path) {
  io::SafetensorsSource source;
  source.add(File::open(path));
  if (source.tensors().empty()) throw refused("holds no tensor").in(printable(path.native()));
  return source;
}

std::vector<double> values_of(const TensorSource& source, const TensorInfo& tensor) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(tensor.nbytes));
  source.read_rows(tensor, 0, bytes);
  const dtype::Format& format = dtype::format_of(tensor.dtype);
  const std::size_t count = bytes.size() / format.block_bytes * format.block;
  std::vector<double> values(count);
  const auto copy = [&]<class T>(T) {
    for (std::size_t i = 0; i < count; ++i) {
      T value = 0;
      std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
      values[i] = static_cast<double>(value);
    }
  };
  switch (tensor.dtype) {
    case DType::kF64: copy(double{}); break;
    case DType::kI32: copy(std::int32_t{}); break;
    case DType::kI64: copy(std::int64_t{}); break;
    default: {
      if (format.unpack == nullptr) {
        throw refused("a tensor has a type that cannot be compared")
            .in(tensor.file)
            .at(kinglet::quoted(tensor.name))
            .found(format.name);
      }
      std::vector<float> floats(count);
      format.unpack(bytes.data(), count, floats.data());
      std::copy(floats.begin(), floats.end(), values.begin());
    }
  }
  return values;
}

struct Pair {
  std::vector<double> want, have;
  std::size_t rows = 1, width = 0;
};

// Fills in the errors; the note where a row is off.
void compare_rows(const Pair& pair, double tolerance, ComparedTensor& out) {
  out.within = true;
  for (std::size_t row = 0; row < pair.rows; ++row) {
    double error = 0, largest = 0;
    std::size_t worst = 0;
    for (std::size_t i = 0; i < pair.width; ++i) {
      const double want = pair.want[row * pair.width + i], have = pair.have[row * pair.width + i];
      double difference = std::abs(have - want);
      if (!std::isfinite(difference)) difference = INFINITY;
      if (difference > error) {
        error = difference;
        worst = i;
      }
      largest = std::max(largest, std::abs(want));
    }
    const double relative = error == 0 ? 0 : error / largest;
    out.error = std::max(out.error, error);
    out.relative = std::max(out.relative, relative);
    if (relative <= tolerance || !out.within) continue;
    out.within = false;
    out.note = fmt::format("token {}, column {}: found {:.7g}, reference {:.7g}", row, worst,
                           pair.have[row * pair.width + worst], pair.want[row * pair.width + worst]);
  }
}

// In place: x - log(sum(exp(x))).
void log_softmax(std::span<double> x) {
  const double top = *std::max_element(x.begin(), x.end());
  double total = 0;
  for (const double value : x) total += std::exp(value - top);
  const double shift = top + std::log(total);
  for (double& value : x) value -= shift;
}

Agreement agreement_of(Pair& pair) {
  Agreement agreement = {.positions = pair.rows};
  for (std::size_t row = 0; row < pair.rows; ++row) {
    const std::span<double> want(pair.want.data() + row * pair.width, pair.width);
    const std::span<double> have(pair.have.data() + row * pair.width, pair.width);
    agreement.same_best += std::max_element(want.begin(), want.end()) - want.begin() ==
                           std::max_element(have.begin(), have.end()) - have.begin();
    log_softmax(want);
    log_softmax(have);
    double kl = 0;
    for (std::size_t i = 0; i < pair.width; ++i) kl += std::exp(want[i]) * (want[i] - have[i]);
    agreement.mean_kl += kl / static_cast<double>(pair.rows);
  }
  return agreement;
}

}  // namespace

const ComparedTensor* Comparison::first_off() const {
  const auto off = std::find_if(tensors.begin(), tensors.end(),
                                [](const ComparedTensor& tensor) { return !tensor.within; });
  return off == tensors.end() ? nullptr : &*off;
}

Comparison compare_activations(const std::filesystem::path& reference,
                               const std::filesystem::path& found, double tolerance) {
  const io::SafetensorsSource wants = open(reference), haves = open(found);
  std::vector<const TensorInfo*> ordered;
  for (const TensorInfo& tensor : wants.tensors()) ordered.push_back(&tensor);
  std::stable_sort(ordered.begin(), ordered.end(), [](const TensorInfo* a, const TensorInfo* b) {
    return order_of(a->name) < order_of(b->name);
  });

  Comparison comparison;
  for (const TensorInfo* want : ordered) {
    ComparedTensor row = {.name = printable(want->name),
                          .shape = fmt::format("{}", fmt::join(want->shape, "x")),
                          .note = ""};
    const TensorInfo* have = haves.find(want->name);
    if (have == nullptr) {
      row.note = "missing";
    } else if (have->shape != want->shape) {
      row.note = fmt::format("has shape {}", fmt::join(have->shape, "x"));
    } else {
      Pair pair = {.want = values_of(wants, *want), .have = values_of(haves, *have)};
      const bool has_rows = want->shape.size() > 1 || want->name == "ids";
      pair.rows = has_rows ? static_cast<std::size_t>(want->shape[0]) : 1;
      pair.width = pair.rows == 0 ? 0 : pair.want.size() / pair.rows;
      compare_rows(pair, want->name == "ids" ? 0 : tolerance, row);
      if (want->name == "logits" && std::isfinite(row.error)) comparison.agreement = agreement_of(pair);
    }
    comparison.tensors.push_back(std::move(row));
  }
  return comparison;
}

std::vector<std::int32_t> ids_of_activations(const std::filesystem::path& reference) {
  const io::SafetensorsSource source = open(reference);
  const TensorInfo* ids = source.find("ids");
  if (ids == nullptr) throw refused("has no tensor 'ids'").in(printable(reference.native()));
  std::vector<std::int32_t> list;
  for (const double id : values_of(source, *ids)) list.push_back(static_cast<std::int32_t>(id));
  return list;
}

}  // namespace kinglet
