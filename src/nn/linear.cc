#include "nn/linear.h"

#include <algorithm>
#include <utility>

#include "base/checked.h"
#include "dtype/pack_panel.h"

namespace kinglet::nn {
namespace {

// Up to so many rows a step is short, and each member's fixed part of the panels stays in its cache.
constexpr std::size_t kFewRows = 8;

bool is_integer(DType dtype) { return dtype > DType::kBF16; }
bool is_exact(const Pass& pass) { return pass.rounded.data == nullptr; }

}  // namespace

Linear::Linear(std::vector<Weight> weights) : weights_(std::move(weights)) {
  for (const Weight& weight : weights_) {
    panels_ += weight.panel_count();
    has_integers_ = has_integers_ || is_integer(weight.dtype);
    has_bfloats_ = has_bfloats_ || weight.dtype == DType::kBF16;
  }
}

template <class After>
void Linear::run(const Member& me, const Pass& pass, ConstRows x, Rows out, const After& after) const {
  if (has_integers_) {
    parts(me, x.count, x.width, [&](std::size_t row, std::size_t begin, std::size_t end) {
      pass.kernels.quantize(x.row(row), begin, end, pass.int8, row);
    });
  }
  if (has_bfloats_ && !is_exact(pass)) {
    parts(me, x.count, x.width, [&](std::size_t row, std::size_t begin, std::size_t end) {
      pass.kernels.round_bfloat(x.row(row), begin, end, pass.rounded.row(row));
    });
  }
  me.sync();

  const auto work = [&](const Range& panels) {
    std::size_t first_panel = 0, column = 0;
    for (const Weight& weight : weights_) {
      const std::size_t last_panel = first_panel + weight.panel_count();
      const Range own = {std::max(panels.begin, first_panel), std::min(panels.end, last_panel)};
      if (own.begin < own.end) {
        const Range local = {own.begin - first_panel, own.end - first_panel};
        multiply(pass, weight, x, out.columns(column, weight.out), local);
        after(column + local.begin * kPanelRows, column + std::min(local.end * kPanelRows, weight.out));
      }
      first_panel = last_panel;
      column += weight.out;
    }
  };
  if (x.count <= kFewRows) {
    work(me.mine(panels_));
  } else {
    const std::size_t piece = std::max<std::size_t>(4, round_up(panels_ / (8 * me.team_size()), 4));
    for (Range own = me.take(panels_, piece); !own.empty(); own = me.take(panels_, piece)) work(own);
  }
  me.sync();
}

void Linear::multiply(const Pass& pass, const Weight& weight, ConstRows x, Rows out, Range panels) {
  kernels::Matmul call = {.panels = weight.panels,
                                .panel_bytes = weight.panel_bytes,
                                .out_width = weight.out,
                                .in_width = weight.in,
                                .bias = weight.bias.empty() ? nullptr : weight.bias.data(),
                                .tokens = x.count,
                                .x = x.data,
                                .x_stride = x.stride,
                                .q = pass.int8,
                                .out = out.data,
                                .out_stride = out.stride};
  if (weight.dtype == DType::kBF16 && !is_exact(pass)) {
    call.x = pass.rounded.data;
    call.x_stride = pass.rounded.stride;
    return pass.kernels.matmul_bfloat(call, panels.begin, panels.end);
  }
  pass.kernels.matmul[static_cast<std::size_t>(weight.dtype)](call, panels.begin, panels.end);
}

void Linear::forward(const Member& me, const Pass& pass, ConstRows x, Rows out) const {
  run(me, pass, x, out, [](std::size_t, std::size_t) {});
}

void Linear::forward_and_add(const Member& me, const Pass& pass, ConstRows x, Rows out,
                             Rows hidden) const {
  run(me, pass, x, out, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = 0; row < out.count; ++row) {
      pass.kernels.add(out.row(row) + begin, end - begin, hidden.row(row) + begin);
    }
  });
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
