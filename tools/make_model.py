#!/usr/bin/python3
"""Writes llama models of any shape with random weights, so that speed can be measured without downloads.

  tools/make_model.py --shape 135m --type q4_k_m -o 135m.gguf     15m, 135m, 1.1b, or D/F/L/H[:G]/V[:tied]
  tools/make_model.py --shape 15m -o 15m.bin                      llama2.c's format (v0, f32), and tok32000.bin

The same options give the same bytes, and f32, f16, bf16 and .bin hold the same numbers, rounded. Weights have
a standard deviation of 0.02. Quantised types are random blocks, not rounded numbers: quick to make, as quick
to compute with. q4_0 and q4_k_m are mixed as llama-quantize mixes them: the head in q6_k; for q4_k_m half of
ffn_down and attn_v too; where a row is no multiple of 256, q5_0 for q4_k and q8_0 for q6_k (--pure: one type
for all matrices). The vocabulary is made up: SentencePiece's llama kind, bytes and pieces of letters.
"""
import argparse
import collections
import itertools
import os
import re
import struct
import sys
import zlib

import numpy as np

STD = 0.02
CHUNK = 4 << 20  # values made at a time
ALIGNMENT = 32
SHAPES = {"15m": "288/768/6/6/32000:tied", "135m": "576/1536/30/9:3/49152:tied",
          "1.1b": "2048/5632/22/32:4/32000"}

Shape = collections.namedtuple("Shape", "D F L H G V tied")
# A weight format: ggml's number, values and bytes of a block, llama.cpp's file type, how blocks are made.
Format = collections.namedtuple("Format", "ggml values bytes file_type make")


def main():
    options = parsed_options()
    if options.out.endswith(".bin"):
        write_llama2c(options.out, options)
    else:
        write_gguf(options.out, options)
    print(f"{options.out}: {os.path.getsize(options.out):,} bytes", file=sys.stderr)


def parsed_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=shape_of, required=True, help=", ".join(SHAPES) + ", or D/F/L/H[:G]/V[:tied]")
    parser.add_argument("--type", default="f32", choices=[*FORMATS, "q4_k_m"])
    parser.add_argument("--pure", action="store_true", help="one type for all matrices, where rows allow it")
    parser.add_argument("--ctx", type=int, default=4096, help="context length that the file states")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--out", required=True, help="a .gguf, or a .bin of llama2.c")
    options = parser.parse_args()
    if options.out.endswith(".bin") and options.type != "f32":
        parser.error("a .bin of llama2.c is f32")
    return options


def shape_of(text):
    pattern = r"(\d+)/(\d+)/(\d+)/(\d+)(?::(\d+))?/(\d+)(:tied)?"
    match = re.fullmatch(pattern, SHAPES.get(text.lower(), text))
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is neither one of {', '.join(SHAPES)} nor D/F/L/H[:G]/V[:tied]")
    D, F, L, H, G, V = (int(n) if n else 0 for n in match.groups()[:6])
    G = G or H
    if not (D and F and L and H) or D % (2 * H) or H % G or V < 300 or D % 32 or F % 32:
        raise argparse.ArgumentTypeError("D and F must be multiples of 32, D of 2H, H of G; V at least 300")
    return Shape(D, F, L, H, G, V, bool(match[7]))


# ---- Tensors ----------------------------------------------------------------------------------------------

def layer_matrices(s):
    """name in a GGUF file -> (out, in), one layer's."""
    kv = s.D // s.H * s.G
    return {"attn_q": (s.D, s.D), "attn_k": (kv, s.D), "attn_v": (kv, s.D), "attn_output": (s.D, s.D),
            "ffn_gate": (s.F, s.D), "ffn_up": (s.F, s.D), "ffn_down": (s.D, s.F)}


def tensors_of(s):
    """name -> shape, outermost first, in the order of the file."""
    tensors = {"token_embd.weight": (s.V, s.D)}
    for layer in range(s.L):
        tensors[f"blk.{layer}.attn_norm.weight"] = tensors[f"blk.{layer}.ffn_norm.weight"] = (s.D,)
        for name, shape in layer_matrices(s).items():
            tensors[f"blk.{layer}.{name}.weight"] = shape
    tensors["output_norm.weight"] = (s.D,)
    if not s.tied:
        tensors["output.weight"] = (s.V, s.D)
    return tensors


def type_of(name, shape, options):
    """The format's name, as llama-quantize would choose it."""
    if len(shape) == 1:
        return "f32"
    mix, head = options.type, "token_embd.weight" if options.shape.tied else "output.weight"
    kind = "q4_k" if mix == "q4_k_m" else mix
    if not options.pure and mix in ("q4_0", "q4_k", "q4_k_m"):
        layer = int(name.split(".")[1]) if name.startswith("blk.") else None
        more_bits = layer is not None and gets_more_bits(layer, options.shape.L)
        if name == head or (mix == "q4_k_m" and more_bits and re.search(r"attn_v|ffn_down", name)):
            kind = "q6_k"
    if shape[1] % FORMATS[kind].values:
        kind = {"q4_k": "q5_0", "q6_k": "q8_0"}[kind]
    return kind


