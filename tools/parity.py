#!/usr/bin/python3
"""Compares kinglet's activations with the reference's, tensor by tensor, and names the first that is off.

  tools/parity.py REFERENCE.safetensors FOUND.safetensors [--tolerance 1e-4] [--logits-only]
  tools/parity.py --kinglet build/kinglet -m MODEL --ids 1,2,3 [--tolerance 1e-4] [--logits-only]

The second form makes both files: `kinglet run --dump` on the model and tools/reference.py on the same
(a model that is not a Hugging Face directory goes through `kinglet convert --dtype f32` first; with
--f32 kinglet runs that copy too, so that the rounding of quantised products stays out of the comparison).

Error of a token's row: max |found - reference|; relative: that over max |reference| of the row, so
that a token with huge activations (real models have some) neither hides the others' errors nor is
held to their size. A tensor's errors are those of its worst row. It is off where the relative error
exceeds the tolerance, a value is not finite, the shape differs or it is missing. Exit: 0 all within
the tolerance, 4 not, 1 a command failed, 2 usage, 3 a file was refused. `kinglet verify --reference`
makes the same comparison.
"""
import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile

import numpy as np

import reference
from tensorfile import read_safetensors, write_safetensors

# The order of the pass; ids first.
STEPS = ("attn_norm q k v q_rope k_rope attn_probs attn_mixed attn_out mlp_norm router mlp_gate mlp_up "
         "mlp_act mlp_out out").split()
ENDS = "final_norm logits pooled".split()

Row = collections.namedtuple("Row", "name shape error relative within note")


class Failed(Exception):
    """A command or a file failed; the message is for the user, `code` for the shell."""

    def __init__(self, message, code):
        super().__init__(message)
        self.code = code


def order(name):
    """A key that sorts names into the order of the pass."""
    match = re.fullmatch(r"layers\.(\d+)\.(\w+)", name)
    if match:
        step = STEPS.index(match[2]) if match[2] in STEPS else len(STEPS)
        return (1, int(match[1]), step, name)
    if name in ENDS:
        return (2, ENDS.index(name), 0, name)
    return (0, ["ids", "embed"].index(name), 0, name) if name in ("ids", "embed") else (3, 0, 0, name)


# The comparison.

def compare(want, found, tolerance):
    """A row for every tensor of the reference, in the order of the pass."""
    return [compare_tensor(name, want[name], found.get(name), tolerance) for name in sorted(want, key=order)]


def compare_tensor(name, want, found, tolerance):
    shape = "x".join(map(str, want.shape))
    if found is None:
        return Row(name, shape, np.nan, np.nan, False, "missing")
    if found.shape != want.shape:
        return Row(name, shape, np.nan, np.nan, False, "has shape " + "x".join(map(str, found.shape)))
    if name == "ids":  # other tokens, and nothing after them can agree
        tolerance = 0
    rows = len(want) if want.ndim > 1 or name == "ids" else 1  # `pooled` is one row
    want, found = (x.astype(np.float64).reshape(rows, -1) for x in (want, found))
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = np.abs(found - want)
        difference[~np.isfinite(difference)] = np.inf
        errors = difference.max(axis=1, initial=0)
        relative = np.where(errors == 0, 0, errors / np.abs(want).max(axis=1, initial=0))
    if relative.max(initial=0) <= tolerance:
        return Row(name, shape, errors.max(initial=0), relative.max(initial=0), True, "")
    row = int(np.argmax(relative > tolerance))  # the first token that is off
    column = int(np.argmax(difference[row]))
    at = f"token {row}, column {column}: found {found[row, column]:.7g}, reference {want[row, column]:.7g}"
    return Row(name, shape, errors.max(), relative.max(), False, at)


def first_off(rows):
    return next((row for row in rows if not row.within), None)


def log_softmax(x):
    x = x.astype(np.float64) - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def agreement(want, found):
    """Tokens at which both have the same best id, and mean KL(reference || found) in nats."""
    p, q = log_softmax(want), log_softmax(found)
    same = int(np.sum(want.argmax(axis=-1) == found.argmax(axis=-1)))
    return same, float(np.mean(np.sum(np.exp(p) * (p - q), axis=-1)))


