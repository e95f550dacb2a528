#include "nn/attention.h"

#include <algorithm>
#include <vector>

#include "base/checked.h"

namespace kinglet::nn {

void Attention::forward(const Member& me, const Pass& pass, const Rope& rope, ConstRows x,
                        const Scratch& scratch, Rows out, Rows hidden) const {
  const std::size_t q_width = heads_.query * heads_.width;
  const std::size_t kv_width = heads_.key_value * heads_.width;
  const Rows q = scratch.qkv.columns(0, q_width);
  const Rows k = scratch.qkv.columns(q_width, kv_width);
  const Rows v = scratch.qkv.columns(q_width + kv_width, kv_width);

  qkv_.forward(me, pass, x, scratch.qkv);
  lap(me, pass, {Op::kQkv, layer_, x.count, &qkv_});
  observe(me, pass, {"q", layer_}, q);
  observe(me, pass, {"k", layer_}, k);
  observe(me, pass, {"v", layer_}, v);

  rope.rotate(me, pass, q);
  rope.rotate(me, pass, k);
  store(me, pass, k, v);
  lap(me, pass, {Op::kRope, layer_, x.count});
  observe(me, pass, {"q_rope", layer_}, q);
  observe(me, pass, {"k_rope", layer_}, k);
  show_probabilities(me, pass, q);

  attend(me, pass, q, scratch.mixed);
  lap(me, pass, {Op::kAttention, layer_, x.count, nullptr, heads_.window});
  observe(me, pass, {"attn_mixed", layer_}, scratch.mixed);
  out_.forward_and_add(me, pass, scratch.mixed, out, hidden);
  lap(me, pass, {Op::kAttentionOut, layer_, x.count, &out_});
  observe(me, pass, {"attn_out", layer_}, out);
}

// The split is that of Rope::rotate, so a member stores the keys that it turned itself.
void Attention::store(const Member& me, const Pass& pass, ConstRows k, ConstRows v) const {
  const Range mine = me.mine(k.count * heads_.key_value);
  for (std::size_t unit = mine.begin; unit < mine.end; ++unit) {
    const std::size_t row = unit / heads_.key_value, head = unit % heads_.key_value;
    const Place& place = pass.places[row];
    const KvCache& cache = *place.cache;
    const auto layer = static_cast<std::size_t>(layer_);
    cache.functions(pass.kernels)
        .store(k.row(row) + head * heads_.width, v.row(row) + head * heads_.width, heads_.width,
               place.position, cache.keys(layer, head), cache.values(layer, head));
  }
  me.sync();
}

kernels::Attend Attention::call_for(const KvCache& cache, std::size_t kv_head) const {
  const auto layer = static_cast<std::size_t>(layer_);
  return {.keys = cache.keys(layer, kv_head),
          .values = cache.values(layer, kv_head),
          .head_width = heads_.width,
          .scale = heads_.scale};
}

kernels::Query Attention::query_for(const Place& place, const float* q, float* out) const {
  const std::size_t end = place.position + 1;
  return {.q = q, .out = out, .begin = end > heads_.window ? end - heads_.window : 0, .end = end};
}

// Query heads that share a key/value head, of neighbouring rows of one sequence, go together, so
// that what is read of the cache serves up to 12 of them. Every query's sums are its own, so the
// grouping changes no bit. Groups are dealt out in turn: later rows see more and cost more.
void Attention::attend(const Member& me, const Pass& pass, ConstRows q, Rows mixed) const {
  const std::size_t group = heads_.query / heads_.key_value;
  const std::size_t few = 4 * me.team_size();
  std::size_t first_row = 0, turn = 0;
  for (const SequenceRows& sequence : pass.sequences) {
    // With little to share out, single heads balance better than groups.
    const bool is_little = sequence.rows * heads_.key_value < few;
    const std::size_t heads_at_once = is_little ? 1 : std::min(group, kernels::kMaxQueries);
    const std::size_t rows_at_once = std::max<std::size_t>(1, kernels::kMaxQueries / group);

    for (std::size_t row = 0; row < sequence.rows; row += rows_at_once) {
      const std::size_t rows = std::min(rows_at_once, sequence.rows - row);
      for (std::size_t head = 0; head < heads_.query; ++turn) {
        const std::size_t left_in_group = group - head % group;
        const std::size_t heads = std::min(heads_at_once, left_in_group);
        if (turn % me.team_size() == me.rank()) {
          kernels::Query queries[kernels::kMaxQueries];
          kernels::Attend call = call_for(*sequence.cache, head / group);
          for (std::size_t r = first_row + row; r < first_row + row + rows; ++r) {
            for (std::size_t h = head; h < head + heads; ++h) {
              queries[call.count++] = query_for(pass.places[r], q.row(r) + h * heads_.width,
                                                mixed.row(r) + h * heads_.width);
            }
          }
          call.queries = queries;
          sequence.cache->functions(pass.kernels).attend(call);
        }
        head += heads;
      }
    }
    first_row += sequence.rows;
  }
  me.sync();
}

void Attention::show_probabilities(const Member& me, const Pass& pass, ConstRows q) const {
  if (pass.tap == nullptr || !pass.tap->see_attention) return;
  if (me.rank() == 0) {
    const std::size_t group = heads_.query / heads_.key_value;
    for (std::size_t row = 0; row < q.count; ++row) {
      const Place& place = pass.places[row];
      const std::size_t positions = place.position + 1;
      std::vector<float> probs(heads_.query * positions);
      for (std::size_t head = 0; head < heads_.query; ++head) {
        const kernels::Query query = query_for(place, q.row(row) + head * heads_.width, nullptr);
        kernels::Attend call = call_for(*place.cache, head / group);
        call.queries = &query;
        call.count = 1;
        place.cache->functions(pass.kernels).probabilities(call, probs.data() + head * positions);
      }
      pass.tap->see_attention(layer_, row, {probs.data(), heads_.query, positions, positions});
    }
  }
  me.sync();
}

}  // namespace kinglet::nn
