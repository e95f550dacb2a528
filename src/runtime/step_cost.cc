#include "runtime/step_cost.h"

#include <algorithm>

#include "nn/linear.h"

namespace kinglet {
namespace {

using nn::Op;

constexpr double kFloatBytes = 4;
// Of an activation as a byte, in blocks of 32 with their scale and sums; written and read.
constexpr double kInt8Bytes = 2 * sizeof(kernels::Int8Block) / 32.0;

double real(std::size_t count) { return static_cast<double>(count); }

// Floats read and written, and operations, of each row.
Cost elementwise(double rows, double floats, double operations) {
  Cost cost;
  cost.activation_bytes = rows * floats * kFloatBytes;
  cost.float_operations = rows * operations;
  return cost;
}

Cost product(const nn::Linear& linear, double rows, Math math) {
  Cost cost;
  if (rows == 0) return cost;  // the head, where no logits are wanted
  bool has_integers = false;
  double in = 0;
  for (const Weight& weight : linear.weights()) {
    has_integers = has_integers || multiplies_bytes(weight.dtype);
    in = real(weight.in);
    cost.weight_bytes += real(weight.panel_count() * weight.panel_bytes);
    cost.activation_bytes += rows * real(weight.out) * kFloatBytes;
    operations_of(cost, weight.dtype, math) += 2 * rows * real(weight.out) * in;
  }
  cost.activation_bytes += rows * in * (kFloatBytes + (has_integers ? kInt8Bytes : 0));
  return cost;
}

Cost product_and_add(const nn::Linear& linear, double rows, double width, Math math) {
  Cost cost = product(linear, rows, math);
  cost += elementwise(rows, 3 * width, width);
  return cost;
}

// Of one layer: key and value of one position, all heads.
double position_bytes(const StepSetting& setting) {
  return 2 * real(setting.shape.kv_heads * setting.shape.head_width) * bytes_of_value(setting.cache);
}

Cost attention(const nn::Step& step, const StepSetting& setting) {
  const double width = real(setting.shape.heads * setting.shape.head_width);
  double seen_by_rows = 0, seen_by_any = 0;
  for (const nn::Recorder::Context& context : setting.contexts) {
    for (std::size_t row = 0; row < context.rows; ++row) {
      seen_by_rows += real(std::min(context.start + row + 1, step.window));
    }
    const std::size_t first_end = context.start + 1;
    const std::size_t first = first_end - std::min(first_end, step.window);
    seen_by_any += real(context.start + context.rows - first);
  }
  Cost cost = elementwise(real(step.rows), 2 * width, 0);
  cost.cache_bytes = seen_by_any * position_bytes(setting);
  cost.float_operations = 4 * width * seen_by_rows;
  return cost;
}

Cost embedding(const nn::Linear& linear, double rows) {
  const Weight& weight = linear.weights()[0];
  Cost cost = elementwise(rows, real(weight.in), 0);
  cost.weight_bytes = rows * real(weight.panel_bytes) / real(kPanelRows);
  return cost;
}

Cost rope_and_store(double rows, const StepSetting& setting) {
  const nn::Shape& s = setting.shape;
  const double turned = real((s.heads + s.kv_heads) * s.head_width);
  const double stored = real(2 * s.kv_heads * s.head_width);
  Cost cost = elementwise(rows, 2 * turned + stored, 3 * turned);
  cost.cache_bytes = rows * position_bytes(setting);
  return cost;
}

}  // namespace

Cost cost_of(const nn::Step& step, const StepSetting& setting) {
  const double rows = real(step.rows);
  const double width = real(setting.shape.width), mlp = real(setting.shape.mlp_width);
  switch (step.op) {
    case Op::kEmbed: return embedding(*step.linear, rows);
    case Op::kQkv:
    case Op::kGateUp:
    case Op::kHead: return product(*step.linear, rows, setting.math);
    case Op::kAttentionOut:
    case Op::kDown: return product_and_add(*step.linear, rows, width, setting.math);
    case Op::kAttentionNorm:
    case Op::kMlpNorm:
    case Op::kFinalNorm: return elementwise(rows, 2 * width, 4 * width);
    case Op::kRope: return rope_and_store(rows, setting);
    case Op::kAttention: return attention(step, setting);
    case Op::kActivation: return elementwise(rows, 3 * mlp, 5 * mlp);
    case Op::kGather:
    case Op::kStart:
    case Op::kJoin:
    case Op::kCheck:
    case Op::kSample: break;
  }
  return {};
}

}  // namespace kinglet
