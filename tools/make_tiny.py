#!/usr/bin/python3
"""Writes tiny random models as Hugging Face directories: the fixtures of the tests.

  tools/make_tiny.py OUT [--type qwen2 --width 24 --dtype bf16 ...]   one model; --help lists the options
  tools/make_tiny.py OUT --from DIR --fault NAME                      a copy of DIR with one fault in it
  tools/make_tiny.py --fixtures tests/models                          regenerates all that are committed

The same options give the same bytes. Weights are large enough (standard deviation 0.3) that every
step matters: attention is peaked, gates open and close. A fixture has a golden.safetensors beside
its weights: the activations of tools/reference.py in F32, of 16 tokens. A faulty copy prints the
tensor at which a comparison with the clean reference must find it out (faults.py).
"""
import argparse
import json
import os
import sys

import numpy as np

import reference
from faults import FAULTS
from tensorfile import write_safetensors

DTYPE_NAMES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}
SCALINGS = {
    "default": None,
    "linear": {"rope_type": "linear", "factor": 2.5},
    # With d = 8 and theta 1e4 the four wavelengths are 6, 63, 628, 6283: kept, blended, slowed, slowed.
    "llama3": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 128},
}


def options():
    parser = argparse.ArgumentParser(description="Writes tiny random models as Hugging Face directories")
    parser.add_argument("out", nargs="?", help="the directory to write")
    parser.add_argument("--type", default="llama", choices=["llama", "mistral", "qwen2"])
    parser.add_argument("--width", type=int, default=24, help="D")
    parser.add_argument("--mlp", type=int, default=40, help="F")
    parser.add_argument("--heads", type=int, default=6, help="H")
    parser.add_argument("--kv-heads", type=int, default=2, help="G")
    parser.add_argument("--head-dim", type=int, default=8, help="d (need not be D/H, but for qwen2)")
    parser.add_argument("--vocab", type=int, default=67, help="V")
    parser.add_argument("--layers", type=int, default=2, help="L")
    parser.add_argument("--max-positions", type=int, default=64)
    parser.add_argument("--theta", type=float, default=10000.0)
    parser.add_argument("--eps", type=float, default=1e-5)
    parser.add_argument("--rope", default="default", choices=sorted(SCALINGS))
    parser.add_argument("--window", type=int, help="sliding window; mistral, and qwen2 with --window-from")
    parser.add_argument("--window-from", type=int, help="qwen2: the first layer with a window (max_window_layers)")
    parser.add_argument("--attention-bias", action="store_true", help="llama: biases of q, k, v and o")
    parser.add_argument("--mlp-bias", action="store_true", help="llama: biases of gate, up and down")
    parser.add_argument("--tied", action="store_true", help="the head is the embedding")
    parser.add_argument("--dtype", default="f32", choices=sorted(DTYPE_NAMES))
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--new-config", action="store_true", help="rope_parameters and dtype, not the older keys")
    parser.add_argument("--std", type=float, default=0.3, help="standard deviation of the weights")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--golden", type=int, metavar="T", help="golden.safetensors too, of T random ids")
    parser.add_argument("--from", dest="source", metavar="DIR", help="the model to copy with a fault")
    parser.add_argument("--fault", choices=sorted(FAULTS))
    parser.add_argument("--fixtures", metavar="DIR", help="write every committed fixture into DIR")
    return parser


# A model.

def make_config(o):
    config = {
        "architectures": [{"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2"}[o.type] + "ForCausalLM"],
        "model_type": o.type, "hidden_size": o.width, "intermediate_size": o.mlp,
        "num_hidden_layers": o.layers, "num_attention_heads": o.heads, "num_key_value_heads": o.kv_heads,
        "vocab_size": o.vocab, "max_position_embeddings": o.max_positions, "hidden_act": "silu",
        "rms_norm_eps": o.eps, "tie_word_embeddings": o.tied, "bos_token_id": 1, "eos_token_id": 2,
    }
    if o.type != "qwen2" or o.head_dim * o.heads != o.width:
        config["head_dim"] = o.head_dim
    if o.type == "mistral":
        config["sliding_window"] = o.window
    if o.type == "qwen2":
        # Without --window-from, the window is there but not in use, as in the real files.
        config.update(use_sliding_window=o.window_from is not None, sliding_window=o.window or 4096,
                      max_window_layers=o.window_from or 0)
    if o.type == "llama":
        config.update(attention_bias=o.attention_bias, mlp_bias=o.mlp_bias)
    scaling = SCALINGS[o.rope]
    if o.new_config:
        config["rope_parameters"] = {**(scaling or {"rope_type": "default"}), "rope_theta": o.theta}
        config["dtype"] = DTYPE_NAMES[o.dtype]
    else:
        config.update(rope_theta=o.theta, rope_scaling=scaling, torch_dtype=DTYPE_NAMES[o.dtype])
    return config


