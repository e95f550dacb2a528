#!/usr/bin/python3
"""The forward pass of a Llama-style model in NumPy, float64: the definition kinglet is held to.

  tools/reference.py --model DIR --ids 1,2,3 --out FILE.safetensors [--f32] [--logits-only]

reads a Hugging Face directory (config.json, model.safetensors or its shards) of type llama (SmolLM2
too), mistral or qwen2, and writes every named activation (the names stand in tools/README.md) as F64,
or F32 with --f32. As a module: forward(config, weights, ids, tap) calls tap(name, array) after each
step and returns the logits.

Shapes: T tokens, S key positions (= T: no cache here), D width, F MLP width, H query heads, G
key/value heads, d head width, V vocabulary. Linear weights are (out, in).

Checked against transformers 5.23 (eager, float64 throughout) on 22 tiny random models, every type and
rope scaling among them: every activation, the attention probabilities and the logits agree to 3e-13.
"""
import argparse
import json
import math
import os
import sys

import numpy as np

from tensorfile import read_safetensors, write_safetensors


class Refused(Exception):
    """The model or the input cannot be computed; the message is for the user."""


# The model, top to bottom.

def forward(config, weights, ids, tap=lambda name, value: None):
    """Logits (T, V) of the tokens `ids`, evaluated at positions 0 to T - 1."""
    check(config, weights, ids)
    heads = head_shape(config)
    eps = config.get("rms_norm_eps", 1e-6)
    act = ACTIVATIONS[config.get("hidden_act", "silu")]
    cos, sin = rope_table(config, len(ids), heads[2])

    def weight(name):
        return np.asarray(weights[name], np.float64)

    def linear(x, name, biased):
        y = x @ weight(name + ".weight").T
        return y + weight(name + ".bias") if biased else y

    llama = config["model_type"] == "llama"
    out_bias = llama and config.get("attention_bias", False)
    qkv_bias = out_bias or config["model_type"] == "qwen2"
    mlp_bias = llama and config.get("mlp_bias", False)

    hidden = np.asarray(weights["model.embed_tokens.weight"][ids], np.float64)  # (T, D)
    tap("embed", hidden)

    for i in range(config["num_hidden_layers"]):
        layer, at = f"model.layers.{i}.", f"layers.{i}."

        normed = rms_norm(hidden, weight(layer + "input_layernorm.weight"), eps)
        tap(at + "attn_norm", normed)
        q = linear(normed, layer + "self_attn.q_proj", qkv_bias)  # (T, H*d)
        k = linear(normed, layer + "self_attn.k_proj", qkv_bias)  # (T, G*d)
        v = linear(normed, layer + "self_attn.v_proj", qkv_bias)
        tap(at + "q", q)
        tap(at + "k", k)
        tap(at + "v", v)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        tap(at + "q_rope", q)
        tap(at + "k_rope", k)
        mixed, probs = attend(q, k, v, heads, window(config, i))
        tap(at + "attn_probs", probs)  # (T, H, S)
        tap(at + "attn_mixed", mixed)  # (T, H*d)
        branch = linear(mixed, layer + "self_attn.o_proj", out_bias)
        tap(at + "attn_out", branch)
        hidden = hidden + branch

        normed = rms_norm(hidden, weight(layer + "post_attention_layernorm.weight"), eps)
        tap(at + "mlp_norm", normed)
        gate = linear(normed, layer + "mlp.gate_proj", mlp_bias)  # (T, F)
        up = linear(normed, layer + "mlp.up_proj", mlp_bias)
        tap(at + "mlp_gate", gate)
        tap(at + "mlp_up", up)
        gated = act(gate) * up
        tap(at + "mlp_act", gated)
        branch = linear(gated, layer + "mlp.down_proj", mlp_bias)
        tap(at + "mlp_out", branch)
        hidden = hidden + branch
        tap(at + "out", hidden)

    normed = rms_norm(hidden, weight("model.norm.weight"), eps)
    tap("final_norm", normed)
    tied = config.get("tie_word_embeddings", False)
    logits = linear(normed, "model.embed_tokens" if tied else "lm_head", False)
    tap("logits", logits)
    return logits


def rms_norm(x, w, eps):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * w


def rope_table(config, length, d):
    """cos and sin of position * frequency, both (length, d/2)."""
    scaling = {**(config.get("rope_scaling") or {}), **(config.get("rope_parameters") or {})}
    theta = scaling.get("rope_theta") or config.get("rope_theta") or 10000.0
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    frequency = theta ** (-np.arange(0, d, 2) / d)
    if kind == "linear":
        frequency = frequency / scaling["factor"]
    elif kind == "llama3":
        # Long waves are slowed by the factor, short ones kept, those between blended.
        turns = scaling["original_max_position_embeddings"] * frequency / (2 * math.pi)
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        kept = np.clip((turns - low) / (high - low), 0, 1)
        frequency = kept * frequency + (1 - kept) * frequency / scaling["factor"]
    elif kind != "default":
        raise Refused(f"rope type '{kind}' is not known here")
    angle = np.arange(length)[:, None] * frequency
    return np.cos(angle), np.sin(angle)


