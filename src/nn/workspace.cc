#include "nn/workspace.h"

#include <algorithm>

#include "base/checked.h"

namespace kinglet::nn {
namespace {

// Hands out pieces of one allocation: first counted, then placed.
class Layout {
 public:
  explicit Layout(std::byte* base) : base_(base) {}

  template <class T>
  T* take(std::size_t count) {
    const std::size_t at = used_;
    used_ += round_up(count * sizeof(T), kCacheLine);
    return base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + at);
  }
  // Rows start on cache lines, and not a power of two apart: that would put the same column of all
  // rows into the same few lines of the first cache.
  Rows rows(std::size_t count, std::size_t width) {
    std::size_t stride = round_up(width, 16);
    if (stride % 256 == 0) stride += 16;
    return {take<float>(count * stride), count, width, stride};
  }
  std::size_t used() const { return used_; }

 private:
  std::byte* base_;
  std::size_t used_ = 0;
};

}  // namespace

Workspace::Workspace(const Shape& shape, std::size_t tokens, std::size_t wanted)
    : tokens_(tokens), wanted_(wanted), places_(tokens) {
  const std::size_t query_width = shape.heads * shape.head_width;
  const std::size_t widest = std::max({shape.width, shape.mlp_width, query_width});
  const auto lay_out = [&](Layout layout) {
    all_.hidden = layout.rows(tokens, shape.width);
    all_.normed = layout.rows(tokens, shape.width);
    all_.branch = layout.rows(tokens, shape.width);
    all_.qkv = layout.rows(tokens, query_width + 2 * shape.kv_heads * shape.head_width);
    all_.mixed = layout.rows(tokens, query_width);
    all_.gate_up = layout.rows(tokens, 2 * shape.mlp_width);
    all_.angles = layout.rows(tokens, shape.head_width);
    all_.selected = layout.rows(wanted, shape.width);
    all_.logits = layout.rows(wanted, shape.vocabulary);
    int8_.stride = round_up(widest, 64) + 64;
    int8_.values = layout.take<std::int8_t>(tokens * int8_.stride);
    int8_.scales = layout.take<float>(tokens * int8_.stride / 32);
    int8_.sums = layout.take<std::int32_t>(tokens * int8_.stride / 16);
    return layout.used();
  };
  memory_ = AlignedBytes(lay_out(Layout(nullptr)));
  lay_out(Layout(memory_.data()));
}

Workspace::Views Workspace::views(std::size_t tokens, std::size_t wanted) const {
  return {all_.hidden.first(tokens),  all_.normed.first(tokens),   all_.branch.first(tokens),
          all_.qkv.first(tokens),     all_.mixed.first(tokens),    all_.gate_up.first(tokens),
          all_.angles.first(tokens),  all_.selected.first(wanted), all_.logits.first(wanted)};
}

std::span<const Place> Workspace::place(const Batch& batch) {
  std::size_t row = 0;
  for (const SequenceRows& sequence : batch.sequences) {
    for (std::size_t i = 0; i < sequence.rows; ++i) {
      places_[row++] = {sequence.cache, sequence.cache->length() + i};
    }
  }
  return std::span(places_).first(row);
}

}  // namespace kinglet::nn
