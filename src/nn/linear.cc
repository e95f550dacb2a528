#include "nn/linear.h"

#include <algorithm>
#include <utility>

#include "dtype/pack_panel.h"

namespace kinglet::nn {
namespace {

bool is_integer(DType dtype) { return dtype > DType::kBF16; }

}  // namespace

Linear::Linear(std::vector<Weight> weights) : weights_(std::move(weights)) {
  for (const Weight& weight : weights_) {
    panels_ += weight.panel_count();
    has_integers_ = has_integers_ || is_integer(weight.dtype);
  }
}

void Linear::forward(const Member& me, const Pass& pass, ConstRows x, Rows out) const {
  if (has_integers_) {
    parts(me, x.count, x.width, [&](std::size_t row, std::size_t begin, std::size_t end) {
      pass.kernels.quantize(x.row(row), begin, end, pass.int8, row);
    });
  }
  me.sync();

  const Range mine = me.mine(panels_);
  std::size_t first_panel = 0, column = 0;
  for (const Weight& weight : weights_) {
    const std::size_t last_panel = first_panel + weight.panel_count();
    const std::size_t begin = std::max(mine.begin, first_panel);
    const std::size_t end = std::min(mine.end, last_panel);
    if (begin < end) {
      const kernels::Matmul call = {.panels = weight.panels,
                                    .panel_bytes = weight.panel_bytes,
                                    .out_width = weight.out,
                                    .in_width = weight.in,
                                    .bias = weight.bias.empty() ? nullptr : weight.bias.data(),
                                    .tokens = x.count,
                                    .x = x.data,
                                    .x_stride = x.stride,
                                    .q = pass.int8,
                                    .out = out.data + column,
                                    .out_stride = out.stride};
      pass.kernels.matmul[static_cast<std::size_t>(weight.dtype)](call, begin - first_panel,
                                                                  end - first_panel);
    }
    first_panel = last_panel;
    column += weight.out;
  }
  me.sync();
}

void embed(const Member& me, const Weight& embedding, const Batch& batch, Rows hidden) {
  const Range mine = me.mine(batch.size());
  for (std::size_t t = mine.begin; t < mine.end; ++t) {
    if (batch.tokens.empty()) {
      std::copy_n(batch.vectors.row(t), hidden.width, hidden.row(t));
      continue;
    }
    const auto id = static_cast<std::size_t>(batch.tokens[t]);
    dtype::unpack_panel_row(embedding.dtype,
                            embedding.panels + id / kPanelRows * embedding.panel_bytes,
                            id % kPanelRows, embedding.in, hidden.row(t));
  }
}

}  // namespace kinglet::nn