def make_weights(o):
    random = np.random.default_rng(o.seed)
    qkv_bias = o.type == "qwen2" or o.attention_bias
    weights = {}

    def normal(name, *shape, mean=0.0, std=o.std):
        weights[name] = (mean + std * random.standard_normal(shape)).astype(np.float32)

    def linear(name, rows, columns, biased):
        normal(name + ".weight", rows, columns)
        if biased:
            normal(name + ".bias", rows)

    normal("model.embed_tokens.weight", o.vocab, o.width)
    for i in range(o.layers):
        layer = f"model.layers.{i}."
        normal(layer + "input_layernorm.weight", o.width, mean=1.0)
        linear(layer + "self_attn.q_proj", o.heads * o.head_dim, o.width, qkv_bias)
        linear(layer + "self_attn.k_proj", o.kv_heads * o.head_dim, o.width, qkv_bias)
        linear(layer + "self_attn.v_proj", o.kv_heads * o.head_dim, o.width, qkv_bias)
        linear(layer + "self_attn.o_proj", o.width, o.heads * o.head_dim, o.attention_bias)
        normal(layer + "post_attention_layernorm.weight", o.width, mean=1.0)
        linear(layer + "mlp.gate_proj", o.mlp, o.width, o.mlp_bias)
        linear(layer + "mlp.up_proj", o.mlp, o.width, o.mlp_bias)
        linear(layer + "mlp.down_proj", o.width, o.mlp, o.mlp_bias)
    normal("model.norm.weight", o.width, mean=1.0)
    if not o.tied:
        normal("lm_head.weight", o.vocab, o.width)
    return weights


def stored(values, dtype):
    """As the file keeps them; bf16 as its bits, rounded half to even."""
    if dtype == "bf16":
        bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return values.astype({"f32": np.float32, "f16": np.float16}[dtype])


def write_model(directory, config, weights, dtype, shards=1):
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file, indent=2)
        file.write("\n")
    names, where = list(weights), {}
    for s in range(shards):
        shard = f"model-{s + 1:05}-of-{shards:05}.safetensors" if shards > 1 else "model.safetensors"
        part = names[len(names) * s // shards:len(names) * (s + 1) // shards]
        where.update((name, shard) for name in part)
        write_safetensors(os.path.join(directory, shard),
                          {name: stored(weights[name], dtype) for name in part}, {"format": "pt"})
    if shards > 1:
        with open(os.path.join(directory, "model.safetensors.index.json"), "w", encoding="utf-8") as file:
            total = sum(stored(w, dtype).nbytes for w in weights.values())
            json.dump({"metadata": {"total_size": total}, "weight_map": where}, file, indent=2)
            file.write("\n")


def write_golden(directory, length, seed):
    config, weights = reference.read_model(directory)
    ids = np.random.default_rng([seed, length]).integers(0, config["vocab_size"], length)
    ids[0], ids[-1] = config["vocab_size"] - 1, 0  # both ends of the vocabulary
    found = reference.activations(config, weights, ids.tolist())
    write_safetensors(os.path.join(directory, "golden.safetensors"),
                      {name: a if name == "ids" else a.astype(np.float32) for name, a in found.items()})


# The committed ones. Sizes are awkward on purpose: odd half heads, widths that no block or vector divides.

FIXTURES = {
    "tiny-llama": "--width 24 --mlp 40 --heads 6 --kv-heads 2 --head-dim 6 --seed 11",
    "tiny-llama3-rope": "--width 36 --mlp 56 --heads 6 --kv-heads 3 --head-dim 8 --layers 1 --rope llama3 --tied "
                        "--max-positions 1024 --seed 12",
    "tiny-linear-rope": "--width 24 --mlp 36 --heads 4 --kv-heads 4 --head-dim 6 --rope linear --tied --dtype f16 "
                        "--attention-bias --mlp-bias --seed 13",
    "tiny-mistral-window": "--type mistral --width 20 --mlp 28 --heads 5 --kv-heads 1 --head-dim 8 --layers 3 "
                           "--window 5 --dtype f16 --new-config --seed 14",
    "tiny-qwen2": "--type qwen2 --width 32 --mlp 44 --heads 4 --kv-heads 2 --window 3 --tied --theta 1000000 "
                  "--eps 1e-6 --seed 15",
    "tiny-qwen2-window": "--type qwen2 --width 32 --mlp 36 --heads 4 --kv-heads 2 --layers 3 --window 4 "
                         "--window-from 1 --dtype bf16 --new-config --seed 16",
    "tiny-untied-bf16": "--width 64 --mlp 64 --heads 8 --kv-heads 2 --layers 1 --dtype bf16 --shards 2 "
                        "--new-config --seed 17",
}


def write_fixture(directory, o):
    write_model(directory, make_config(o), make_weights(o), o.dtype, o.shards)
    if o.golden:
        write_golden(directory, o.golden, o.seed)


def write_faulty(source, fault, directory):
    """The copy of `source` with the fault in it, in the same dtype."""
    config, weights = reference.read_model(source)
    weights = {name: np.asarray(values, np.float32) for name, values in weights.items()}
    plant, first = FAULTS[fault]
    plant(config, weights)
    name = config.get("dtype") or config.get("torch_dtype") or "float32"
    write_model(directory, config, weights, {long: short for short, long in DTYPE_NAMES.items()}[name])
    return first


def main():
    parser = options()
    o = parser.parse_args()
    if (o.out is None) == (o.fixtures is None):
        parser.error("give one directory to write, or --fixtures DIR")
    if (o.fault is None) != (o.source is None):
        parser.error("--fault and --from go together")
    try:
        if o.fixtures:
            for name, line in FIXTURES.items():
                write_fixture(os.path.join(o.fixtures, name), parser.parse_args(["-", "--golden", "16", *line.split()]))
        elif o.fault:
            print(write_faulty(o.source, o.fault, o.out))  # the first tensor that must be off
        else:
            write_fixture(o.out, o)
    except (reference.Refused, OSError, ValueError) as error:
        sys.exit(f"make_tiny.py: error: {error}")


if __name__ == "__main__":
    main()
