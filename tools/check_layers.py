#!/usr/bin/python3
"""Fails where an #include in src/ points up or sideways, or a public header includes an internal one.

  tools/check_layers.py [ROOT]      prints file:line: layer a may not include b; exit 4 if there is any
"""
import os
import re
import sys

# layer -> the layers it may include beside itself.
NUMBERS = ("base", "tensor", "dtype")
BELOW_RUNTIME = (*NUMBERS, "kernels", "nn", "arch", "io", "tokenizer")
SEES = {
    "base": (),
    "tensor": ("base",),
    "dtype": ("base", "tensor"),
    "kernels": NUMBERS,
    "nn": (*NUMBERS, "kernels"),
    "arch": (*NUMBERS, "kernels", "nn"),
    "io": NUMBERS,
    "tokenizer": ("base",),
    "dense": (*NUMBERS, "nn", "io"),
    "runtime": BELOW_RUNTIME,
    "convert": (*BELOW_RUNTIME, "runtime"),
    "insight": (*BELOW_RUNTIME, "runtime"),
    "cli": ("base", "dense", "runtime", "convert", "insight"),
}

# A public header belongs to the layer that implements it; those not named here to runtime.
# The command line and the layers above may include any.
PUBLIC = {"error": "base", "math": "base", "tokenizer": "tokenizer"}

# (file, included file) -> why it may.
EXCEPTIONS = {}

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def includes(path):
    """(line number, delimiter, included path) of every include in the file."""
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match[1], match[2]


def sources(folder):
    for directory, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            if name.endswith((".h", ".cc", ".inc")):
                yield os.path.join(directory, name)


def layer_of(root, path, target):
    """The layer that the include `target` in the file `path` belongs to; None for other libraries."""
    if target.startswith("kinglet/"):
        return PUBLIC.get(os.path.splitext(target[len("kinglet/"):])[0], "runtime")
    beside = os.path.normpath(os.path.join(os.path.dirname(path), target))
    if os.path.exists(os.path.join(root, beside)) and beside.startswith("src" + os.sep):
        return beside.split(os.sep)[1]
    first = os.path.normpath(target).split(os.sep)[0]
    return first if first in SEES else None


def check_source(root, path, used):
    layer = path.split(os.sep)[1]
    if layer not in SEES:
        yield f"{path}:1: src/{layer} is not a layer; name it in SEES of tools/check_layers.py"
        return
    for number, _, target in includes(os.path.join(root, path)):
        other = layer_of(root, path, target)
        if other is None or other == layer or other in SEES[layer]:
            continue
        if layer == "cli" and target.startswith("kinglet/"):
            continue
        if (path, target) in EXCEPTIONS:
            used.add((path, target))
            continue
        yield f"{path}:{number}: {layer} may not include {other} ({target})"


def check_public(root, path):
    for number, mark, target in includes(os.path.join(root, path)):
        if target.startswith("kinglet/"):
            continue
        if mark == '"' or "/" in target:
            yield f"{path}:{number}: a public header may not include {target}"


def check(root):
    """Every breach, one line each."""
    found, used = [], set()
    for path in sources(os.path.join(root, "src")):
        found += check_source(root, os.path.relpath(path, root), used)
    for path in sources(os.path.join(root, "include")):
        found += check_public(root, os.path.relpath(path, root))
    found += [f"{path}: its exception for {target} is not needed; remove it"
              for path, target in EXCEPTIONS if (path, target) not in used]
    return found


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    if not os.path.isdir(os.path.join(root, "src")):
        sys.exit(f"check_layers.py: error: {root}: no src/ in it")
    found = check(root)
    print("\n".join(found) or "the layers hold")
    return 4 if found else 0


if __name__ == "__main__":
    sys.exit(main())
