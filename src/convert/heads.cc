#include "convert/heads.h"

#include "base/text.h"
#include "kinglet/error.h"

namespace kinglet {

Heads heads_of(const Metadata& config) {
  const std::int64_t heads = config.integer("num_attention_heads");
  const std::int64_t width = config.integer_or("head_dim", config.integer("hidden_size") / heads);
  return {static_cast<std::uint64_t>(heads),
          static_cast<std::uint64_t>(config.integer_or("num_key_value_heads", heads)),
          static_cast<std::uint64_t>(width)};
}

void interleave_heads(const io::ModelFile& model, Plan& plan) {
  const Heads heads = heads_of(model.config);
  for (PlannedTensor& tensor : plan.tensors) {
    const std::string& name = tensor.source->name;
    const bool is_q = name.find(".self_attn.q_proj.") != name.npos;
    if (!is_q && name.find(".self_attn.k_proj.") == name.npos) continue;
    const std::uint64_t rows = tensor.source->shape.front(), count = is_q ? heads.count : heads.count_kv;
    if (rows % count != 0 || rows / count % 2 != 0) {
      throw refused("a tensor does not divide into heads").in(model.file).at(printable(name));
    }
    tensor.head = rows / count;
  }
}

}  // namespace kinglet