def rotate(x, cos, sin):
    """RoPE: in every head, dimension j < d/2 turns with j + d/2."""
    a, b = np.split(x.reshape(len(x), -1, 2 * cos.shape[1]), 2, axis=-1)  # (T, heads, d/2)
    cos, sin = cos[:, None], sin[:, None]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1).reshape(x.shape)


def attend(q, k, v, heads, window):
    """Causal attention: (T, H*d) and the probabilities (T, H, S). Head h reads key head h // (H/G)."""
    H, G, d = heads
    T = len(q)
    query, key = np.arange(T)[:, None], np.arange(T)
    seen = (key <= query) & (key > query - window)
    mixed, probs = np.empty((T, H, d)), np.empty((T, H, T))
    for h in range(H):
        g = h // (H // G)
        keys, values = k[:, g * d:(g + 1) * d], v[:, g * d:(g + 1) * d]
        scores = q[:, h * d:(h + 1) * d] @ keys.T / math.sqrt(d)
        probs[:, h] = softmax(np.where(seen, scores, -np.inf))
        mixed[:, h] = probs[:, h] @ values
    return mixed.reshape(T, H * d), probs


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def silu(x):
    return x / (1 + np.exp(-x))


ACTIVATIONS = {
    "silu": silu,
    "swish": silu,
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: 0.5 * x * (1 + np.vectorize(math.erf)(x * math.sqrt(0.5))),
    "gelu_pytorch_tanh":
        lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
}


# What config.json says.

def head_shape(config):
    """(H, G, d)."""
    H = config["num_attention_heads"]
    absent = {"mistral": 8, "qwen2": 32}.get(config["model_type"], H)
    G = config.get("num_key_value_heads", absent) or H
    return H, G, config.get("head_dim") or config["hidden_size"] // H


def window(config, layer):
    """How many keys a query of this layer sees, its own included."""
    width = config.get("sliding_window", 4096) or math.inf
    if config["model_type"] == "mistral":
        return width
    if config["model_type"] != "qwen2" or not config.get("use_sliding_window", False):
        return math.inf
    if config.get("layer_types"):
        return width if config["layer_types"][layer] == "sliding_attention" else math.inf
    return width if layer >= config.get("max_window_layers", 28) else math.inf


def check(config, weights, ids):
    if config.get("model_type") not in ("llama", "mistral", "qwen2"):
        raise Refused(f"model type '{config.get('model_type')}' is not known here")
    if config.get("partial_rotary_factor", 1) != 1:
        raise Refused("partial rotary embeddings are not known here")
    if config.get("hidden_act", "silu") not in ACTIVATIONS:
        raise Refused(f"activation '{config['hidden_act']}' is not known here")
    H, G, d = head_shape(config)
    if H % G or d % 2:
        raise Refused(f"{H} query heads, {G} key/value heads of width {d} do not fit together")
    vocabulary = len(weights["model.embed_tokens.weight"])
    if len(ids) == 0 or min(ids) < 0 or max(ids) >= vocabulary:
        raise Refused(f"ids must be one or more numbers in [0, {vocabulary})")


# Files, and the command.

def read_model(directory):
    """(config, weights) of a Hugging Face directory."""
    config = json.loads(read_text(os.path.join(directory, "config.json")))
    shards = ["model.safetensors"]
    index = os.path.join(directory, "model.safetensors.index.json")
    if os.path.exists(index):
        shards = sorted(set(json.loads(read_text(index))["weight_map"].values()))
    weights = {}
    for shard in shards:
        weights.update(read_safetensors(os.path.join(directory, shard)))
    return config, weights


def read_text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def activations(config, weights, ids, wanted=lambda name: not name.endswith("attn_probs")):
    """name -> array of all that `wanted` lets through, in the order of the pass; `ids` first."""
    found = {"ids": np.asarray(ids, np.int32)}
    forward(config, weights, ids, lambda name, value: found.update({name: value}) if wanted(name) else None)
    return found


def main():
    parser = argparse.ArgumentParser(description="The NumPy float64 forward pass, step by step")
    parser.add_argument("--model", required=True, help="a Hugging Face directory")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--ids", help="token ids, 1,2,3")
    given.add_argument("--ids-file", help="a file of them, separated by commas or white space")
    parser.add_argument("--out", required=True, help="the safetensors file to write")
    parser.add_argument("--f32", action="store_true", help="store float32 (computed in float64 all the same)")
    parser.add_argument("--logits-only", action="store_true", help="ids and logits, nothing else")
    parser.add_argument("--dump-attention", action="store_true", help="the attention probabilities too")
    args = parser.parse_args()
    try:
        text = args.ids if args.ids is not None else read_text(args.ids_file)
        ids = [int(word) for word in text.replace(",", " ").split()]
        wanted = lambda name: (name == "logits" if args.logits_only
                               else args.dump_attention or not name.endswith("attn_probs"))
        found = activations(*read_model(args.model), ids, wanted)
        kept = np.float32 if args.f32 else np.float64
        write_safetensors(args.out, {name: a if name == "ids" else a.astype(kept) for name, a in found.items()})
    except (Refused, OSError, ValueError) as error:
        sys.exit(f"reference.py: error: {error}")
    except KeyError as error:
        sys.exit(f"reference.py: error: {args.model}: {error} is missing")


if __name__ == "__main__":
    main()
