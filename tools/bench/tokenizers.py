#!/usr/bin/env python3
"""Times kinglet's tokenizers beside Hugging Face's `tokenizers`, one thread each, on the same documents.

    tools/bench/tokenizers.py BENCH TEXT TOKENIZER.json... [--rounds 5] [--bytes 4000000]

BENCH is build/release/tools/bench/kinglet_bench_tokenizers. TEXT is documents, each ended by a line
"<|endoftext|>". Rounds are interleaved: kinglet, then Hugging Face's encode of each document, then its
encode_batch of all. Speeds are MB per second of processor time, and so say little of what else the
machine does. Prints, for each vocabulary, medians over the rounds and the ratio of kinglet to the better
of Hugging Face's two.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

# Read when the library starts its threads.
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

sys.path.pop(0)  # the folder of this file, which has the library's name
from tokenizers import Tokenizer  # noqa: E402


def documents_of(path, size):
    with open(path, "rb") as file:
        text = file.read(size).decode("utf-8", "ignore")
    parts = text.split("<|endoftext|>\n")
    return [part for part in parts if part], text


def kinglet_speeds(bench, text, vocabulary, size):
    """What the benchmark prints of one round: {"texts": MB/s, "whole": MB/s}."""
    command = [bench, "--rounds", "1", "--only", "texts,whole", "--bytes", str(size), text, vocabulary]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {fields[1]: float(fields[2]) for fields in (line.split("\t") for line in lines)}


def speed(act, size):
    begin = time.process_time()
    act()
    return size / 1e6 / (time.process_time() - begin)


def compare(arguments, vocabulary):
    documents, text = documents_of(arguments.text, arguments.bytes)
    size = len(text.encode())
    tokenizer = Tokenizer.from_file(vocabulary)
    tokenizer.no_truncation()  # some files cut and fill texts to 128 tokens
    tokenizer.no_padding()
    speeds = {"texts": [], "whole": [], "encode": [], "encode_batch": [], "one text": []}
    for round_ in range(arguments.rounds):
        for what, value in kinglet_speeds(arguments.bench, arguments.text, vocabulary, arguments.bytes).items():
            speeds[what].append(value)
        speeds["encode"].append(speed(lambda: [tokenizer.encode(d, add_special_tokens=False) for d in documents], size))
        speeds["encode_batch"].append(
            speed(lambda: tokenizer.encode_batch(documents, add_special_tokens=False), size))
        if round_ == 0:  # slow
            speeds["one text"].append(speed(lambda: tokenizer.encode(text, add_special_tokens=False), size))
    return {what: statistics.median(values) for what, values in speeds.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("text")
    parser.add_argument("vocabularies", nargs="+", metavar="TOKENIZER.json")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bytes", type=int, default=4_000_000)
    arguments = parser.parse_args()

    print("| vocabulary | kinglet, documents | kinglet, one text | HF encode | HF encode_batch | HF, one text "
          "| ratio, documents | ratio, one text |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for vocabulary in arguments.vocabularies:
        s = compare(arguments, vocabulary)
        best = max(s["encode"], s["encode_batch"])
        name = os.path.basename(os.path.dirname(os.path.abspath(vocabulary)))
        print(f"| {name} | {s['texts']:.1f} | {s['whole']:.1f} | {s['encode']:.2f} | {s['encode_batch']:.2f} "
              f"| {s['one text']:.2f} | {s['texts'] / best:.1f} | {s['whole'] / s['one text']:.1f} |", flush=True)


if __name__ == "__main__":
    main()
