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


if __name__ == "__main__":
    unittest.main()
