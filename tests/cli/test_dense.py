"""Dense networks, cosine similarity and probes as a user meets them. test_dense.py KINGLET SOURCE_DIR"""
import json
import os
import random
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


def planted(rows, seed):
    """Examples whose label is told by one direction, with noise beside it."""
    random_ = random.Random(seed)
    examples = []
    for _ in range(rows):
        x = [random_.gauss(0, 1) for _ in range(4)]
        score = x[0] - 2 * x[1] + 0.5 * x[2] + random_.gauss(0, 0.2)
        examples.append({"x": x, "y": "yes" if score > 0 else "no"})
    return examples


def with_numpy(path, x):
    """What the network in the file gives, by NumPy alone."""
    import numpy
    with open(path, encoding="utf-8") as file:
        model = json.load(file)
    for i, layer in enumerate(model["config"]["layers"]):
        x = x @ numpy.array(model["tensors"][f"layers.{i}.weight"]).T + numpy.array(model["tensors"][f"layers.{i}.bias"])
        if layer["activation"] == "tanh":
            x = numpy.tanh(x)
        elif layer["activation"] == "sigmoid":
            x = 1 / (1 + numpy.exp(-x))
        elif layer["activation"] == "softmax":
            x = numpy.exp(x - x.max(axis=1, keepdims=True))
            x /= x.sum(axis=1, keepdims=True)
        else:
            assert layer["activation"] == "none"
    return model, x


