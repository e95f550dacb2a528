"""Dense networks, cosine similarity and probes as a user meets them. test_dense.py KINGLET SOURCE_DIR"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

KINGLET, SOURCE = sys.argv.pop(1), sys.argv.pop(1)
MLP = os.path.join(SOURCE, "models/mlp-2020.json")


def vectors(name):
    with open(os.path.join(SOURCE, "tests/dense/vectors", name), encoding="utf-8") as file:
        return json.load(file)


def run(*args, stdin=b""):
    return subprocess.run([KINGLET, *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                          check=False)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, content):
        """content: a string, or rows, each a JSON line."""
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else "".join(json.dumps(row) + "\n" for row in content))
        return self.path(name)

    def answer(self, *args, **more):
        done = run(*args, **more)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout.decode()

    def refused(self, code, *args, says=(), **more):
        done = run(*args, **more)
        error = done.stderr.decode()
        self.assertEqual(done.returncode, code, error)
        self.assertEqual(done.stdout, b"")
        self.assertEqual(error.count("\n"), 1, error)
        self.assertTrue(error.startswith("kinglet: error: "), error)
        for word in says:
            self.assertIn(word, error)


class Network(Case):
    def test_the_published_numbers(self):
        self.assertEqual(self.answer("run", "-m", MLP, "--input", "[1,2,3,4]"), "[0.1265973, 0.73495305]\n")
        exact = json.loads(self.answer("run", "-m", MLP, "--input", "[1,2,3,4]", "--json"))
        for found, wanted in zip(exact, vectors("mlp.json")["output"], strict=True):
            self.assertAlmostEqual(found, wanted, delta=1e-12)

    def test_a_batch_gives_the_rows_that_each_vector_gives_alone(self):
        batch = vectors("mlp_batch.json")
        rows = batch["input"]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        answers = {
            "argument": self.answer("run", "-m", MLP, "--json", "--input", json.dumps(rows)),
            "json": self.answer("run", "-m", MLP, "--json", "--input", self.write("x.json", json.dumps(rows))),
            "jsonl": self.answer("run", "-m", MLP, "--json", "--input", self.write("x.jsonl", lines)),
            "stdin": self.answer("run", "-m", MLP, "--json", "--input", "-", stdin=lines.encode()),
        }
        self.assertEqual(len(set(answers.values())), 1)
        found = json.loads(answers["json"])
        for i, (row, wanted) in enumerate(zip(found, batch["output"], strict=True)):
            for a, b in zip(row, wanted, strict=True):
                self.assertAlmostEqual(a, b, delta=1e-12)
            if i % 25 == 0:
                alone = json.loads(self.answer("run", "-m", MLP, "--json", "--input", json.dumps(rows[i])))
                self.assertEqual(alone, row)
        text = self.answer("run", "-m", MLP, "--input", self.path("x.jsonl")).splitlines()
        self.assertEqual(len(text), len(rows))
        self.assertEqual(text[3], self.answer("run", "-m", MLP, "--input", json.dumps(rows[3])).strip())

    def test_a_batch_from_numpy(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("no NumPy")
        batch = vectors("mlp_batch.json")
        for dtype, delta in (("float64", 1e-12), ("float32", 1e-6)):
            numpy.save(self.path("x.npy"), numpy.array(batch["input"], dtype))
            found = json.loads(self.answer("run", "-m", MLP, "--json", "--input", self.path("x.npy")))
            self.assertLess(numpy.abs(numpy.array(found) - numpy.array(batch["output"])).max(), delta)

    def test_what_does_not_fit_is_refused(self):
        for given, says in (("[1,2,3]", "allowed 4"), ("[1,2,3,NaN]", "JSON"), ("[[1,2,3,4],[1]]", "row 1"),
                            ("[1,2,3,\"a\"]", "not a number"), ("[]", "empty"), ("[1,2,3,1e999]", "1e999")):
            with self.subTest(given=given):
                self.refused(2, "run", "-m", MLP, "--input", given, says=["--input", says])
                self.refused(3, "run", "-m", MLP, "--input", self.write("x.jsonl", given + "\n"), says=["x.jsonl"])
        self.refused(3, "run", "-m", MLP, "--input", self.write("x.jsonl", "[1,2,3,4]\n\n[1,2,3]\n"), says=["x.jsonl:3"])
        self.refused(3, "run", "-m", MLP, "--input", "/nowhere", says=["/nowhere"])
        self.refused(2, "run", "-m", MLP, "--input", "[1,2,3,4]", "-p", "a", says=["--input"])
        self.refused(2, "run", "--input", "[1]", says=["-m"])
        self.refused(3, "run", "-m", MLP, "-p", "a", says=["--input"])
        self.refused(3, "run", "-m", os.path.join(SOURCE, "tests/models/tiny-llama"), "--input", "[1]",
                     says=["not a dense network"])
        self.refused(1, "run", "-m", self.write("net.json", json.dumps({
            "format": "kinglet-json", "version": 1,
            "config": {"model_type": "mlp", "layers": [{"in": 1, "out": 1, "activation": "relu"}]},
            "tensors": {"layers.0.weight": [[1e308]]}})), "--input", "[1e308]", says=["not finite"])


COSINE = os.path.join(SOURCE, "tests/dense/vectors/cosine.json")


class Similar(Case):
    def test_the_published_pairs(self):
        for pair, printed in vectors("cosine.json")["printed"].items():
            a, b = pair.split("-")
            self.assertEqual(self.answer("similar", "--vectors", COSINE, a, b), f"{a}\t{b}\t{printed}\n")

    def test_the_matrix_and_the_nearest_pair(self):
        wanted = vectors("cosine.json")
        found = json.loads(self.answer("similar", "--vectors", COSINE, "--json"))
        self.assertEqual(found["names"], wanted["words"])
        self.assertEqual(found["nearest"]["pair"], ["king", "queen"])
        for row, numbers in zip(found["similarity"], wanted["similarity"], strict=True):
            for a, b in zip(row, numbers, strict=True):
                self.assertAlmostEqual(a, b, delta=1e-12)
        text = self.answer("similar", "--vectors", COSINE, "--matrix").splitlines()
        self.assertEqual(text[1].split(), ["king", "1.000", "0.991", "0.671", "0.599", "0.510"])
        self.assertEqual(text[-1], "nearest: king and queen, 0.991")

    def test_the_nearest_to_a_name_or_a_vector(self):
        self.assertEqual(self.answer("similar", "--vectors", COSINE, "king", "-k", "2"),
                         "0.991313\tqueen\n0.671409\tman\n")
        found = json.loads(self.answer("similar", "--vectors", COSINE, "[9,1,1,9]", "--json"))
        self.assertEqual(found[0]["name"], "apple")
        self.assertEqual(found[0]["row"], 4)
        self.assertEqual(len(found), 5)

    def test_a_table_from_numpy_is_searched_in_exact_order(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("no NumPy")
        table = numpy.random.default_rng(5).standard_normal((3000, 40)).astype(numpy.float32)
        table[2000] = table[17] * 2  # as near as row 17, which comes first
        numpy.save(self.path("t.npy"), table)
        exact = table.astype(numpy.float64)
        query = exact[17] + 0.25
        cosines = exact @ query / numpy.linalg.norm(exact, axis=1) / numpy.linalg.norm(query)
        for threads in ("1", "2"):
            found = json.loads(self.answer("similar", "--vectors", self.path("t.npy"), json.dumps(query.tolist()),
                                           "-k", "20", "-t", threads, "--json"))
            rows = [near["row"] for near in found]
            self.assertEqual(rows[:2], [17, 2000])
            self.assertEqual(set(rows), set(numpy.argsort(-cosines)[:20].tolist()))
            for near in found:
                self.assertAlmostEqual(near["similarity"], cosines[near["row"]], delta=1e-12)

    def test_what_is_wrong_is_said(self):
        self.refused(2, "similar", says=["--vectors"])
        self.refused(2, "similar", "--vectors", COSINE, "nobody", says=["nobody", "cosine.json"])
        self.refused(2, "similar", "--vectors", COSINE, "[1,2]", says=["allowed 4"])
        self.refused(2, "similar", "--vectors", COSINE, "[0,0,0,0]", says=["no direction"])
        self.refused(2, "similar", "--vectors", COSINE, "[[1,2,3,4],[1,2,3,4]]", says=["QUERY"])
        self.refused(2, "similar", "--vectors", COSINE, "king", "--matrix")
        self.refused(2, "similar", "--vectors", COSINE, "king", "-k", "0", says=["-k"])
        self.refused(3, "similar", "--vectors", "/nowhere", says=["/nowhere"])
        self.refused(3, "similar", "--vectors", self.write("v.jsonl", "[1,2]\n[0,0]\n"), says=["v.jsonl:2"])
        self.refused(3, "similar", "--vectors", self.write("v.jsonl", "[1,2]\n[0,NaN]\n"), says=["v.jsonl:2"])


if __name__ == "__main__":
    unittest.main()
