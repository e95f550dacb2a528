"""Texts to vectors, texts compared, and probes over texts. test_embed.py KINGLET SOURCE_DIR"""
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

KINGLET, SOURCE = sys.argv.pop(1), sys.argv.pop(1)
TINY = os.path.join(SOURCE, "tests/models/tiny-llama")
TEXTS = ["The fox ran home through the snow.", "A bear slept.", "Once upon a time there was a king who had three sons."]

try:
    import numpy
except ImportError:
    numpy = None


def run(*args, stdin=b""):
    return subprocess.run([KINGLET, *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
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

    def raw(self, *args, **more):
        done = run(*args, **more)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout

    def answer(self, *args, **more):
        return self.raw(*args, **more).decode()

    def array(self, *args, **more):
        """What --format npy gives."""
        with open(self.path("out.npy"), "wb") as file:
            file.write(self.raw("embed", *args, "--format", "npy", **more))
        return numpy.load(self.path("out.npy"))

    def refused(self, code, *args, says=(), **more):
        done = run(*args, **more)
        error = done.stderr.decode()
        self.assertEqual(done.returncode, code, error)
        self.assertEqual(done.stdout, b"")
        self.assertEqual(error.count("\n"), 1, error)
        self.assertTrue(error.startswith("kinglet: error: "), error)
        for word in says:
            self.assertIn(word, error)


def activations(path):
    """The tensors of a safetensors file, as f64 (ids as whole numbers)."""
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(size)), file.read()
    header.pop("__metadata__", None)
    tensors = {}
    for name, tensor in header.items():
        begin, end = tensor["data_offsets"]
        kind = {"F32": "<f4", "I32": "<i4", "F64": "<f8"}[tensor["dtype"]]
        tensors[name] = numpy.frombuffer(data[begin:end], kind).reshape(tensor["shape"]).astype(numpy.float64)
    return tensors


class Embed(Case):
    def test_the_same_bits_alone_in_any_batch_chunk_and_thread_count(self):
        file = self.write("texts.txt", "".join(text + "\n" for text in TEXTS))
        alone = "".join(self.answer("embed", text, "-t", "1", "--format", "jsonl") for text in TEXTS)
        for options in (("-t", "1"), ("-t", "2"), ("-t", "3", "--chunk", "1"), ("--chunk", "7"), ("--chunk", "500")):
            with self.subTest(options=options):
                self.assertEqual(self.answer("embed", "-f", file, *options, "--format", "jsonl"), alone)
        self.assertEqual(self.answer("embed", *reversed(TEXTS), "--format", "jsonl").splitlines(), alone.splitlines()[::-1])

    def test_texts_come_from_arguments_files_and_stdin(self):
        wanted = self.answer("embed", *TEXTS)
        lines = "\n".join(TEXTS)  # the last without an end
        self.assertEqual(self.answer("embed", "-f", self.write("a.txt", lines)), wanted)
        self.assertEqual(self.answer("embed", "-f", self.write("b.txt", lines.replace("\n", "\r\n\r\n"))), wanted)
        self.assertEqual(self.answer("embed", "-f", self.write("c.jsonl", [{"text": t, "label": 1} for t in TEXTS])), wanted)
        self.assertEqual(self.answer("embed", stdin=lines.encode()), wanted)
        ids = json.loads(self.answer("tokenize", TEXTS[0], "--ids-only", "--add-special"))
        by_ids = json.loads(self.answer("embed", "--ids", ",".join(map(str, ids)), "--format", "jsonl"))
        self.assertEqual(by_ids["ids"], ids)
        self.assertEqual(by_ids["embedding"], json.loads(wanted)["embeddings"][0])

    def test_the_formats_hold_the_same_numbers(self):
        document = json.loads(self.answer("embed", *TEXTS, "--json"))
        self.assertEqual({key: document[key] for key in document if key != "embeddings"},
                         {"model": "tales-3m (built in)", "pooling": "mean", "layer": "final", "normalized": True,
                          "dimensions": 256})
        lines = [json.loads(line) for line in self.answer("embed", *TEXTS, "--format", "jsonl").splitlines()]
        self.assertEqual([line["text"] for line in lines], TEXTS)
        self.assertEqual([line["embedding"] for line in lines], document["embeddings"])
        tokens = [json.loads(line)["embedding"] for line in
                  self.answer("embed", *TEXTS, "--pooling", "none", "--format", "jsonl").splitlines()]
        self.assertEqual(len(tokens), 3)
        self.assertEqual(len(tokens[1][0]), 256)
        if numpy is None:
            self.skipTest("no NumPy")
        array = self.array(*TEXTS)
        self.assertEqual((array.dtype, array.shape), (numpy.float32, (3, 256)))
        self.assertTrue((array == numpy.array(document["embeddings"], numpy.float32)).all())
        self.assertTrue((self.array(*TEXTS, "--pooling", "none") == numpy.array(sum(tokens, []), numpy.float32)).all())

    @unittest.skipIf(numpy is None, "no NumPy")
    def test_vectors_are_what_numpy_makes_of_the_activations(self):
        self.answer("embed", TEXTS[2], "--dump", self.path("d.safetensors"), "--layer", "2")
        dump = activations(self.path("d.safetensors"))
        numpy.testing.assert_allclose(dump["pooled"], dump["layers.1.out"].mean(axis=0), rtol=1e-6, atol=1e-7)  # one rounding
        states = {"0": "embed", **{str(i + 1): f"layers.{i}.out" for i in range(5)}, "final": "final_norm"}
        pools = {"mean": lambda x: x.mean(axis=0, keepdims=True), "cls": lambda x: x[:1], "last": lambda x: x[-1:],
                 "none": lambda x: x}
        for layer, name in states.items():
            for pooling, pool in pools.items():
                with self.subTest(layer=layer, pooling=pooling):
                    how = (TEXTS[2], "--layer", layer, "--pooling", pooling)
                    wanted = pool(dump[name])
                    numpy.testing.assert_allclose(self.array(*how, "--no-normalize"), wanted, rtol=1e-6, atol=1e-7)
                    unit = wanted / numpy.linalg.norm(wanted, axis=1, keepdims=True)
                    numpy.testing.assert_allclose(self.array(*how), unit, rtol=1e-6, atol=1e-7)
        cut = dump["final_norm"].mean(axis=0)[:10]
        numpy.testing.assert_allclose(self.array(TEXTS[2], "--dimensions", "10")[0], cut / numpy.linalg.norm(cut), rtol=1e-6,
                                      atol=1e-7)

    @unittest.skipIf(numpy is None, "no NumPy")
    def test_tiny_models_agree_with_the_reference(self):
        for name in sorted(os.listdir(os.path.join(SOURCE, "tests/models"))):
            folder = os.path.join(SOURCE, "tests/models", name)
            if not os.path.exists(os.path.join(folder, "golden.safetensors")):
                continue
            golden = activations(os.path.join(folder, "golden.safetensors"))
            ids = ",".join(str(int(i)) for i in golden["ids"])
            last = max(int(key.split(".")[1]) for key in golden if key.endswith(".out") and key.startswith("layers."))
            for layer, key in (("0", "embed"), ("1", "layers.0.out"), (str(last + 1), f"layers.{last}.out"), ("final", "final_norm")):
                with self.subTest(model=name, layer=layer):
                    found = self.array("-m", folder, "--ids", ids, "--layer", layer, "--no-normalize", "--chunk", "5", "-q")
                    wanted = golden[key].mean(axis=0)
                    # The numerics contract's bound for layers of tiny models in f32.
                    self.assertLess(numpy.abs(found[0] - wanted).max(), 1e-4 * max(1, numpy.abs(wanted).max()))

    def test_what_is_wrong_is_said(self):
        long = "fox " * 600
        self.refused(2, "embed", "a", long, says=["TEXT 2", "longer than the context", "allowed up to 512"])
        self.refused(2, "embed", "-f", self.write("t.txt", "a\n\n" + long + "\n"), says=["t.txt:3", "longer than the context"])
        self.refused(3, "embed", "-f", self.write("t.jsonl", '{"text": "a"}\n\n{"label": 1}\n'), says=["t.jsonl:3", '"text"'])
        self.refused(3, "embed", "-f", self.write("t.jsonl", '{"text": 5}\n'), says=["t.jsonl:1"])
        self.refused(3, "embed", "-f", self.write("t.jsonl", '{"text": "a"}\n{"text"\n'), says=["t.jsonl:2"])
        self.refused(3, "embed", "-f", self.write("empty.txt", "\n"), says=["empty.txt", "no text"])
        self.refused(3, "embed", says=["stdin", "no text"])
        self.refused(3, "embed", "-f", "/nowhere", says=["/nowhere"])
        self.refused(2, "embed", "a", "-f", self.write("t.txt", "a\n"), says=["-f"])
        self.refused(2, "embed", "a", "--ids", "1", says=["--ids"])
        self.refused(2, "embed", "--ids", "1,5000", says=["--ids", "5000"])
        self.refused(2, "embed", "--ids", "1,x", says=["--ids"])
        self.refused(2, "embed", "a", "--pooling", "max", says=["--pooling", "max"])
        self.refused(2, "embed", "a", "--layer", "6", says=["layer", "6", "0 to 5"])
        self.refused(2, "embed", "a", "--layer", "-1", says=["--layer"])
        self.refused(2, "embed", "a", "--dimensions", "257", says=["dimensions", "257"])
        self.refused(2, "embed", "a", "--dimensions", "0", says=["--dimensions"])
        self.refused(2, "embed", "a", "--format", "xml", says=["--format", "xml"])
        self.refused(2, "embed", "-m", TINY, "a", says=["tokenizer"])
        self.refused(3, "embed", "-m", "/nowhere", "a", says=["/nowhere"])
        self.refused(2, "embed", "a", "b", "--dump", self.path("d"), says=["--dump", "2 texts"])
        self.assertFalse(os.path.exists(self.path("d")))
        self.refused(1, "embed", "a", "--dump", "/nowhere/d", says=["/nowhere"])


class Similar(Case):
    def test_lines_of_a_file_are_searched_and_compared(self):
        lines = [*TEXTS, "Rain fell on the roof."]
        file = self.write("lines.txt", "".join(line + "\n" for line in lines))
        found = json.loads(self.answer("similar", "The fox ran home.", "--in", file, "--json", "-k", "2"))
        self.assertEqual(len(found), 2)
        matrix = json.loads(self.answer("similar", "--in", file, "--json"))
        self.assertEqual(matrix["names"], lines)
        text = self.answer("similar", "--in", file, "--matrix").splitlines()
        self.assertEqual(text[0].split(), ["1", "2", "3", "4"])
        self.assertTrue(text[1].startswith("1 " + lines[0]))
        same = json.loads(self.answer("similar", "A bear slept.", "--in", file, "--json", "-k", "1"))[0]
        self.assertEqual((same["row"], same["name"]), (1, "A bear slept."))
        self.assertAlmostEqual(same["similarity"], 1, delta=1e-12)
        pair = json.loads(self.answer("similar", lines[0], lines[3], "--json"))
        self.assertEqual(pair["similarity"], matrix["similarity"][0][3])
        if numpy is None:
            self.skipTest("no NumPy")
        for options in ((), ("--layer", "1"), ("--pooling", "last"), ("--dimensions", "9")):
            unit = [v / numpy.linalg.norm(v) for v in
                    self.array("The fox ran home.", *lines, *options).astype(numpy.float64)]
            wanted = numpy.array(unit[1:]) @ unit[0]
            for near in json.loads(self.answer("similar", "The fox ran home.", "--in", file, "--json", *options)):
                self.assertAlmostEqual(near["similarity"], wanted[near["row"]], delta=1e-12)

    def test_what_is_wrong_is_said(self):
        file = self.write("t.txt", "a\n" + "fox " * 600 + "\n")
        self.refused(2, "similar", "a", "--in", file, says=["t.txt:2", "longer than the context"])
        self.refused(2, "similar", "fox " * 600, "b", says=["TEXT 1", "longer than the context"])
        self.refused(2, "similar", "a", says=["--in"])
        self.refused(2, "similar", "a", "b", "--in", file, says=["--in"])
        self.refused(2, "similar", "a", "--in", file, "--vectors", file, says=["--in"])
        self.refused(2, "similar", "a", "--vectors", file, "-m", TINY, says=["--model"])
        self.refused(2, "similar", "a", "--in", file, "--pooling", "none", says=["--pooling"])
        self.refused(3, "similar", "a", "--in", self.write("empty.txt", ""), says=["empty.txt", "no text"])


WORDS = ("the fox ran home old king had three sons and a bear slept in snow once upon time there was little girl who went "
         "into wood her mother said never speak to wolf but she forgot it rabbit hole jumped over big tree").split()
KIND = os.path.join(SOURCE, "models/tales-kind.jsonl")


class Probe(Case):
    def fit(self, data, *options):
        return json.loads(self.answer("probe", "fit", data, "-o", self.path("p.json"), "--json", *options))

    def saved(self):
        with open(self.path("p.json"), encoding="utf-8") as file:
            return json.load(file)

    @unittest.skipIf(numpy is None, "no NumPy")
    def test_a_planted_concept_is_found_in_its_layer(self):
        random = numpy.random.default_rng(3)
        texts = [" ".join(random.choice(WORDS, random.integers(4, 13))) for _ in range(500)]
        file = self.write("texts.txt", "".join(text + "\n" for text in texts))
        for layer in ("0", "1", "2", "3", "4", "5", "final"):
            with self.subTest(layer=layer):
                states = self.array("-f", file, "--layer", layer, "--no-normalize").astype(numpy.float64)
                concept = (states - states.mean(axis=0)) @ random.standard_normal(states.shape[1])
                data = self.write("data.jsonl", [{"text": t, "label": c} for t, c in zip(texts, concept.tolist(), strict=True)])
                fit = self.fit(data, "--layer", "auto", "--no-normalize", "--l2", "0.001")
                self.assertEqual(str(fit["layer"]), layer)
                loss = {one["layer"]: one["loss"] for one in fit["candidates"]}
                # It is linear there, and nowhere else.
                self.assertLess(10 * loss[layer], min(loss[other] for other in loss if other != layer))

    @unittest.skipIf(numpy is None, "no NumPy")
    def test_a_planted_class_is_found_in_its_layer(self):
        random = numpy.random.default_rng(4)
        texts = [" ".join(random.choice(WORDS, random.integers(4, 13))) for _ in range(400)]
        file = self.write("texts.txt", "".join(text + "\n" for text in texts))
        states = self.array("-f", file, "--layer", "4").astype(numpy.float64)
        scores = (states - states.mean(axis=0)) / states.std(axis=0) @ random.standard_normal(states.shape[1])
        names = numpy.where(scores > numpy.median(scores), "with", "without").tolist()
        fit = self.fit(self.write("data.jsonl", [{"text": t, "label": c} for t, c in zip(texts, names, strict=True)]),
                       "--layer", "auto", "--kind", "ridge", "--l2", "0.0001,0.001,0.01,0.1")
        self.assertEqual(fit["layer"], 4)

    @unittest.skipIf(numpy is None, "no NumPy")
    def test_a_saved_probe_gives_in_numpy_what_it_gives_here(self):
        new = ["The bells of the palace rang.", "The badger slept in his hole.", "The fox ran home."]
        for options in (("--layer", "auto", "--l2", "0.01,0.1"), ("--kind", "ridge"), ("--kind", "mlp", "--l2", "1"),
                        ("--layer", "3", "--pooling", "last", "--no-normalize", "--dimensions", "100", "--l2", "1")):
            with self.subTest(options=options):
                self.fit(KIND, *options)
                saved = self.saved()
                about = saved["config"]["probe"]["text"]
                plain = () if about["normalized"] else ("--no-normalize",)
                x = self.array(*new, "--layer", str(about["layer"]), "--pooling", about["pooling"], "--dimensions",
                               str(saved["config"]["layers"][0]["in"]), *plain).astype(numpy.float64)
                for i, layer in enumerate(saved["config"]["layers"]):
                    x = x @ numpy.array(saved["tensors"][f"layers.{i}.weight"]).T + numpy.array(saved["tensors"][f"layers.{i}.bias"])
                    x = {"none": lambda z: z, "tanh": numpy.tanh, "sigmoid": lambda z: 1 / (1 + numpy.exp(-z))}[layer["activation"]](x)
                wanted = x if x.shape[1] == 2 else numpy.hstack([1 - x, x])
                said = json.loads(self.answer("probe", "predict", self.path("p.json"), *new, "--json"))
                scores = [one.get("probabilities", one.get("outputs")) for one in said]
                numpy.testing.assert_allclose(scores, wanted, rtol=0, atol=1e-12)
                self.assertEqual([one["class"] for one in said], [["animals", "court"][i] for i in wanted.argmax(axis=1)])

    def test_tales_of_animals_and_of_courts_are_told_apart(self):
        fit = self.fit(KIND, "--layer", "auto")
        kept = min(fit["candidates"], key=lambda one: one["loss"])
        self.assertEqual(kept["layer"], str(fit["layer"]))
        self.assertGreater(kept["accuracy"], 0.9)  # of rows left out; half would be chance
        found = json.loads(self.answer("probe", "eval", self.path("p.json"), KIND, "--json"))
        self.assertEqual(found, fit["fitted"])
        text = self.answer("probe", "predict", self.path("p.json"), "The badger slept in his hole.",
                           "The emperor of China lived in a porcelain palace.")
        self.assertEqual([line.split("\t")[0] for line in text.splitlines()], ["animals", "court"])

    def test_texts_to_predict_come_from_arguments_files_and_stdin(self):
        self.fit(KIND, "--l2", "0.1")
        probe = self.path("p.json")
        wanted = self.answer("probe", "predict", probe, *TEXTS, "[a, b]")
        lines = "\n".join([*TEXTS, "[a, b]"])
        self.assertEqual(self.answer("probe", "predict", probe, "-f", self.write("t.txt", lines)), wanted)
        self.assertEqual(self.answer("probe", "predict", probe, "-t", "2", stdin=lines.encode()), wanted)
        self.assertEqual(wanted.count("\n"), 4)

    def test_a_probe_knows_its_model(self):
        self.fit(KIND, "--l2", "0.1")
        probe, tales = self.path("p.json"), os.path.join(SOURCE, "models/tales-3m")
        wanted = self.answer("probe", "predict", probe, *TEXTS)
        self.assertEqual(self.answer("probe", "predict", probe, "-m", tales, *TEXTS), wanted)
        self.answer("convert", tales, self.path("f32"), "--dtype", "f32", "-q")
        self.assertEqual(self.answer("probe", "predict", probe, "-m", self.path("f32"), *TEXTS), wanted)
        self.refused(3, "probe", "predict", probe, "-m", TINY, "a", says=["does not fit", "width 24", "width 256", "tales-3m"])
        self.refused(3, "probe", "eval", probe, "-m", TINY, KIND, says=["does not fit"])
        saved = self.saved()
        model = saved["config"]["probe"]["text"]["model"]
        model["fingerprint"] = model["fingerprint"][1:] + model["fingerprint"][:1]  # as another model's
        other = self.write("other.json", json.dumps(saved))
        self.refused(3, "probe", "predict", other, "a", says=["another model", "tales-3m"])
        for change, says in (({"layer": 9}, "no model has"), ({"layer": "top"}, "top"), ({"pooling": "none"}, "no model has"),
                             ({"layer": None}, "layer"), ({"normalized": 1}, "normalized"), ({"model": {}}, "name")):
            with self.subTest(says=says, change=change):
                bad = self.saved()
                bad["config"]["probe"]["text"].update(change)
                self.refused(3, "probe", "predict", self.write("bad.json", json.dumps(bad)), "a", says=[says])

    def test_what_is_wrong_with_examples_is_said_with_file_and_line(self):
        good = [{"text": f"The {word} ran.", "label": i % 2} for i, word in enumerate(WORDS[:20])]
        for change, says in ((lambda row: row.pop("label"), '"label"'), (lambda row: row.pop("text"), '"text"'),
                             (lambda row: row.update(text=5), "string"), (lambda row: row.update(label=[1]), "label"),
                             (lambda row: row.update(label="b"), "another type"),
                             (lambda row: row.update(text="fox " * 600), "longer than the context")):
            rows = json.loads(json.dumps(good))
            change(rows[6])
            with self.subTest(says=says):
                self.refused(2 if "context" in says else 3, "probe", "fit", self.write("bad.jsonl", rows), "-o", self.path("q.json"),
                             says=["bad.jsonl:7", says])
        rows = [{**row, "label": "same"} for row in good]
        self.refused(3, "probe", "fit", self.write("bad.jsonl", rows), "-o", self.path("q.json"), says=["bad.jsonl", "one class"])
        rows = [{**row, "text": "The same."} for row in good]
        self.refused(3, "probe", "fit", self.write("bad.jsonl", rows), "-o", self.path("q.json"),
                     says=["bad.jsonl", "same value in every example"])
        data = self.write("good.jsonl", good)
        self.refused(3, "probe", "fit", data, "--l2", "0", "-o", self.path("q.json"), says=["good.jsonl", "singular"])
        self.refused(2, "probe", "fit", data, "--layer", "9", "-o", self.path("q.json"), says=["layer", "0 to 5"])
        self.refused(2, "probe", "fit", data, "--pooling", "none", "-o", self.path("q.json"), says=["--pooling"])
        self.refused(2, "probe", "fit", data, "-m", TINY, "-o", self.path("q.json"), says=["tokenizer"])
        self.refused(2, "probe", "fit", data, "--folds", "21", "-o", self.path("q.json"), says=["folds"])
        vectors = self.write("v.jsonl", [{"x": [float(i), i * i], "y": i % 3} for i in range(20)])
        self.refused(2, "probe", "fit", vectors, "--layer", "1", "-o", self.path("q.json"), says=["--layer", "texts"])
        self.assertFalse(os.path.exists(self.path("q.json")))

        self.fit(vectors)
        self.refused(3, "probe", "eval", self.path("p.json"), data, says=["p.json", "no texts"])
        self.refused(3, "probe", "predict", self.path("p.json"), "-f", data, says=["p.json", "no texts"])
        self.refused(2, "probe", "predict", self.path("p.json"), says=["INPUT"])
        self.fit(KIND, "--l2", "1")
        self.refused(3, "probe", "eval", self.path("p.json"), vectors, says=["v.jsonl:1", "allowed 256"])
        self.refused(3, "probe", "eval", self.path("p.json"), self.write("e.jsonl", [{"text": "a", "label": "court"}, {"text": "b", "label": "odd"}]),
                     says=["e.jsonl:2", "odd"])
        self.refused(2, "probe", "predict", self.path("p.json"), "a", "--ly", "1", says=["--ly"])


if __name__ == "__main__":
    unittest.main()
