#!/usr/bin/python3
"""Kills conversions, fills their disk, and looks at what is left.

  tools/convert_stress.py KINGLET MODEL [--kills 100] [--resumes 20] [--full 20] [--seed 0]

An older OUT is there from the start. After a kill -9 at a random moment it must be the older file or the new one,
byte for byte; after --resume the new one; after a file-size limit (RLIMIT_FSIZE) the exit code must be 1, the older file
intact and nothing half-made left. Prints one line for each part; exit 4 where anything was otherwise.
"""
import argparse
import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time

OLD = b"an older file\n" * 1000


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


class Stress:
    def __init__(self, options, folder):
        self.kinglet, self.model, self.folder = options.kinglet, options.model, folder
        self.random = random.Random(options.seed)
        self.out = os.path.join(folder, "out.gguf")
        whole = os.path.join(folder, "whole.gguf")
        begin = time.monotonic()
        self.run(whole).wait()
        self.seconds = time.monotonic() - begin
        self.old, self.new = hashlib.sha256(OLD).hexdigest(), digest(whole)
        self.size = os.path.getsize(whole)

    def run(self, out, *more, limit=None):
        command = [self.kinglet, "convert", self.model, out, "--dtype", "f32", "--force", "-q", *more]

        def limited():
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=limited)

    def place_old(self):
        with open(self.out, "wb") as file:
            file.write(OLD)

    def kill(self, *more):
        """Kills a run at a random moment; whether it was still running."""
        process = self.run(self.out, *more)
        time.sleep(self.random.uniform(0, self.seconds))
        was_running = process.poll() is None
        process.kill()
        process.wait()
        return was_running

    def kills(self, count):
        damaged = killed = 0
        for _ in range(count):
            self.place_old()
            killed += self.kill()
            damaged += digest(self.out) not in (self.old, self.new)
        print(f"kills: {count} ({killed} while it ran), {damaged} damaged targets")
        return damaged

    def resumes(self, count):
        different = 0
        for _ in range(count):
            self.place_old()
            self.kill()
            code = self.run(self.out, "--resume").wait()
            different += code != 0 or digest(self.out) != self.new
        print(f"kills, then --resume: {count}, {different} not the same bytes")
        return different

    def full_disks(self, count):
        wrong = 0
        for _ in range(count):
            self.place_old()
            code = self.run(self.out, limit=self.random.randrange(1, self.size)).wait()
            half_made = os.path.exists(self.out + ".partial")
            wrong += code != 1 or digest(self.out) != self.old or half_made
        print(f"full disks: {count}, {wrong} not exit 1 with the older file intact")
        return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinglet")
    parser.add_argument("model")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--resumes", type=int, default=20)
    parser.add_argument("--full", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stress = Stress(options, folder)
        wrong = stress.kills(options.kills) + stress.resumes(options.resumes) + stress.full_disks(options.full)
    return 4 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
