#include "runtime/bench_matmul.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <optional>
#include <random>
#include <set>

#include "base/checked.h"
#include "base/memory.h"
#include "base/team.h"
#include "base/text.h"
#include "dtype/format.h"
#include "dtype/pack_panel.h"
#include "io/open.h"
#include "kernels/dispatch.h"
#include "kinglet/error.h"
#include "tensor/weight.h"

namespace kinglet {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kSlowOperations = 1e8;  // at most in one run of the slow ways: about a tenth of a second

std::vector<float> random_values(std::size_t count, float deviation) {
  std::mt19937 random(1);
  std::normal_distribution<float> value(0, deviation);
  std::vector<float> values(count);
  for (float& v : values) v = value(random);
  return values;
}

// Bits of a quantised row. Bit 6 of every byte is zero, which makes any scale among them finite: the
// exponent of an f16 is below 16 then.
void fill_at_random(std::span<std::byte> blocks, std::size_t seed) {
  std::mt19937 random(static_cast<std::mt19937::result_type>(seed));
  for (std::byte& byte : blocks) byte = static_cast<std::byte>(random() & 0xBF);
}

// Weights and activations in the forms that the ways want.
class Problem {
 public:
  explicit Problem(const MatmulSize& size)
      : size_(size),
        weights_(random_values(size.out * size.in, 0.02f)),
        x_(random_values(size.tokens * size.in, 1)),
        blocks_(size.tokens * ceil_div(size.in, 32)) {
    pack();
  }

  std::size_t panels() const { return (size_.out + kPanelRows - 1) / kPanelRows; }
  double operations(std::size_t tokens) const {
    return 2.0 * static_cast<double>(size_.out * size_.in * tokens);
  }
  // As many tokens as a slow way is timed on.
  std::size_t few_tokens() const {
    return std::clamp<std::size_t>(static_cast<std::size_t>(kSlowOperations / operations(1)), 1,
                                   size_.tokens);
  }

  void naive(std::size_t tokens, std::span<float> out) const {
    for (std::size_t t = 0; t < tokens; ++t) {
      for (std::size_t n = 0; n < size_.out; ++n) {
        float sum = 0;
        for (std::size_t k = 0; k < size_.in; ++k) {
          sum += weights_[n * size_.in + k] * x_[t * size_.in + k];
        }
        out[t * size_.out + n] = sum;
      }
    }
  }

  void kernel(const kernels::Table& table, const Member& me, std::size_t tokens,
              std::span<float> out) {
    const kernels::Int8Rows bytes = {blocks_.data(), ceil_div(size_.in, 32)};
    if (is_integer()) {
      const Range rows = me.mine(tokens);
      for (std::size_t t = rows.begin; t < rows.end; ++t) {
        table.quantize(x_.data() + t * size_.in, 0, size_.in, bytes, t);
      }
      me.sync();
    }
    const Range mine = me.mine(panels());
    table.matmul[static_cast<std::size_t>(size_.dtype)]({.panels = panels_.data(),
                                                         .panel_bytes = panel_bytes_,
                                                         .out_width = size_.out,
                                                         .in_width = size_.in,
                                                         .bias = nullptr,
                                                         .tokens = tokens,
                                                         .x = x_.data(),
                                                         .x_stride = size_.in,
                                                         .q = bytes,
                                                         .out = out.data(),
                                                         .out_stride = size_.out},
                                                        mine.begin, mine.end);
  }

 private:
  bool is_integer() const {
    return size_.dtype != DType::kF32 && size_.dtype != DType::kF16 && size_.dtype != DType::kBF16;
  }