class Probe(Case):
    def fit(self, rows, *options):
        return json.loads(self.answer("probe", "fit", self.write("train.jsonl", rows), "-o", self.path("p.json"),
                                      "--json", *options))

    def test_a_planted_concept_is_found(self):
        test = self.write("test.jsonl", planted(500, 2))
        for kind in ("ridge", "logistic", "mlp"):
            with self.subTest(kind=kind):
                fit = self.fit(planted(300, 1), "--kind", kind, "--l2", "0.1,10", "--epochs", "30")
                self.assertEqual(fit["kind"], kind)
                self.assertEqual(len(fit["candidates"]), 2)
                found = json.loads(self.answer("probe", "eval", self.path("p.json"), test, "--json"))
                self.assertGreater(found["accuracy"], 0.93)
                self.assertEqual(sum(map(sum, found["confusion"])), 500)
                self.assertEqual("calibration" in found, kind != "ridge")

    def test_a_saved_probe_gives_in_numpy_what_it_gives_here(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("no NumPy")
        rows = planted(120, 1)
        for i, row in enumerate(rows):
            row["y"] = ["no", "yes", "maybe"][2 if i % 10 == 0 else row["y"] == "yes"]
        two = [{**row, "y": row["y"] == "yes"} for row in rows]
        numbers = [{**row, "y": 3 * row["x"][0] - row["x"][3]} for row in rows]
        new = numpy.array([row["x"] for row in planted(50, 3)])
        inputs = self.write("new.json", json.dumps(new.tolist()))
        for data, kind in ((rows, "ridge"), (rows, "logistic"), (rows, "mlp"), (two, "logistic"), (two, "mlp"),
                           (numbers, "ridge"), (numbers, "mlp")):
            with self.subTest(kind=kind, label=data[0]["y"]):
                self.fit(data, "--kind", kind, "--l2", "1", "--epochs", "5")
                model, wanted = with_numpy(self.path("p.json"), new)
                outputs = json.loads(self.answer("run", "-m", self.path("p.json"), "--input", inputs, "--json"))
                numpy.testing.assert_allclose(numpy.array(outputs), wanted, rtol=0, atol=1e-12)
                said = json.loads(self.answer("probe", "predict", self.path("p.json"), inputs, "--json"))
                classes = model["config"]["probe"].get("classes")
                if classes is None:
                    numpy.testing.assert_allclose(said, wanted[:, 0], rtol=0, atol=1e-12)
                    continue
                if wanted.shape[1] == 1:
                    wanted = numpy.hstack([1 - wanted, wanted])
                scores = [one["outputs" if kind == "ridge" else "probabilities"] for one in said]
                numpy.testing.assert_allclose(scores, wanted, rtol=0, atol=1e-12)
                self.assertEqual([one["class"] for one in said], [classes[i] for i in wanted.argmax(axis=1)])

    def test_the_published_ridge_weights(self):
        data = vectors("ridge.json")
        rows = [{"x": x, "y": y} for x, y in zip(data["X"], data["y"], strict=True)]
        for key, l2 in (("weights", "0"), ("weights_l2_1", "1"), ("weights_l2_10", "10")):
            self.fit(rows, "--l2", l2)
            with open(self.path("p.json"), encoding="utf-8") as file:
                tensors = json.load(file)["tensors"]
            for found, wanted in zip(tensors["layers.0.bias"] + tensors["layers.0.weight"][0], data[key], strict=True):
                self.assertAlmostEqual(found, wanted, delta=1e-12)
        self.write("d.jsonl", rows)
        printed = self.answer("probe", "fit", self.path("d.jsonl"), "--l2", "0", "-o", self.path("p.json"))
        self.assertIn("bias and weights: [2.05643115, 1.46116836, -1.02498178, 0.446203343]\n", printed)

    def test_the_commands_in_models_readme_print_what_it_says(self):
        with open(os.path.join(SOURCE, "models/README.md"), encoding="utf-8") as file:
            rows = [line.split(" | ") for line in file if line.count(" | ") == 2 and "kinglet " in line]
        self.assertEqual(len(rows), 7)
        for _, command, wanted in rows:
            done = subprocess.run(["sh", "-c", command.strip("`").replace(r"\|", "|").replace("kinglet ", f'"{KINGLET}" ')], cwd=SOURCE,
                                  stdout=subprocess.PIPE, check=True, timeout=60)
            self.assertIn(wanted.strip(" `|\n"), done.stdout.decode(), command)

    def test_fits_are_the_same_each_time(self):
        files = []
        for _ in range(2):
            self.fit(planted(80, 1), "--kind", "mlp", "--epochs", "3", "--seed", "9")
            with open(self.path("p.json"), "rb") as file:
                files.append(file.read())
        self.assertEqual(files[0], files[1])

    def test_numbers_may_be_classes(self):
        rows = [{"x": x["x"], "y": 10 if x["y"] == "yes" else 9} for x in planted(60, 1)]
        self.assertEqual(self.fit(rows, "--l2", "1")["kind"], "ridge")
        self.assertIn("r_squared", self.fit(rows, "--l2", "1")["fitted"])
        fit = self.fit(rows, "--classes")
        self.assertEqual(fit["kind"], "logistic")
        self.assertEqual(fit["fitted"]["classes"], ["9", "10"])

    def test_arrays_with_labels_beside_them(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("no NumPy")
        rows = planted(60, 1)
        numpy.save(self.path("x.npy"), numpy.array([row["x"] for row in rows], numpy.float32))
        numpy.save(self.path("y.npy"), numpy.array([row["y"] == "yes" for row in rows]))
        words = self.write("y.jsonl", [row["y"] for row in rows])
        for labels in (self.path("y.npy"), words):
            self.answer("probe", "fit", self.path("x.npy"), "--labels", labels, "--classes", "-o", self.path("p.json"))
            text = self.answer("probe", "eval", self.path("p.json"), self.path("x.npy"), "--labels", labels)
            self.assertIn("60 rows, accuracy ", text)
            self.assertIn("confusion", text)
            self.assertIn("calibration", text)
        self.assertEqual(len(self.answer("probe", "predict", self.path("p.json"), self.path("x.npy")).splitlines()), 60)
        self.refused(2, "probe", "fit", self.path("x.npy"), "-o", self.path("q.json"), says=["--labels"])
        self.refused(3, "probe", "fit", self.path("x.npy"), "--labels", self.write("few.jsonl", "1\n"), "-o",
                     self.path("q.json"), says=["few.jsonl", "allowed 60"])

    def test_what_is_wrong_with_examples_is_said(self):
        good = planted(20, 1)
        for change, says in ((lambda row: row.pop("y"), "no \"y\""), (lambda row: row.pop("x"), "no \"x\""),
                             (lambda row: row["x"].pop(), "allowed 4"), (lambda row: row["x"].__setitem__(1, "a"), "a"),
                             (lambda row: row["x"].__setitem__(1, float("nan")), "JSON"),
                             (lambda row: row.__setitem__("y", 1), "another type"),
                             (lambda row: row.__setitem__("y", None), "null")):
            rows = json.loads(json.dumps(good))
            change(rows[6])
            with self.subTest(says=says):
                self.refused(3, "probe", "fit", self.write("bad.jsonl", rows), "-o", self.path("q.json"),
                             says=["bad.jsonl:7", says])
        for rows, says in (([{**row, "y": "yes"} for row in good], "one class"),
                           ([{**row, "x": row["x"] + [5]} for row in good], "x[4]"), ([], "no examples")):
            with self.subTest(says=says):
                self.refused(3, "probe", "fit", self.write("bad.jsonl", rows), "-o", self.path("q.json"),
                             says=["bad.jsonl", says])
        singular = [{"x": row["x"] + [row["x"][0] + row["x"][1]], "y": i} for i, row in enumerate(good)]
        self.refused(3, "probe", "fit", self.write("bad.jsonl", singular), "--l2", "0", "-o", self.path("q.json"),
                     says=["bad.jsonl", "singular", "feature 4"])
        self.assertFalse(os.path.exists(self.path("q.json")))

    def test_what_does_not_fit_a_probe_is_said(self):
        self.fit(planted(40, 1), "--l2", "1")
        probe = self.path("p.json")
        self.refused(3, "probe", "predict", probe, self.write("x.jsonl", "[1,2,3]\n"), says=["x.jsonl:1", "allowed 4"])
        self.refused(2, "probe", "predict", probe, "[1,2,3]", says=["allowed 4"])
        self.refused(3, "probe", "eval", probe, self.write("t.jsonl", [{"x": [1, 2, 3, 4], "y": "no"},
                                                                       {"x": [1, 2, 3, 4], "y": "perhaps"}]),
                     says=["t.jsonl:2", "perhaps"])
        self.refused(3, "probe", "predict", MLP, "[1,2,3,4]", says=["no probe"])
        self.refused(3, "probe", "predict", "/nowhere", "[1]", says=["/nowhere"])

    def test_wrong_usage_is_said(self):
        data = self.write("d.jsonl", planted(20, 1))
        self.refused(2, "probe")
        self.refused(2, "probe", "fit", data)
        self.refused(2, "probe", "fit", data, "-o", self.path("q.json"), "--kind", "svm", says=["--kind", "svm"])
        self.refused(2, "probe", "fit", data, "-o", self.path("q.json"), "--l2", "1,x", says=["--l2"])
        self.refused(2, "probe", "fit", data, "-o", self.path("q.json"), "--l2", "-1", says=["--l2"])
        self.refused(2, "probe", "fit", data, "-o", self.path("q.json"), "--l2", "0", says=["--l2"])
        self.refused(2, "probe", "fit", data, "-o", self.path("q.json"), "--folds", "21", says=["folds"])
        self.refused(1, "probe", "fit", data, "-o", "/nowhere/p.json", "--l2", "1", says=["/nowhere"])


if __name__ == "__main__":
    unittest.main()
