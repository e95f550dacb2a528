#!/usr/bin/env python3
"""Trains a tiny Llama-type language model on a CPU and exports it in Hugging Face's format.

    pip install torch==2.13.0 numpy tokenizers safetensors
    python tools/train/train.py --data DIR --out models/tales-3m --work /tmp/tales --minutes 105

DIR holds train.txt and valid.txt (their form is told in tokenizer.py). The run trains the
tokenizer, encodes both files, trains for the given minutes of wall-clock time, and writes
to --out, at the start, at every checkpoint and at the end, what `transformers` loads as a
LlamaForCausalLM: config.json, generation_config.json, tokenizer.json and model.safetensors
(f16). --work keeps the encoded text, the checkpoint (a later run of the same command goes on
from it) and log.csv with the validation curve. `--evaluate` only measures the exported
weights on the whole of valid.txt.

Bits per byte: the token stream of valid.txt is cut in windows of 512 tokens side by side.
Every token of a window but its first is predicted from the tokens before it in the window.
The figure is the sum of -log2 p over all predicted tokens, divided by the bytes that these
tokens spell; `<|endoftext|>` spells 15 bytes, its line and the newlines on both sides.

How it trains: the matrices inside the blocks with Muon (a momentum step, orthogonalised),
the embeddings and norms with AdamW, in bfloat16 arithmetic over float32 weights. The learning
rate is keyed on the share of the time that has passed, so that its decay to zero always
completes, however fast the machine is. One thread is the default: on two busy cores two
threads wait for each other.
"""

import argparse
import csv
import json
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from tokenizer import encode_documents, read_documents, token_bytes, train_tokenizer

CONTEXT = 512


@dataclass
class Shape:
    vocab: int = 2048
    hidden: int = 256
    layers: int = 5
    intermediate: int = 512
    heads: int = 8
    kv_heads: int = 2
    head_dim: int = 32
    eps: float = 1e-5
    theta: float = 10000.0


class Block(torch.nn.Module):
    """One decoder layer. q, k and v are rows of one matrix, and so are gate and up: one large
    product is faster than several small ones. The export splits them."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        width = shape.heads * shape.head_dim
        kv_width = shape.kv_heads * shape.head_dim
        new = lambda rows, cols: torch.nn.Parameter(torch.randn(rows, cols) / math.sqrt(cols) * 0.7)
        self.norm1 = torch.nn.Parameter(torch.ones(shape.hidden))
        self.qkv = new(width + 2 * kv_width, shape.hidden)
        self.norm2 = torch.nn.Parameter(torch.ones(shape.hidden))
        self.gate_up = new(2 * shape.intermediate, shape.hidden)
        # Zero at the start: every block begins as the identity.
        self.o = torch.nn.Parameter(torch.zeros(shape.hidden, width))
        self.down = torch.nn.Parameter(torch.zeros(shape.hidden, shape.intermediate))

    def forward(self, x, cos, sin):
        s = self.shape
        batch, length, _ = x.shape
        h = F.linear(rms_norm(x, self.norm1, s.eps), self.qkv)
        h = h.view(batch, length, s.heads + 2 * s.kv_heads, s.head_dim).transpose(1, 2)
        q, k, v = h.split([s.heads, s.kv_heads, s.kv_heads], dim=1)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        h = attention(q, k, v).transpose(1, 2).reshape(batch, length, -1)
        x = x + F.linear(h, self.o)
        gate, up = F.linear(rms_norm(x, self.norm2, s.eps), self.gate_up).chunk(2, dim=-1)
        return x + F.linear(F.silu(gate) * up, self.down)


def rms_norm(x, weight, eps):
    x = x.float()
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def rotate(x, cos, sin):
    """RoPE on pairs (i, i + head_dim / 2), as Hugging Face's Llama does it."""
    a, b = x.float().chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1).to(x.dtype)


