#!/usr/bin/python3
"""kinglet beside other engines on the same model files: medians, spreads, ratios to the best of the others.

  tools/bench/compare.py --kinglet build/release/kinglet --llama-bench PATH MODEL.gguf...
  tools/bench/compare.py --kinglet new=a/kinglet --kinglet old=b/kinglet --llama-bench 'ik=PATH -rtr 1' \\
      --llama2c PATH --calm PATH -p 512 -n 128 -d 0,2048 -t 2 --rounds 5 -o json m.gguf

An engine is [LABEL=]PATH [ARGUMENTS]. In every round each engine does each test once, one after the other,
so that what else the machine does falls on all alike; the first round is not counted. --llama-bench may be
given more than once, and runs with -fa 0 and -fa 1 (the better counts) unless its arguments say which.
llama2.c and calm only generate, and read files of their own: MODEL.bin and MODEL.calm beside MODEL.gguf.
An engine that fails on a file is reported and left out there.
"""
import argparse
import functools
import json
import os
import re
import shlex
import statistics
import subprocess
import sys

KINGLET, LLAMA_BENCH, LLAMA2C, CALM = "kinglet", "llama-bench", "llama2c", "calm"


class Failed(Exception):
    """An engine gave no figure; the text says why."""


class Engine:
    """One program and how it is asked for tokens per second."""

    def __init__(self, kind, text):
        label, _, command = text.partition("=") if re.match(r"[\w.+-]+=", text) else (kind, "", text)
        self.kind, self.label = kind, label
        self.path, *self.arguments = shlex.split(command)

    def measure(self, model, test, threads, timeout):
        """Tokens per second, once."""
        ask = {KINGLET: self.ask_kinglet, LLAMA_BENCH: self.ask_llama_bench,
               LLAMA2C: self.ask_llama2c, CALM: self.ask_calm}[self.kind]
        return ask(model, test, threads, timeout)

    def run(self, arguments, timeout, env=None):
        try:
            command = [self.path, "bench"] if self.kind == KINGLET else [self.path]
            done = subprocess.run([*command, *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False,
                                  timeout=timeout, env={**os.environ, **(env or {})})
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Failed(str(error)) from error
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"]
            raise Failed(f"exit code {done.returncode}, it said: {said[-1][:120]}")
        return done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")

    def rate_of_row(self, model, test, threads, timeout, more):
        prompt, generate, depth = test
        size = ["-p", str(prompt), "-n", str(generate), "-d", str(depth)]
        if self.kind == LLAMA_BENCH and not self.knows_depth():
            if depth and prompt:
                raise Failed("it has no such test")
            # Its own name for generating after a prompt of that length, whose time does not count.
            size = ["-p", "0", "-n", "0", "-gp", f"{depth},{generate}"] if depth else size[:4]
        out, _ = self.run(["-m", model, *size, "-t", str(threads), "-r", "1", "-o", "json", *more], timeout)
        try:
            row, = json.loads(out)
            return float(row["avg_ts"])
        except (ValueError, KeyError) as error:
            raise Failed(f"it printed no row of figures: {out.strip()[:80]!r}") from error

    @functools.cache
    def knows_depth(self):
        """Whether this llama-bench has -d; ik_llama.cpp's has not."""
        out, said = self.run(["--help"], 60)
        return "--n-depth" in out + said

    def ask_kinglet(self, model, test, threads, timeout):
        return self.rate_of_row(model, test, threads, timeout, self.arguments)

    def ask_llama_bench(self, model, test, threads, timeout):
        if "-fa" in self.arguments or "--flash-attn" in self.arguments:
            return self.rate_of_row(model, test, threads, timeout, self.arguments)
        rates = []
        for flash in ("0", "1"):
            try:
                rates.append(self.rate_of_row(model, test, threads, timeout, ["-fa", flash, *self.arguments]))
            except Failed as error:
                reason = error
        if not rates:
            raise reason
        return max(rates)

    def ask_llama2c(self, model, test, threads, timeout):
        file = self.own_file(model, test, ".bin")
        vocabulary = [name for name in sorted(os.listdir(os.path.dirname(file) or "."))
                      if re.fullmatch(r"tok(enizer|\d+)\.bin", name)]
        if not vocabulary:
            raise Failed("no tokenizer.bin or tok<V>.bin beside the model")
        _, said = self.run([file, "-t", "0", "-n", str(test[1]), "-z",
                            os.path.join(os.path.dirname(file), vocabulary[-1]), *self.arguments],
                           timeout, {"OMP_NUM_THREADS": str(threads)})
        return self.found(r"achieved tok/s: ([\d.]+)", said)

    def ask_calm(self, model, test, threads, timeout):
        out, said = self.run([self.own_file(model, test, ".calm"), "-t", "0", "-n", str(test[1]), *self.arguments],
                             timeout, {"OMP_NUM_THREADS": str(threads), "CALM_CPU": "1"})
        return self.found(r"([\d.]+) tok/s", out + said)

    @staticmethod
    def own_file(model, test, suffix):
        prompt, _, depth = test
        if prompt or depth:
            raise Failed("it has no such test")
        file = os.path.splitext(model)[0] + suffix
        if not os.path.exists(file):
            raise Failed(f"no {os.path.basename(file)}")
        return file

    @staticmethod
    def found(pattern, text):
        match = re.search(pattern, text)
        if not match:
            raise Failed(f"it printed no figure: {text.strip()[-80:]!r}")
        return float(match[1])


def main():
    options = parsed_options()
    rows = []
    for model in options.models:
        for test in options.tests:
            for threads in options.threads:
                rows += compare(model, test, threads, options)
                if options.output == "md":
                    print_rows(rows[-len(options.engines):], first=len(rows) == len(options.engines))
    if options.output == "json":
        print(json.dumps(rows, indent=1))
    return 0 if any(row["rates"] for row in rows) else 1


def parsed_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for kind in (KINGLET, LLAMA_BENCH, LLAMA2C, CALM):
        parser.add_argument(f"--{kind}", dest="engines", metavar="[LABEL=]PATH [ARGS]", action="append",
                            type=lambda text, kind=kind: Engine(kind, text))
    parser.add_argument("-p", type=numbers, default=[512], help="prompt sizes (512)")
    parser.add_argument("-n", type=numbers, default=[128], help="generated tokens (128)")
    parser.add_argument("-d", type=numbers, default=[0], help="depths (0)")
    parser.add_argument("-t", type=numbers, dest="threads", default=[os.cpu_count()], help="threads")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--timeout", type=float, default=600, help="seconds for one test of one engine")
    parser.add_argument("-o", "--output", choices=["md", "json"], default="md")
    parser.add_argument("models", nargs="+", metavar="MODEL")
    options = parser.parse_args()
    if not options.engines:
        parser.error("no engine is given")
    labels = [engine.label for engine in options.engines]
    if len(set(labels)) < len(labels):
        parser.error("two engines have one label: name them, LABEL=PATH")
    options.tests = [(p, 0, d) for d in options.d for p in options.p if p]
    options.tests += [(0, n, d) for d in options.d for n in options.n if n]
    return options


def numbers(text):
    return [int(part) for part in text.split(",")]


def compare(model, test, threads, options):
    """A row for each engine: its rates round by round, or why it has none."""
    rates = {engine.label: [] for engine in options.engines}
    failures = {}
    for round_number in range(options.rounds + 1):
        # Each round starts with another engine, so that none always follows the same one.
        turn = round_number % len(options.engines)
        for engine in options.engines[turn:] + options.engines[:turn]:
            if engine.label in failures:
                continue
            note(f"{os.path.basename(model)} {name_of(test)} round {round_number}/{options.rounds}: {engine.label}")
            try:
                rate = engine.measure(model, test, threads, options.timeout)
            except Failed as error:
                failures[engine.label] = str(error)
                continue
            if round_number:
                rates[engine.label].append(rate)
    note("")
    peers = [statistics.median(rates[e.label]) for e in options.engines
             if e.kind != KINGLET and e.label not in failures and rates[e.label]]
    return [row_of(engine, model, test, threads, rates[engine.label], failures.get(engine.label), max(peers, default=None))
            for engine in options.engines]


def row_of(engine, model, test, threads, rates, failure, best):
    row = {"model": os.path.basename(model), "test": name_of(test), "n_threads": threads, "engine": engine.label,
           "rates": [] if failure else rates, "failure": failure, "median": None, "spread": None, "ratio": None}
    if row["rates"]:
        row["median"] = statistics.median(rates)
        row["spread"] = (max(rates) - min(rates)) / row["median"]
        row["ratio"] = row["median"] / best if best else None
    return row


def name_of(test):
    prompt, generate, depth = test
    return (f"pp{prompt}" if prompt else f"tg{generate}") + (f" @ d{depth}" if depth else "")


def print_rows(rows, first):
    if first:
        print("| model | threads | test | engine | median tok/s | spread | of the best other |")
        print("| --- | ---: | --- | --- | ---: | ---: | ---: |")
    for row in rows:
        figures = f"failed: {row['failure']} | |" if row["failure"] else (
            f"{row['median']:.2f} | {100 * row['spread']:.0f} % | "
            + (f"{row['ratio']:.2f}" if row["ratio"] else ""))
        print(f"| {row['model']} | {row['n_threads']} | {row['test']} | {row['engine']} | {figures} |", flush=True)


def note(text):
    """One line on a terminal that the next one takes the place of."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