def gets_more_bits(layer, layers):
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def chunks_of(name, shape, kind, seed):
    """The tensor's bytes, piece by piece; a norm is near one."""
    random = np.random.Generator(np.random.SFC64([seed, zlib.crc32(name.encode())]))
    if len(shape) == 1:
        yield (1 + 0.1 * random.standard_normal(shape[0], np.float32)).astype("<f4").tobytes()
        return
    form, count = FORMATS[kind], shape[0] * shape[1]
    for begin in range(0, count, CHUNK):
        yield form.make(random, min(CHUNK, count - begin) // form.values).tobytes()


# ---- Blocks: random bytes under a scale that gives the standard deviation ----------------------------------

def normal(random, count):
    return STD * random.standard_normal(count, np.float32)


def bf16(random, count):
    bits = normal(random, count).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2")


def signed_scale(random, blocks, spread):
    """One f16 a block, of either sign: a block of values that are not centred has no sum then, on average."""
    size = STD / spread * random.uniform(0.8, 1.2, blocks)
    return (size * random.choice([-1, 1], blocks)).astype("<f2").view(np.uint8).reshape(blocks, 2)


def nibble_bytes(random, blocks, count):
    return random.integers(0, 256, (blocks, count), np.uint8)


def q4_0(random, blocks):  # f16 d, 32 nibbles; (q - 8) * d
    return np.hstack([signed_scale(random, blocks, 4.6), nibble_bytes(random, blocks, 16)])


def q5_0(random, blocks):  # f16 d, 32 high bits, 32 nibbles; (q - 16) * d
    return np.hstack([signed_scale(random, blocks, 9.2), nibble_bytes(random, blocks, 20)])


def q8_0(random, blocks):  # f16 d, 32 bytes within +-127; q * d
    values = random.integers(-127, 128, (blocks, 32), np.int8).view(np.uint8)
    return np.hstack([signed_scale(random, blocks, 73.3), values])


def q4_k(random, blocks):  # f16 d and dmin, 8 scales and 8 minima of 6 bits, 256 nibbles; d*sc*q - dmin*m
    d = (STD / (47.5 * 4.6) * random.uniform(0.9, 1.1, (blocks, 1))).astype("<f2")
    both = np.hstack([d, (7.5 * d).astype("<f2")]).view(np.uint8)  # with m = sc, each sub-block is centred
    scale = random.integers(32, 64, (blocks, 8), np.uint8)
    low, high = scale[:, :4], scale[:, 4:]
    first = low | (high >> 4) << 6
    return np.hstack([both, first, first, (high & 15) | (high & 15) << 4, nibble_bytes(random, blocks, 128)])


def q6_k(random, blocks):  # 256 nibbles, 256 pairs of bits, 16 scales of 8 bits, f16 d; d*sc*(q - 32)
    scale = random.integers(4, 17, (blocks, 16), np.int8) * random.choice(np.int8([-1, 1]), (blocks, 16))
    d = np.full((blocks, 1), STD / (10.7 * 18.5)).astype("<f2")
    return np.hstack([nibble_bytes(random, blocks, 192), scale.view(np.uint8), d.view(np.uint8)])


FORMATS = {
    "f32": Format(0, 1, 4, 0, lambda random, n: normal(random, n).astype("<f4")),
    "f16": Format(1, 1, 2, 1, lambda random, n: normal(random, n).astype("<f2")),
    "bf16": Format(30, 1, 2, 32, bf16),
    "q8_0": Format(8, 32, 34, 7, q8_0),
    "q4_0": Format(2, 32, 18, 2, q4_0),
    "q5_0": Format(6, 32, 22, 8, q5_0),
    "q4_k": Format(12, 256, 144, 14, q4_k),
    "q6_k": Format(14, 256, 210, 18, q6_k),
}
Q4_K_M_FILE_TYPE = 15


# ---- Vocabulary -------------------------------------------------------------------------------------------

def vocabulary(size):
    """(piece, score, token type) of SentencePiece: unknown 2, control 3, byte 6, normal 1."""
    yield from [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    yield from ((f"<0x{byte:02X}>", 0.0, 6) for byte in range(256))
    for rank, piece in enumerate(itertools.islice(pieces(), size - 259)):
        yield piece, -float(rank), 1


def pieces():
    """The space, the printable signs that are no small letters, and all words by length, alone and after a space."""
    yield "\u2581"
    yield from (chr(c) for c in range(0x21, 0x7F) if not chr(c).islower())
    for length in itertools.count(1):
        for letters in itertools.product("etaoinshrdlucmfwypvbgkqjxz", repeat=length):
            yield "".join(letters)
            yield "\u2581" + "".join(letters)


# ---- GGUF -------------------------------------------------------------------------------------------------

U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
PACKED = {U32: "<I", I32: "<i", F32: "<f", BOOL: "<?"}


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def packed(kind, value):
    return string(value) if kind == STRING else struct.pack(PACKED[kind], value)


def key(name, kind, value):
    if isinstance(value, list):
        data = struct.pack("<IIQ", ARRAY, kind, len(value)) + b"".join(packed(kind, v) for v in value)
    else:
        data = struct.pack("<I", kind) + packed(kind, value)
    return string(name) + data


def keys_of(options):
    s = options.shape
    file_type = Q4_K_M_FILE_TYPE if options.type == "q4_k_m" else FORMATS[options.type].file_type
    tokens, scores, types = map(list, zip(*vocabulary(s.V)))
    return [
        key("general.architecture", STRING, "llama"),
        key("general.name", STRING, f"random {s.D}/{s.F}/{s.L}/{s.H}:{s.G}/{s.V}"),
        key("general.file_type", U32, file_type),
        key("llama.context_length", U32, options.ctx),
        key("llama.embedding_length", U32, s.D),
        key("llama.block_count", U32, s.L),
        key("llama.feed_forward_length", U32, s.F),
        key("llama.rope.dimension_count", U32, s.D // s.H),
        key("llama.rope.freq_base", F32, 10000.0),
        key("llama.attention.head_count", U32, s.H),
        key("llama.attention.head_count_kv", U32, s.G),
        key("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
        key("llama.vocab_size", U32, s.V),
        key("tokenizer.ggml.model", STRING, "llama"),
        key("tokenizer.ggml.tokens", STRING, tokens),
        key("tokenizer.ggml.scores", F32, scores),
        key("tokenizer.ggml.token_type", I32, types),
        key("tokenizer.ggml.bos_token_id", U32, 1),
        key("tokenizer.ggml.eos_token_id", U32, 2),
        key("tokenizer.ggml.unknown_token_id", U32, 0),
        key("tokenizer.ggml.add_bos_token", BOOL, True),
    ]


def write_gguf(path, options):
    tensors, keys = tensors_of(options.shape), keys_of(options)
    kinds = {name: type_of(name, shape, options) for name, shape in tensors.items()}
    entries, offset = [], 0
    for name, shape in tensors.items():
        form = FORMATS[kinds[name]]
        entries.append(string(name) + struct.pack("<I", len(shape)) +
                       struct.pack(f"<{len(shape)}Q", *reversed(shape)) + struct.pack("<IQ", form.ggml, offset))
        offset += padded(int(np.prod(shape)) // form.values * form.bytes)
    with Whole(path) as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys + entries))
        for name, shape in tensors.items():
            file.write(bytes(padded(file.tell()) - file.tell()))
            for chunk in chunks_of(name, shape, kinds[name], options.seed):
                file.write(chunk)
        file.write(bytes(padded(file.tell()) - file.tell()))


def padded(size):
    return (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


class Whole:
    """A file that appears complete or not at all."""

    def __init__(self, path):
        self.path, self.part = path, path + ".part"

    def __enter__(self):
        self.file = open(self.part, "wb")
        return self.file

    def __exit__(self, kind, *_):
        self.file.close()
        if kind:
            os.unlink(self.part)
        else:
            os.replace(self.part, self.path)


# ---- llama2.c ---------------------------------------------------------------------------------------------

def write_llama2c(path, options):
    """v0: all tensors of one kind together, layer after layer; two tables of RoPE, which nothing reads."""
    s = options.shape
    tensors, d = tensors_of(s), s.D // s.H
    kinds = ["attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_down", "ffn_up"]
    names = ["token_embd.weight", *(f"blk.{layer}.{kind}.weight" for kind in kinds for layer in range(s.L)),
             "output_norm.weight"]
    with Whole(path) as file:
        file.write(struct.pack("<7i", s.D, s.F, s.L, s.H, s.G, s.V if s.tied else -s.V, options.ctx))
        for name in names:
            file.writelines(chunks_of(name, tensors[name], "f32", options.seed))
        file.write(bytes(4 * options.ctx * d))
        if not s.tied:
            file.writelines(chunks_of("output.weight", tensors["output.weight"], "f32", options.seed))
    write_llama2c_tokenizer(os.path.join(os.path.dirname(path), f"tok{s.V}.bin"), s.V)


def write_llama2c_tokenizer(path, size):
    entries = [(text.replace("\u2581", " ").encode(), score) for text, score, _ in vocabulary(size)]
    with Whole(path) as file:
        file.write(struct.pack("<i", max(len(text) for text, _ in entries)))
        for text, score in entries:
            file.write(struct.pack("<fi", score, len(text)) + text)


if __name__ == "__main__":
    main()