def report(want, found, tolerance):
    """(the text, whether all is within the tolerance)."""
    rows = compare(want, found, tolerance)
    width = max(len(row.name) for row in rows)
    lines = [f"{'tensor':{width}}  {'shape':>9}  {'max error':>9}  {'relative':>9}"]
    for row in rows:
        verdict = "ok" if row.within else f"OFF  {row.note}"
        lines.append(f"{row.name:{width}}  {row.shape:>9}  {row.error:9.2e}  {row.relative:9.2e}  {verdict}")
    logits = found.get("logits")
    if "logits" in want and logits is not None and logits.shape == want["logits"].shape and np.isfinite(logits).all():
        same, kl = agreement(want["logits"], logits)
        lines.append(f"logits: the same best token at {same} of {len(logits)}, mean KL(reference || found) {kl:.3e}")
    off = first_off(rows)
    if off is None:
        worst = max(rows, key=lambda row: row.relative)
        lines.append(f"parity: {len(rows)} tensors within {tolerance:g} (worst: {worst.name}, {worst.relative:.2e})")
    else:
        lines.append(f"parity: first off: {off.name} ({off.note})")
    return "\n".join(lines), off is None


# Making the two files.

def run(command):
    """The command's stdout."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise Failed(f"{command[0]}: {error.strerror}", 1) from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise Failed(f"`{' '.join(command[:2])}` ended with {done.returncode}: {said[-1] if said else 'no message'}", 1)
    return done.stdout.decode(errors="replace")


def make_ids(args):
    if args.text is not None:
        text = run([args.kinglet, "tokenize", "-m", args.model, "--ids-only", "--add-special", args.text])
    elif args.ids_file is not None:
        with open(args.ids_file, encoding="ascii") as file:
            text = file.read()
    else:
        text = args.ids
    return [int(word) for word in re.split(r"[\s,\[\]]+", text) if word]


def make_files(args, scratch):
    """Activations of the reference and of kinglet for the model and text of the command line."""
    ids = make_ids(args)
    directory = args.model
    if not os.path.isdir(directory):
        directory = os.path.join(scratch, "f32")
        run([args.kinglet, "convert", args.model, directory, "--dtype", "f32", "-q"])
    wanted = (lambda name: name == "logits") if args.logits_only else (lambda name: not name.endswith("attn_probs"))
    want = reference.activations(*reference.read_model(directory), ids, wanted)

    dump = os.path.join(scratch, "found.safetensors")
    run([args.kinglet, "run", "-m", directory if args.f32 else args.model, "--ids", ",".join(map(str, ids)),
         "-n", "0", "--dump", dump, "--cache-type", "f32", "-q"])
    return want, read_safetensors(dump)


def options():
    parser = argparse.ArgumentParser(description="Compares kinglet's activations with the reference's")
    parser.add_argument("reference", nargs="?", help="activations of tools/reference.py")
    parser.add_argument("found", nargs="?", help="activations of `kinglet run --dump`")
    parser.add_argument("--kinglet", help="the kinglet command, to make both files here")
    parser.add_argument("-m", "--model", help="the model for it")
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--text", help="a text, tokenised by kinglet")
    given.add_argument("--ids", help="token ids, 1,2,3")
    given.add_argument("--ids-file", help="a file of token ids")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="largest relative error (default 1e-4)")
    parser.add_argument("--logits-only", action="store_true", help="compare ids and logits only")
    parser.add_argument("--f32", action="store_true", help="kinglet runs the f32 copy of a quantised model")
    parser.add_argument("--save-reference", metavar="FILE", help="keep the reference's activations (F64)")
    return parser


def main():
    parser = options()
    args = parser.parse_args()
    if bool(args.kinglet) == bool(args.found) or bool(args.kinglet) != bool(args.model):
        parser.error("give two files, or --kinglet and --model")
    if args.kinglet and args.text is None and args.ids is None and args.ids_file is None:
        parser.error("--kinglet needs --text, --ids or --ids-file")
    try:
        if args.kinglet:
            with tempfile.TemporaryDirectory(prefix="parity-") as scratch:
                want, found = make_files(args, scratch)
        else:
            want, found = read_safetensors(args.reference), read_safetensors(args.found)
        if args.save_reference:
            write_safetensors(args.save_reference, want)
        if args.logits_only:
            want = {name: want[name] for name in ("ids", "logits")}
        text, good = report(want, found, args.tolerance)
        print(text)
        return 0 if good else 4
    except Failed as error:
        print(f"parity.py: error: {error}", file=sys.stderr)
        return error.code
    except (reference.Refused, KeyError, ValueError, OSError) as error:
        print(f"parity.py: error: {error}", file=sys.stderr)
        return 1 if isinstance(error, OSError) else 3


if __name__ == "__main__":
    sys.exit(main())
