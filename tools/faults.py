"""Planted faults: what each does to a model's config and weights, and which activation it puts off first.

They are the mistakes engines make (a pairing, an order, an epsilon), planted in the model instead of
the code, so that they can be given to any engine: run on the faulty copy and compared with the clean
reference, it must be found out at exactly that tensor.
"""
import numpy as np

from reference import Refused, head_shape

LAYER = "model.layers.0."
Q, K, V, O = (f"{LAYER}self_attn.{part}_proj.weight" for part in "qkvo")


def swapped(a, b):
    def plant(config, weights):
        if weights[a].shape != weights[b].shape:
            raise Refused(f"{a} and {b} differ in shape; this fault needs a model where they do not")
        weights[a], weights[b] = weights[b], weights[a]
    return plant


def transposed_o(config, weights):
    rows, columns = weights[O].shape
    if rows != columns:
        raise Refused(f"{O} is {rows} x {columns}; this fault needs a square one")
    weights[O] = weights[O].T


def zero_k_bias(config, weights):
    name = K.replace(".weight", ".bias")
    if name not in weights:
        raise Refused("this fault needs a model with biases")
    weights[name] = np.zeros_like(weights[name])


def rows_by_head(config, weights, name):
    """(heads, d, D): a copy."""
    return weights[name].reshape(-1, head_shape(config)[2], config["hidden_size"]).copy()


def interleaved_qk(config, weights):
    """Rows of q and k in the order of the other rope pairing, as GGUF files of arch llama hold them."""
    for name in (Q, K):
        a, b = np.split(rows_by_head(config, weights, name), 2, axis=1)
        weights[name] = np.stack([a, b], axis=2).reshape(weights[name].shape)


def dealt_q_heads(config, weights):
    """Query heads dealt out to the key heads in turn (h mod G), not in runs (h // (H/G))."""
    H, G, _ = head_shape(config)
    if G in (1, H):
        raise Refused("this fault needs grouped heads")
    order = np.arange(H).reshape(-1, G).T.ravel()
    weights[Q] = rows_by_head(config, weights, Q)[order].reshape(weights[Q].shape)


def reversed_v_heads(config, weights):
    if head_shape(config)[1] == 1:
        raise Refused("this fault needs two key heads or more")
    weights[V] = rows_by_head(config, weights, V)[::-1].reshape(weights[V].shape)


def rolled_embedding(config, weights):
    """Every token reads the row of the one before it."""
    name = "model.embed_tokens.weight"
    weights[name] = np.roll(weights[name], 1, axis=0)


def scaled_setting(key, factor):
    """A rope setting times the factor, wherever the config keeps it."""
    def plant(config, weights):
        for place in (config.get("rope_parameters"), config.get("rope_scaling"), config):
            if place and key in place:
                place[key] *= factor
                return
        raise Refused(f"this fault needs a model with {key}")
    return plant


def window_off_by_one(config, weights):
    if not config.get("sliding_window") or not config.get("use_sliding_window", True):
        raise Refused("this fault needs a model with a sliding window")
    config["sliding_window"] += 1


def setting(key, value):
    return lambda config, weights: config.update({key: value})


# name -> (what plants it, the first tensor that is then off)
FAULTS = {
    "rolled-embedding": (rolled_embedding, "embed"),
    "epsilon": (setting("rms_norm_eps", 0.01), "layers.0.attn_norm"),
    "swapped-norms": (swapped(LAYER + "input_layernorm.weight", LAYER + "post_attention_layernorm.weight"),
                      "layers.0.attn_norm"),
    "swapped-qk": (swapped(Q, K), "layers.0.q"),
    "interleaved-qk": (interleaved_qk, "layers.0.q"),
    "dealt-q-heads": (dealt_q_heads, "layers.0.q"),
    "zero-k-bias": (zero_k_bias, "layers.0.k"),
    "reversed-v-heads": (reversed_v_heads, "layers.0.v"),
    "theta": (scaled_setting("rope_theta", 5), "layers.0.q_rope"),
    "rope-factor": (scaled_setting("factor", 2), "layers.0.q_rope"),
    "window": (window_off_by_one, "layers.0.attn_mixed"),
    "transposed-o": (transposed_o, "layers.0.attn_out"),
    "swapped-gate-up": (swapped(LAYER + "mlp.gate_proj.weight", LAYER + "mlp.up_proj.weight"),
                        "layers.0.mlp_gate"),
    "activation": (setting("hidden_act", "gelu_pytorch_tanh"), "layers.0.mlp_act"),
    "tied": (setting("tie_word_embeddings", True), "logits"),
}
