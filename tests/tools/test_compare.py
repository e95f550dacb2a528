#!/usr/bin/python3
"""tools/bench/compare.py with stand-ins for the engines that it runs: programs that print known figures."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

import paths

COMPARE = os.path.join(paths.ROOT, "tools", "bench", "compare.py")

# Prints a row as llama-bench does, at the rate of its environment; -fa 1 doubles it.
ROWS = """#!/bin/sh
case "$*" in --help) echo "  -d, --n-depth <n>"; exit ;; *"-r 1 -o json"*) ;; *) exit 9 ;; esac
case "$*" in *"-fa 1"*) rate=40 ;; *"-fa 0"*) rate=20 ;; *) rate=60 ;; esac
echo '[{"n_prompt": 1, "avg_ts": '$rate'}]'
"""
# A llama-bench without -d: to generate after a prompt has a name of its own.
NO_DEPTH = """#!/bin/sh
case "$*" in --help) ;; *"-d "*) exit 9 ;; *"-p 0 -n 0 -gp 64,4 "*) echo '[{"avg_ts": 8}]' ;; *) echo '[{"avg_ts": 4}]' ;; esac
"""


class Compare(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.model = self.program("m.gguf", "")

    def program(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755)
        return path

    def compare(self, *arguments, code=0):
        done = subprocess.run([sys.executable, "-B", COMPARE, *arguments, "--rounds", "2", self.model],
                              capture_output=True, check=False, timeout=60)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout.decode()

    def test_the_ratio_is_to_the_best_of_the_others_and_flash_attention_is_tried_both_ways(self):
        rows = self.program("rows", ROWS)
        out = json.loads(self.compare("--kinglet", rows, "--llama-bench", rows, "--llama-bench", f"slow={rows} -fa 0",
                                      "-p", "8", "-n", "0", "-o", "json"))
        self.assertEqual([(r["engine"], r["median"], r["ratio"]) for r in out],
                         [("kinglet", 60, 1.5), ("llama-bench", 40, 1), ("slow", 20, 0.5)])
        self.assertEqual([r["rates"] for r in out], [[60, 60], [40, 40], [20, 20]])

    def test_an_engine_that_fails_is_named_and_the_others_go_on(self):
        rows, broken = self.program("rows", ROWS), self.program("broken", "#!/bin/sh\necho no such type >&2\nexit 3\n")
        mute = self.program("mute", "#!/bin/sh\n")
        out = self.compare("--kinglet", rows, "--llama-bench", f"a={broken}", "--llama-bench", f"b={mute}",
                           "--llama-bench", "c=/nowhere/at-all", "-p", "0", "-n", "4")
        self.assertIn("no such type", out)
        self.assertEqual(out.count("failed:"), 3)
        self.assertIn("| kinglet | 60.00 | 0 % |", out)
        self.compare("--kinglet", broken, "-p", "1", "-n", "0", code=1)

    def test_an_engine_that_has_no_depth_is_asked_in_its_own_words(self):
        out = json.loads(self.compare("--llama-bench", self.program("old", NO_DEPTH), "-p", "2", "-n", "4", "-d", "0,64",
                                      "-o", "json"))
        self.assertEqual([(r["test"], r["median"]) for r in out],
                         [("pp2", 4), ("pp2 @ d64", None), ("tg4", 4), ("tg4 @ d64", 8)])

    def test_llama2c_and_calm_are_asked_for_generation_only_and_from_files_of_their_own(self):
        run = self.program("run", '#!/bin/sh\n[ "$OMP_NUM_THREADS" = 3 ] && echo "achieved tok/s: 12.5" >&2\n')
        calm = self.program("calm", '#!/bin/sh\necho "# 32 tokens: throughput: 30.25 tok/s"\n')
        self.program("m.bin", "")
        self.program("tok32.bin", "")
        out = json.loads(self.compare("--llama2c", run, "--calm", calm, "-p", "8", "-n", "4", "-t", "3", "-o", "json"))
        self.assertEqual([(r["test"], r["engine"], r["median"]) for r in out],
                         [("pp8", "llama2c", None), ("pp8", "calm", None), ("tg4", "llama2c", 12.5),
                          ("tg4", "calm", None)])
        self.assertIn("m.calm", out[-1]["failure"])
        self.program("m.calm", "")
        self.assertIn("30.25", self.compare("--calm", calm, "-p", "0", "-n", "4"))


if __name__ == "__main__":
    unittest.main()
