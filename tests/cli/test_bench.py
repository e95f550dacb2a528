"""kinglet bench as a user meets it. test_bench.py KINGLET SOURCE_DIR"""
import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest

KINGLET, SOURCE = sys.argv.pop(1), sys.argv.pop(1)
TINY = os.path.join(SOURCE, "tests/models/tiny-llama")
QUICK = ["-p", "8", "-n", "4", "-r", "2", "-t", "1"]
CACHE = tempfile.TemporaryDirectory()  # one for all tests, so that the machine is measured once
LLAMA_BENCH_KEYS = {"build_commit", "cpu_info", "model_filename", "model_type", "model_size", "model_n_params",
                    "n_batch", "n_ubatch", "n_threads", "type_k", "type_v", "n_prompt", "n_gen", "n_depth",
                    "test_time", "avg_ns", "stddev_ns", "avg_ts", "stddev_ts", "samples_ns", "samples_ts"}
OWN_KEYS = {"isa", "median_ts", "gbps", "gops", "limit", "limit_percent", "peak_memory"}


class Bench(unittest.TestCase):
    def setUp(self):
        self.env = {**os.environ, "XDG_CACHE_HOME": CACHE.name}

    def bench(self, *arguments, code=0):
        done = subprocess.run([KINGLET, "bench", *arguments], capture_output=True, env=self.env, check=False, timeout=120)
        self.assertEqual(done.returncode, code, done.stderr)
        if code == 0:
            self.assertEqual(done.stderr, b"")  # no progress where it is no terminal
        return done.stdout.decode() if code == 0 else done.stderr.decode()

    def rows(self, *arguments):
        return [json.loads(line) for line in self.bench(*arguments, "-o", "jsonl").splitlines()]

    def test_json_has_llama_benchs_keys_and_figures_that_agree(self):
        rows = json.loads(self.bench(*QUICK, "-d", "16", "-o", "json"))
        self.assertEqual([(r["n_prompt"], r["n_gen"], r["n_depth"]) for r in rows], [(8, 0, 16), (0, 4, 16)])
        for row in rows:
            self.assertLessEqual(LLAMA_BENCH_KEYS | OWN_KEYS, set(row))
            self.assertEqual(len(row["samples_ns"]), 2)
            tokens = row["n_prompt"] + row["n_gen"]
            for nanoseconds, rate in zip(row["samples_ns"], row["samples_ts"]):
                self.assertAlmostEqual(rate, tokens / nanoseconds * 1e9, delta=rate * 1e-3)
            self.assertAlmostEqual(row["avg_ts"], sum(row["samples_ts"]) / 2, delta=row["avg_ts"] * 1e-9)
            self.assertIn(row["limit"], ("memory", "cache", "compute"))
            self.assertGreater(row["limit_percent"], 0)

    def test_every_option_takes_lists_and_ranges(self):
        sizes = [row["n_prompt"] for row in self.rows("-m", TINY, "-p", "1-3,8-10+2,2-8*2", "-n", "0", "-r", "1", "-t", "1")]
        self.assertEqual(sizes, [1, 2, 3, 8, 10, 2, 4, 8])
        rows = self.rows("-m", TINY, "-m", TINY, "-p", "0", "-n", "2", "-t", "1,2", "-b", "3-4", "-r", "1,2", "-d", "0,1")
        self.assertEqual(len(rows), 2 * 2 * 2 * 2 * 2)
        self.assertEqual({(r["n_threads"], r["n_batch"], len(r["samples_ns"]), r["n_depth"]) for r in rows},
                         {(t, b, r, d) for t in (1, 2) for b in (3, 4) for r in (1, 2) for d in (0, 1)})

    def test_wrong_lists_are_exit_2(self):
        for text in ("", "1,", "4-1", "1-", "-3", "1-5+0", "1-5*1", "0-4*0", "x", "1-5000", "99999999999"):
            with self.subTest(text=text):
                self.assertIn("error", self.bench(f"-p={text}", code=2))
        self.bench("-t", "0", code=2)
        self.bench("-o", "xml", code=2)
        self.bench("-m", "/nowhere", code=3)
        self.assertIn("--batch-size", self.bench("--bach-size", "1", code=2))

    def test_csv_has_a_header_and_a_line_a_row(self):
        rows = list(csv.DictReader(io.StringIO(self.bench("-m", TINY, *QUICK, "-o", "csv"))))
        self.assertEqual([row["n_prompt"] for row in rows], ["8", "0"])
        self.assertLessEqual(LLAMA_BENCH_KEYS - {"samples_ns", "samples_ts"}, set(rows[0]))
        self.assertGreater(float(rows[0]["avg_ts"]), 0)

    def test_markdown_is_a_table_with_the_limits_below(self):
        lines = self.bench("-m", TINY, *QUICK).splitlines()
        self.assertEqual([line.count("|") for line in lines[:4]], [12] * 4)
        self.assertEqual({len(line) for line in lines[:2]}, {len(lines[0])})
        self.assertIn("pp8", lines[2])
        self.assertIn("tg4", lines[3])
        self.assertIn("GB/s", lines[5])

    def test_the_limits_are_kept_and_a_damaged_or_blocked_file_does_no_harm(self):
        with tempfile.TemporaryDirectory() as folder:
            self.env["XDG_CACHE_HOME"] = folder
            file = os.path.join(folder, "kinglet", "limits.json")
            tiny = ["-m", TINY, "-p", "0", "-n", "1", "-r", "1", "-t", "1"]
            first = self.rows(*tiny)[0]
            with open(file, encoding="utf-8") as stored:
                self.assertEqual(json.load(stored)["hosts"][0]["memory_gbps"], first["limit_memory_gbps"])
            self.assertEqual(self.rows(*tiny)[0]["limit_memory_gbps"], first["limit_memory_gbps"])
            self.assertNotEqual(self.rows(*tiny, "--remeasure")[0]["limit_memory_gbps"], first["limit_memory_gbps"])
            with open(file, "w", encoding="utf-8") as stored:
                stored.write('{"hosts": [{"cpu')
            self.rows(*tiny)
            with open(file, encoding="utf-8") as stored:
                self.assertEqual(len(json.load(stored)["hosts"]), 1)
        with tempfile.NamedTemporaryFile() as blocked:
            self.env["XDG_CACHE_HOME"] = blocked.name
            self.assertEqual(len(self.rows(*tiny)), 1)

    def test_matmul_compares_the_ways(self):
        rows = json.loads(self.bench("matmul", "--json", "-t", "2"))
        self.assertEqual([row["way"] for row in rows][:2], ["naive", "scalar"])
        self.assertEqual({(row["out"], row["in"], row["tokens"]) for row in rows}, {(100, 100, 100)})
        self.assertLess(max(row["largest_difference"] for row in rows), 1e-5)
        table = self.bench("matmul", "-m", TINY, "-b", "2", "-t", "1").splitlines()
        self.assertEqual({line.count("|") for line in table}, {7})
        self.assertEqual({len(line) for line in table}, {len(table[0])})
        self.assertIn("--type", self.bench("matmul", "--typ", "f32", code=2))
        self.bench("matmul", "--type", "q9_9", code=2)


if __name__ == "__main__":
    unittest.main()
