#include "convert/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/team.h"
#include "base/text.h"
#include "convert/sha256.h"
#include "convert/verify_models.h"
#include "dtype/format.h"
#include "io/tensor_table.h"
#include "kinglet/error.h"

namespace kinglet {
namespace {

constexpr std::uint64_t kPieceBytes = 8 << 20;  // of a tensor in memory at a time, about

// Of one row, or of rows added up in order.
struct Sums {
  double squared_error = 0, squares = 0, target_squares = 0, products = 0, worst = 0;
  std::uint64_t different_bits = 0;

  void add(const Sums& other) {
    squared_error += other.squared_error;
    squares += other.squares;
    target_squares += other.target_squares;
    products += other.products;
    worst = std::max(worst, other.worst);
    different_bits += other.different_bits;
  }
};

Sums compare_row(std::span<const float> source, std::span<const float> target) {
  Sums sums;
  for (std::size_t i = 0; i < source.size(); ++i) {
    const bool same = std::bit_cast<std::uint32_t>(source[i]) == std::bit_cast<std::uint32_t>(target[i]);
    if (!same) ++sums.different_bits;
    const double a = static_cast<double>(source[i]), b = static_cast<double>(target[i]);
    if (!std::isfinite(a) && (same || (std::isnan(a) && std::isnan(b)))) continue;
    const double error = std::isfinite(b) ? std::abs(a - b) : HUGE_VAL;
    sums.squared_error += error * error;
    sums.squares += a * a;
    sums.target_squares += b * b;
    sums.products += a * b;
    sums.worst = std::max(sums.worst, error);
  }
  return sums;
}

// Every value of the source is one of the target's type.
bool is_lossless(DType from, DType to) { return from == to || to == DType::kF32; }

class TensorComparison {
 public:
  TensorComparison(const TensorSource& source, const TensorSource& target, Team& team)
      : source_(source), target_(target), team_(team) {}

  VerifiedTensor compare(const PlannedTensor& planned) {
    const TensorInfo& from = *planned.source;
    VerifiedTensor result;
    result.name = from.name;
    result.from = from.dtype;
    result.to = planned.to;
    const TensorInfo* to = target_.find(from.name);
    if (to == nullptr) {
      result.problem = "is not in the target";
    } else if (to->shape != from.shape || to->dtype != planned.to) {
      result.problem = fmt::format("is [{}] of {} in the target, not [{}] of {}", fmt::join(to->shape, ", "),
                                   dtype::name_of(to->dtype), fmt::join(from.shape, ", "), dtype::name_of(planned.to));
    } else {
      compare_values(from, *to, result);
    }
    return result;
  }

 private:
  void compare_values(const TensorInfo& from, const TensorInfo& to, VerifiedTensor& result) {
    const bool has_values = dtype::format_of(from.dtype).unpack != nullptr;
    const std::uint64_t from_row = io::row_bytes_of(from), to_row = io::row_bytes_of(to);
    const std::uint64_t rows = from.nbytes == 0 ? 0 : from.nbytes / from_row;
    const std::uint64_t at_once = std::max<std::uint64_t>(1, kPieceBytes / (std::max(from_row, to_row) + 1));
    Sha256 hash;
    Sums all;
    for (std::uint64_t row = 0; row < rows; row += at_once) {
      const std::uint64_t count = std::min(at_once, rows - row);
      source_bytes_.resize(static_cast<std::size_t>(count * from_row));
      target_bytes_.resize(static_cast<std::size_t>(count * to_row));
      source_.read_rows(from, row, source_bytes_);
      target_.read_rows(to, row, target_bytes_);
      hash.add(target_bytes_);
      const bool is_same = from.dtype == to.dtype && source_bytes_ == target_bytes_;
      if (has_values) {
        all.add(compare_rows(from, to, static_cast<std::size_t>(count)));
      } else if (!is_same) {
        all.different_bits += 1;
      }
    }
    result.sha256 = hash.finish();
    judge(all, result);
  }

