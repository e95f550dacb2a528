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

Workspace::Workspace(const Shape& shape, std::size_t tokens, std::size_t wanted, Math math)
    : tokens_(tokens),
      wanted_(wanted),
      places_(tokens),
      memory_(bytes_needed(shape, tokens, wanted, math)),
      buffers_(lay_out(shape, tokens, wanted, math, memory_.data())) {}

std::size_t Workspace::bytes_needed(const Shape& shape, std::size_t tokens, std::size_t wanted, Math math) {
  return lay_out(shape, tokens, wanted, math, nullptr).bytes;
}

Workspace::Buffers Workspace::lay_out(const Shape& shape, std::size_t tokens, std::size_t wanted,
                                      Math math, std::byte* base) {
  const std::size_t query_width = shape.heads * shape.head_width;
  const std::size_t widest = std::max({shape.width, shape.mlp_width, query_width});
  Layout layout(base);
  Buffers out;
  out.views = {.hidden = layout.rows(tokens, shape.width),
               .normed = layout.rows(tokens, shape.width),
               .branch = layout.rows(tokens, shape.width),
               .qkv = layout.rows(tokens, query_width + 2 * shape.kv_heads * shape.head_width),
               .mixed = layout.rows(tokens, query_width),
               .gate_up = layout.rows(tokens, 2 * shape.mlp_width),
               .angles = layout.rows(tokens, shape.head_width),
               .selected = layout.rows(wanted, shape.width),
               .logits = layout.rows(wanted, shape.vocabulary)};
  out.int8.stride = ceil_div(widest, 32) | 1;  // odd, as above
  out.int8.blocks = layout.take<kernels::Int8Block>(tokens * out.int8.stride);
  if (math == Math::kBfloat) out.rounded = layout.rows(tokens, widest + widest % 2);
  out.bytes = layout.used();
  return out;
}

Workspace::Views Workspace::views(std::size_t tokens, std::size_t wanted) const {
  const Views& all = buffers_.views;
  return {all.hidden.first(tokens),  all.normed.first(tokens),   all.branch.first(tokens),
          all.qkv.first(tokens),     all.mixed.first(tokens),    all.gate_up.first(tokens),
          all.angles.first(tokens),  all.selected.first(wanted), all.logits.first(wanted)};
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