  // Into panels; weights_ becomes what the format holds, so that only arithmetic differs.
  void pack() {
    const dtype::Format& format = dtype::format_of(size_.dtype);
    if (size_.in % format.block != 0) {
      throw usage_error("a row is no multiple of the type's block")
          .at("width")
          .found(fmt::format("{}", size_.in))
          .allowed(fmt::format("a multiple of {}", format.block));
    }
    const std::size_t row_bytes = dtype::row_bytes(size_.dtype, size_.in);
    std::vector<std::byte> rows(size_.out * row_bytes);
    for (std::size_t n = 0; n < size_.out; ++n) {
      float* row = weights_.data() + n * size_.in;
      const std::span<std::byte> blocks(rows.data() + n * row_bytes, row_bytes);
      if (format.pack != nullptr) {
        format.pack(row, size_.in, nullptr, blocks.data());
      } else {
        fill_at_random(blocks, n);
      }
      format.unpack(blocks.data(), size_.in, row);
    }
    panel_bytes_ = dtype::panel_bytes(size_.dtype, size_.in);
    panels_ = AlignedBytes(panels() * panel_bytes_);
    for (std::size_t panel = 0; panel < panels(); ++panel) {
      const std::size_t first = panel * kPanelRows;
      dtype::pack_panel(size_.dtype, rows.data() + first * row_bytes,
                        std::min(kPanelRows, size_.out - first), size_.in,
                        panels_.data() + panel * panel_bytes_);
    }
  }

  MatmulSize size_;
  std::vector<float> weights_, x_;  // (N, K), (T, K)
  std::vector<kernels::Int8Block> blocks_;
  std::size_t panel_bytes_ = 0;
  AlignedBytes panels_;
};

// The shortest of several runs of work().
double best_seconds(const std::function<void()>& work) {
  constexpr double kBudget = 0.1;
  constexpr int kFewest = 3;
  double best = INFINITY, total = 0;
  for (int run = 0; run < kFewest || total < kBudget; ++run) {
    const Clock::time_point start = Clock::now();
    work();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::min(best, seconds);
    total += seconds;
  }
  return best;
}

double largest_difference(std::span<const float> found, std::span<const float> wanted) {
  float difference = 0, largest = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    difference = std::max(difference, std::fabs(found[i] - wanted[i]));
    largest = std::max(largest, std::fabs(wanted[i]));
  }
  return largest == 0 ? 0 : static_cast<double>(difference / largest);
}

}  // namespace

std::vector<MatmulSize> matmul_sizes(std::string_view type, const std::filesystem::path& model,
                                     std::span<const std::size_t> tokens) {
  const std::optional<DType> dtype = dtype::named(type);
  if (!dtype || dtype::format_of(*dtype).unpack == nullptr) {
    throw usage_error("unknown weight type").at("type").found(quoted(type));
  }
  const std::size_t block = dtype::format_of(*dtype).block;
  std::vector<MatmulSize> sizes = {{*dtype, 100, round_up(std::size_t{100}, block), 100}};
  if (model.empty()) return sizes;
  const io::ModelFile file = io::open_model_file(model);
  std::set<std::vector<std::uint64_t>> shapes;
  for (const TensorInfo& tensor : file.tensors->tensors()) {
    if (tensor.shape.size() == 2 && tensor.shape[1] % block == 0) shapes.insert(tensor.shape);
  }
  for (const std::vector<std::uint64_t>& shape : shapes) {
    for (const std::size_t count : tokens) {
      sizes.push_back({*dtype, static_cast<std::size_t>(shape[0]),
                       static_cast<std::size_t>(shape[1]), count});
    }
  }
  return sizes;
}

std::vector<MatmulWay> bench_matmul(const MatmulSize& size, std::size_t threads) {
  Problem problem(size);
  const std::size_t few = problem.few_tokens();
  std::vector<float> wanted(few * size.out), found(size.tokens * size.out);
  std::vector<MatmulWay> ways;

  const double naive = best_seconds([&] { problem.naive(few, wanted); });
  ways.push_back({"naive", problem.operations(few) / naive * 1e-9, 0});
  const auto add = [&](std::string name, const kernels::Table& table, std::size_t members,
                       std::size_t tokens) {
    Team team(members);
    const double seconds = best_seconds([&] {
      team.run([&](const Member& me) noexcept { problem.kernel(table, me, tokens, found); });
    });
    ways.push_back({std::move(name), problem.operations(tokens) / seconds * 1e-9,
                    largest_difference(found, wanted)});
  };
  const kernels::Table& active = kernels::active();
  add("scalar", *kernels::available().back(), 1, few);
  add(active.isa, active, 1, size.tokens);
  if (threads > 1) add(fmt::format("{} x {}", active.isa, threads), active, threads, size.tokens);
  return ways;
}

}  // namespace kinglet