def attention(q, k, v, chunk=128):
    """Causal attention by plain products. F.scaled_dot_product_attention took 45 % of a step on
    a CPU; this takes less than half of that. The query heads that share a key head become the rows of
    one product, and a chunk of queries skips the keys that lie behind it."""
    batch, heads, length, size = q.shape
    shared = heads // k.shape[1]
    parts = []
    for first in range(0, length, chunk):
        last = min(first + chunk, length)
        rows = q[:, :, first:last].reshape(batch * k.shape[1], shared * (last - first), size)
        keys, values = (t[:, :, :last].reshape(-1, last, size) for t in (k, v))
        scores = (rows @ keys.mT).view(-1, shared, last - first, last).float() * size**-0.5
        hidden = torch.ones(last - first, last, dtype=torch.bool).triu(first + 1)
        weights = scores.masked_fill(hidden, -math.inf).softmax(-1).to(v.dtype)
        part = weights.view(-1, shared * (last - first), last) @ values
        parts.append(part.view(batch, heads, last - first, size))
    return torch.cat(parts, dim=2)


class Model(torch.nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.embed = torch.nn.Parameter(torch.randn(shape.vocab, shape.hidden) * 0.03)
        self.blocks = torch.nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = torch.nn.Parameter(torch.ones(shape.hidden))
        frequency = shape.theta ** (-torch.arange(0, shape.head_dim, 2) / shape.head_dim)
        angle = torch.arange(CONTEXT)[:, None] * frequency[None, :]
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def logits(self, tokens):
        cos, sin = self.cos[: tokens.shape[1]], self.sin[: tokens.shape[1]]
        x = F.embedding(tokens, self.embed)
        for block in self.blocks:
            x = block(x, cos, sin)
        return F.linear(rms_norm(x, self.norm, self.shape.eps), self.embed)

    def forward(self, window):
        """-ln p of every token of the windows but the first."""
        logits = self.logits(window[:, :-1]).flatten(0, 1).float()
        return F.cross_entropy(logits, window[:, 1:].flatten().long(), reduction="none")


def matrices(model):
    """The block matrices as Muon sees them: views of the parts that act on their own, in
    groups of equal shape, so that one batched product serves a group."""
    s = model.shape
    width, kv_width = s.heads * s.head_dim, s.kv_heads * s.head_dim
    groups = {}
    for block in model.blocks:
        parts = [(block.qkv, 0, width), (block.qkv, width, kv_width),
                 (block.qkv, width + kv_width, kv_width), (block.o, 0, s.hidden),
                 (block.gate_up, 0, s.intermediate),
                 (block.gate_up, s.intermediate, s.intermediate), (block.down, 0, s.hidden)]
        for parameter, first, rows in parts:
            # Tall matrices are handled transposed, so that down joins gate and up.
            tall = rows > parameter.shape[1]
            shape = tuple(sorted((rows, parameter.shape[1])))
            groups.setdefault(shape, []).append((parameter, first, rows, tall))
    return list(groups.values())


class Muon:
    """Momentum whose step is made orthogonal (K. Jordan's Newton-Schulz iteration)."""

    def __init__(self, model, weight_decay):
        self.groups = matrices(model)
        self.weight_decay = weight_decay
        self.buffers = [torch.stack([self.view(p, *rest) for p, *rest in g]).detach() * 0
                        for g in self.groups]

    @staticmethod
    def view(tensor, first, rows, tall):
        part = tensor[first : first + rows]
        return part.T if tall else part

    @torch.no_grad()
    def step(self, rate, momentum, scale):
        """`scale` multiplies the gradients: it carries the clipping."""
        for group, buffer in zip(self.groups, self.buffers):
            gradient = torch.stack([self.view(p.grad, *rest) for p, *rest in group]) * scale
            buffer.lerp_(gradient, 1 - momentum)
            update = orthogonalise(gradient.lerp_(buffer, momentum))
            for (parameter, first, rows, tall), u in zip(group, update):
                gain = math.sqrt(max(1.0, rows / parameter.shape[1]))
                weight = self.view(parameter, first, rows, tall)
                weight.mul_(1 - rate * self.weight_decay).add_(u, alpha=-rate * gain)


def orthogonalise(g):
    a, b, c = 3.4445, -4.7750, 2.0315
    x = (g / (g.norm(dim=(-2, -1), keepdim=True) + 1e-7)).bfloat16()
    for _ in range(5):
        y = x @ x.mT
        x = a * x + (b * y + c * (y @ y)) @ x
    return x.float()


class Batches:
    """Windows of length + 1 tokens in random order; every pass cuts the stream elsewhere."""

    def __init__(self, stream, seed):
        self.stream = torch.from_numpy(stream)
        self.random = np.random.default_rng(seed)
        self.starts = np.zeros(0, dtype=np.int64)
        self.length = 0

    def next(self, count, length):
        if len(self.starts) < count or self.length != length:
            offset = self.random.integers(length)
            self.starts = np.arange(offset, len(self.stream) - length - 1, length)
            self.random.shuffle(self.starts)
            self.length = length
        chosen, self.starts = self.starts[:count], self.starts[count:]
        return torch.stack([self.stream[i : i + length + 1] for i in chosen])


@torch.no_grad()
def bits_per_byte(model, stream, lengths, windows=None):
    """The figure defined at the top, over the first `windows` windows or all of them."""
    bits = total = counted = 0.0
    full = len(stream) // CONTEXT
    pieces = [stream[: full * CONTEXT].reshape(full, CONTEXT), stream[full * CONTEXT :][None]]
    if windows is not None:
        pieces = [pieces[0][:windows]]
    for piece in pieces:
        for rows in np.array_split(piece, max(1, len(piece) // 8)) if piece.shape[1] > 1 else []:
            bits += model(torch.from_numpy(rows)).double().sum().item() / math.log(2)
            total += lengths[rows[:, 1:]].sum()
            counted += rows[:, 1:].size
    return bits / total, bits / counted


def atomically(path, write):
    """A reader sees the old file or the new one, never a half."""
    temporary = path.with_name(path.name + ".tmp")
    write(temporary)
    temporary.chmod(0o644)  # save_file gives its files to their owner only
    os.replace(temporary, path)


def export(model, out):
    s = model.shape
    width, kv_width = s.heads * s.head_dim, s.kv_heads * s.head_dim
    tensors = {"model.embed_tokens.weight": model.embed, "model.norm.weight": model.norm}
    for i, block in enumerate(model.blocks):
        q, k, v = block.qkv.split([width, kv_width, kv_width])
        gate, up = block.gate_up.chunk(2)
        for name, tensor in [
            ("input_layernorm", block.norm1), ("self_attn.q_proj", q), ("self_attn.k_proj", k),
            ("self_attn.v_proj", v), ("self_attn.o_proj", block.o),
            ("post_attention_layernorm", block.norm2), ("mlp.gate_proj", gate),
            ("mlp.up_proj", up), ("mlp.down_proj", block.down)]:
            tensors[f"model.layers.{i}.{name}.weight"] = tensor
    tensors = {k: t.detach().to(torch.float16).clone() for k, t in tensors.items()}
    config = {
        "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
        "bos_token_id": 0, "eos_token_id": 0, "head_dim": s.head_dim, "hidden_act": "silu",
        "hidden_size": s.hidden, "initializer_range": 0.02,
        "intermediate_size": s.intermediate, "max_position_embeddings": CONTEXT,
        "mlp_bias": False, "model_type": "llama", "num_attention_heads": s.heads,
        "num_hidden_layers": s.layers, "num_key_value_heads": s.kv_heads, "pretraining_tp": 1,
        "rms_norm_eps": s.eps, "rope_scaling": None, "rope_theta": s.theta,
        "tie_word_embeddings": True, "torch_dtype": "float16", "use_cache": True,
        "vocab_size": s.vocab}
    generation = {"bos_token_id": 0, "eos_token_id": 0, "do_sample": True, "temperature": 0.8,
                  "top_p": 0.95}
    for name, value in [("config.json", config), ("generation_config.json", generation)]:
        atomically(out / name, lambda p: p.write_text(json.dumps(value, indent=2) + "\n"))
    atomically(out / "model.safetensors",
               lambda p: save_file(tensors, p, metadata={"format": "pt"}))


def load_exported(shape, out):
    """The exported f16 weights, in a model that computes in float32."""
    tensors = load_file(out / "model.safetensors")
    model = Model(shape)
    state = {"embed": tensors["model.embed_tokens.weight"], "norm": tensors["model.norm.weight"]}
    for i in range(shape.layers):
        get = lambda name: tensors[f"model.layers.{i}.{name}.weight"]
        state[f"blocks.{i}.norm1"] = get("input_layernorm")
        state[f"blocks.{i}.norm2"] = get("post_attention_layernorm")
        state[f"blocks.{i}.qkv"] = torch.cat([get(f"self_attn.{x}_proj") for x in "qkv"])
        state[f"blocks.{i}.o"] = get("self_attn.o_proj")
        state[f"blocks.{i}.gate_up"] = torch.cat([get("mlp.gate_proj"), get("mlp.up_proj")])
        state[f"blocks.{i}.down"] = get("mlp.down_proj")
    model.load_state_dict({k: t.float() for k, t in state.items()})
    return model


def prepare(args):
    """The tokenizer and the two token streams, made once and kept in --work."""
    path = args.out / "tokenizer.json"
    streams = [args.work / f"{name}.npy" for name in ("train", "valid")]
    if not (path.exists() and all(s.exists() for s in streams)):
        documents = [read_documents(args.data / f"{name}.txt") for name in ("train", "valid")]
        tokenizer = train_tokenizer(documents[0], Shape.vocab)
        atomically(path, lambda p: tokenizer.save(str(p)))
        for stream, texts in zip(streams, documents):
            np.save(stream, encode_documents(tokenizer, texts))
    lengths = token_bytes(Tokenizer.from_file(str(path)))
    train, valid = (np.load(s) for s in streams)
    for name, stream in ("train", train), ("valid", valid):
        size = (args.data / f"{name}.txt").stat().st_size
        if lengths[stream[1:]].sum() != size:
            raise SystemExit(f"{name}.txt: the tokens do not spell the file")
        print(f"{name}: {len(stream)} tokens, {size / len(stream):.4f} bytes each", flush=True)
    return train, valid, lengths


def train(args, shape, stream, valid, lengths):
    torch.manual_seed(args.seed)
    model = Model(shape)
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    muon = Muon(model, args.weight_decay)
    others = [model.embed, model.norm] + [n for b in model.blocks for n in (b.norm1, b.norm2)]
    adam = torch.optim.AdamW(others, lr=0.0, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    step = tokens = 0
    elapsed = 0.0
    loss = math.nan
    checkpoint = args.work / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint)
        model.load_state_dict(saved["model"])
        adam.load_state_dict(saved["adam"])
        muon.buffers = saved["muon"]
        step, tokens, elapsed = saved["step"], saved["tokens"], saved["elapsed"]
        print(f"going on from step {step}", flush=True)
    batches = Batches(stream, [args.seed, step])
    compiled = torch.compile(model, dynamic=False)
    export(model, args.out)

    began = time.monotonic() - elapsed
    budget = args.minutes * 60
    next_save = (elapsed // args.save_every + 1) * args.save_every
    while True:
        elapsed = time.monotonic() - began
        done = min(1.0, elapsed / budget)
        if elapsed >= next_save or done >= 1.0:
            next_save += args.save_every
            export(model, args.out)
            state = {"model": model.state_dict(), "adam": adam.state_dict(),
                     "muon": muon.buffers, "step": step, "tokens": tokens, "elapsed": elapsed}
            atomically(checkpoint, lambda p: torch.save(state, p))
            with torch.autocast("cpu", torch.bfloat16):
                figure, _ = bits_per_byte(model, valid, lengths, args.eval_windows)
            with open(args.work / "log.csv", "a", newline="") as file:
                row = [f"{elapsed / 60:.2f}", step, tokens, f"{loss:.4f}", f"{figure:.4f}"]
                csv.writer(file).writerow(row)
            print(f"*** minutes {row[0]} step {step} tokens {tokens} bpb {figure:.4f}", flush=True)
            if done >= 1.0:
                break
        # A short warm-up, a plateau, then straight to zero at the end of the time.
        rate = min(1.0, (step + 1) / 60, (1.0 - done) / args.decay)
        # Short windows at first: they are cheaper, and near context is learnt first.
        length = next(n for n, until in args.lengths if done < until)
        for _ in range(args.accumulate):
            window = batches.next(args.batch // args.accumulate // length, length)
            with torch.autocast("cpu", torch.bfloat16):
                part = compiled(window).mean() / args.accumulate
            part.backward()
            tokens += window.shape[0] * length
        loss = part.item() * args.accumulate
        norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters()]).item()
        scale = min(1.0, 1.0 / (norm + 1e-6))
        for p in others:
            p.grad.mul_(scale)
        for group in adam.param_groups:
            group["lr"] = args.adam_rate * rate
        adam.step()
        muon.step(args.muon_rate * rate, 0.85 + 0.1 * min(1.0, step / 300), scale)
        model.zero_grad(set_to_none=True)
        step += 1
        if step % args.print_every == 0:
            print(f"step {step} minutes {(time.monotonic() - began) / 60:.2f} tokens {tokens} "
                  f"loss {loss:.4f} norm {norm:.3f} rate {rate:.3f} length {length}", flush=True)


def main():
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with train.txt and valid.txt")
    add("--out", type=Path, required=True, help="folder of the exported model")
    add("--work", type=Path, required=True, help="folder for checkpoint, log and encoded text")
    add("--evaluate", action="store_true", help="only measure the exported weights")
    add("--minutes", type=float, default=105.0, help="wall-clock time of the training")
    add("--hidden", type=int, default=Shape.hidden)
    add("--layers", type=int, default=Shape.layers)
    add("--intermediate", type=int, default=Shape.intermediate)
    add("--heads", type=int, default=Shape.heads)
    add("--kv-heads", type=int, default=Shape.kv_heads)
    add("--batch", type=int, default=4096, help="tokens in a step")
    add("--accumulate", type=int, default=1, help="parts in which a batch is computed")
    add("--lengths", default="256:0.5,512:1", help="window length:until this share of the time")
    add("--muon-rate", type=float, default=0.02)
    add("--adam-rate", type=float, default=0.004)
    add("--weight-decay", type=float, default=0.1)
    add("--decay", type=float, default=0.6, help="share of the time in which the rate falls")
    add("--eval-windows", type=int, default=96, help="valid.txt windows measured on the way")
    add("--save-every", type=float, default=300.0, help="seconds between checkpoints")
    add("--print-every", type=int, default=20)
    add("--threads", type=int, default=1)
    add("--seed", type=int, default=1)
    args = parser.parse_args()
    args.lengths = [(int(n), float(u)) for n, u in (x.split(":") for x in args.lengths.split(","))]
    args.lengths[-1] = (args.lengths[-1][0], math.inf)
    for folder in (args.out, args.work):
        folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    shape = Shape(hidden=args.hidden, layers=args.layers, intermediate=args.intermediate,
                  heads=args.heads, kv_heads=args.kv_heads)
    print(json.dumps(asdict(shape)), flush=True)
    stream, valid, lengths = prepare(args)
    if not args.evaluate:
        train(args, shape, stream, valid, lengths)
    figure, per_token = bits_per_byte(load_exported(shape, args.out), valid, lengths)
    print(f"exported weights on all of valid.txt: {figure:.4f} bits per byte, "
          f"{per_token:.4f} bits per token", flush=True)


if __name__ == "__main__":
    main()