  Sums compare_rows(const TensorInfo& from, const TensorInfo& to, std::size_t count) {
    const std::size_t width = from.shape.empty() ? 1 : static_cast<std::size_t>(from.shape.back());
    source_values_.resize(count * width);
    target_values_.resize(count * width);
    std::vector<Sums> rows(count);
    team_.run([&](const Member& me) noexcept {
      const Range mine = me.mine(count);
      for (std::size_t row = mine.begin; row < mine.end; ++row) {
        float* source = source_values_.data() + row * width;
        float* target = target_values_.data() + row * width;
        dtype::format_of(from.dtype).unpack(source_bytes_.data() + row * (source_bytes_.size() / count), width, source);
        dtype::format_of(to.dtype).unpack(target_bytes_.data() + row * (target_bytes_.size() / count), width, target);
        rows[row] = compare_row({source, width}, {target, width});
      }
    });
    Sums sums;
    for (const Sums& row : rows) sums.add(row);
    return sums;
  }

  static void judge(const Sums& sums, VerifiedTensor& result) {
    result.worst = sums.worst;
    result.relative = sums.squared_error == 0 ? 0 : sums.squares == 0 ? HUGE_VAL : std::sqrt(sums.squared_error / sums.squares);
    const double lengths = std::sqrt(sums.squares) * std::sqrt(sums.target_squares);
    result.cosine = lengths > 0 ? sums.products / lengths : sums.squares == sums.target_squares ? 1 : 0;
    if (is_lossless(result.from, result.to)) {
      if (sums.different_bits > 0) {
        result.problem = fmt::format("{} values differ, where none may", sums.different_bits);
      }
      return;
    }
    const double limit = limits_of(result.to).relative;
    if (!(result.relative <= limit)) {
      result.problem = fmt::format("relative error {:.3g}, at most {:g} for {}", result.relative, limit, dtype::name_of(result.to));
    }
  }

  const TensorSource& source_;
  const TensorSource& target_;
  Team& team_;
  std::vector<std::byte> source_bytes_, target_bytes_;
  std::vector<float> source_values_, target_values_;
};

}  // namespace

// Errors: a few times those of weights from a normal distribution, for outliers widen them.
// Divergences: several times those of small trained models, which suffer most.
Limits limits_of(DType dtype) {
  switch (dtype) {
    case DType::kF32: return {0, 1e-6, 0.99};
    case DType::kF16: return {1e-3, 1e-3, 0.95};
    case DType::kBF16: return {4e-3, 1e-2, 0.9};
    case DType::kQ8_0: return {0.02, 0.05, 0.8};
    case DType::kQ6_K: return {0.05, 0.1, 0.7};
    case DType::kQ5_0: case DType::kQ5_1: case DType::kQ5_K: return {0.1, 0.3, 0.5};
    case DType::kQ4_0: case DType::kQ4_1: case DType::kQ4_K: case DType::kIQ4_NL: return {0.2, 1, 0};
    case DType::kMXFP4: return {0.25, 2, 0};
    case DType::kQ3_K: return {0.35, 3, 0};
    case DType::kQ2_K: return {0.6, 6, 0};
    default: return {0, 0, 1};
  }
}

const VerifiedTensor* Verification::worst() const {
  const auto found = std::max_element(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return a.relative < b.relative;
  });
  return found == tensors.end() ? nullptr : &*found;
}

Verification verify(const io::ModelFile& model, const Plan& plan, const std::filesystem::path& target,
                    std::size_t threads) {
  Verification result;
  try {
    io::ModelFile written = io::open_model_file(target);
    for (const FileBeside& file : plan.beside) {
      if (file.text.empty()) continue;
      // It is not there yet.
      written.tokenizer = {io::TokenizerText::Kind::kLlama2c, file.name, file.text};
    }
    Team team(threads);
    TensorComparison comparison(*model.tensors, *written.tensors, team);
    for (const PlannedTensor& planned : plan.tensors) {
      VerifiedTensor tensor = comparison.compare(planned);
      if (!tensor.problem.empty()) {
        result.problems.push_back(fmt::format("tensor {}: {}", kinglet::quoted(tensor.name), tensor.problem));
      }
      result.tensors.push_back(std::move(tensor));
    }
    compare_tokens(model, written, result);
    if (result.problems.empty()) compare_logits(model, written, plan, threads, result);
  } catch (const Error& error) {
    if (error.fault() != Fault::kRefused) throw;
    result.problems.push_back(fmt::format("the written file is refused: {}", error.what()));
  }
  return result;
}

}  // namespace kinglet
