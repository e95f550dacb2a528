#include "nn/mlp.h"

namespace kinglet::nn {

void GatedMlp::forward(const Member& me, const Pass& pass, ConstRows x, Rows gate_up,
                       Rows out, Rows hidden) const {
  const std::size_t width = gate_up.width / 2;
  const Rows gate = gate_up.columns(0, width), up = gate_up.columns(width, width);

  gate_up_.forward(me, pass, x, gate_up);
  lap(me, pass, {Op::kGateUp, layer_, x.count, &gate_up_});
  observe(me, pass, {"mlp_gate", layer_}, gate);
  observe(me, pass, {"mlp_up", layer_}, up);

  // In place: what was the gate becomes the input of the down projection.
  parts(me, gate.count, width, [&](std::size_t row, std::size_t begin, std::size_t end) {
    pass.kernels.silu_multiply(gate.row(row) + begin, up.row(row) + begin, end - begin,
                               gate.row(row) + begin);
  });
  lap(me, pass, {Op::kActivation, layer_, x.count});
  observe(me, pass, {"mlp_act", layer_}, gate);

  down_.forward_and_add(me, pass, gate, out, hidden);
  lap(me, pass, {Op::kDown, layer_, x.count, &down_});
  observe(me, pass, {"mlp_out", layer_}, out);
}

}  // namespace kinglet::nn
