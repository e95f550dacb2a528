"""kinglet convert as a user meets it. test_convert.py KINGLET SOURCE_DIR"""
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile

import numpy

KINGLET, SOURCE = sys.argv.pop(1), sys.argv.pop(1)
MODELS = os.path.join(SOURCE, "tests/models")
TINY = os.path.join(MODELS, "tiny-llama")
UNTIED = os.path.join(MODELS, "tiny-untied-bf16")
TALES = os.path.join(SOURCE, "models/tales-3m")
TEXT = "Once upon a time there was a king."


def run(*args, command="convert", **more):
    return subprocess.run([KINGLET, command, *args], capture_output=True, timeout=120, check=False, **more)


def content(path):
    with open(path, "rb") as file:
        return file.read()


def safetensors(path):
    """name -> (dtype, shape, bytes)"""
    data = content(path)
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    return {name: (entry["dtype"], entry["shape"], data[8 + length:][slice(*entry["data_offsets"])])
            for name, entry in header.items()}


def tensors_of(directory):
    """Of all its shards."""
    tensors = {}
    for name in sorted(os.listdir(directory)):
        if name.startswith("model") and name.endswith(".safetensors"):
            tensors.update(safetensors(os.path.join(directory, name)))
    return tensors


def floats(directory, name):
    dtype, shape, data = tensors_of(directory)[name]
    assert dtype == "F32", dtype
    return numpy.frombuffer(data, "<f4").reshape(shape)


class Gguf:
    """Read from its description (docs/gguf.md of ggml-org/ggml), for files without quantised tensors."""
    SIZES = {0: "<u1", 1: "<i1", 2: "<u2", 3: "<i2", 4: "<u4", 5: "<i4", 6: "<f4", 7: "|b1", 10: "<u8", 11: "<i8", 12: "<f8"}

    def __init__(self, path):
        self.data, self.at = content(path), 8
        assert self.data[:4] == b"GGUF"
        tensors, keys = self.number("<u8"), self.number("<u8")
        self.keys = {}
        for _ in range(keys):
            name = self.text()
            self.keys[name] = self.value(self.number("<u4"))
        entries = [(self.text(), [self.number("<u8") for _ in range(self.number("<u4"))], self.number("<u4"),
                    self.number("<u8")) for _ in range(tensors)]
        alignment = self.keys.get("general.alignment", 32)
        begin = (self.at + alignment - 1) // alignment * alignment
        self.tensors = {}
        self.types = {}
        for name, dims, kind, offset in entries:
            self.types[name] = kind
            if kind == 0:
                count = int(numpy.prod(dims))
                self.tensors[name] = numpy.frombuffer(self.data, "<f4", count, begin + offset).reshape(dims[::-1])

    def number(self, kind):
        value = numpy.frombuffer(self.data, kind, 1, self.at)[0]
        self.at += value.itemsize
        return value.item()

    def text(self):
        length = self.number("<u8")
        self.at += length
        return self.data[self.at - length:self.at].decode()

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            element, count = self.number("<u4"), self.number("<u8")
            return [self.value(element) for _ in range(count)]
        return self.number(self.SIZES[kind])


class Convert(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def converts(self, *args, **more):
        done = run(*args, **more)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout.decode(), done.stderr.decode()

    def error(self, code, *args, **more):
        done = run(*args, **more)
        self.assertEqual(done.returncode, code, done.stdout.decode() + done.stderr.decode())
        lines = [line for line in done.stderr.decode().splitlines() if "warning: " not in line]
        self.assertEqual(len(lines), 1, done.stderr.decode())
        return lines[0]

    def same_tensors(self, expected, found):
        expected, found = tensors_of(expected), tensors_of(found)
        self.assertEqual(sorted(expected), sorted(found))
        for name, tensor in expected.items():
            self.assertEqual(found[name][:2], tensor[:2], name)
            self.assertEqual(found[name][2], tensor[2], name)

    def text_of(self, model, ids="5,9,33"):
        done = run("-m", model, "--ids", ids, "-n", "16", "--temp", "0", "--no-stream", command="run")
        if done.returncode != 0:
            done = run("-m", model, "--ids", ids, "-n", "16", "--temp", "0", command="run")
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout

    # ---- round trips ----

    def test_there_and_back_gives_the_same_bits(self):
        for model in sorted(os.listdir(MODELS)):
            source = os.path.join(MODELS, model)
            for name in ("there.gguf", "there.npz", "there.json"):
                with self.subTest(model=model, by=name):
                    types = {entry[0] for entry in tensors_of(source).values()}
                    if not types <= {"there.gguf": {"F32", "F16", "BF16"}, "there.npz": {"F32", "F16"}, "there.json": {"F32"}}[name]:
                        continue  # as f32: the next test
                    there, back = self.path(name), self.path("back")
                    self.converts(source, there, "--force")
                    # Vectors are f32 in GGUF files.
                    own = ["--dtype", types.pop().lower()] if name == "there.gguf" and len(types) == 1 else []
                    self.converts(there, back, "--force", *own)
                    self.same_tensors(source, back)
                    if name != "there.gguf":
                        with open(os.path.join(source, "config.json"), encoding="utf-8") as file:
                            expected = json.load(file)
                        with open(os.path.join(back, "config.json"), encoding="utf-8") as file:
                            found = json.load(file)
                        for config in (expected, found):
                            config.pop("torch_dtype", None), config.pop("dtype", None)
                        self.assertEqual(found, expected)

    def test_bf16_becomes_f32_where_a_format_has_none(self):
        expected = tensors_of(UNTIED)
        for name in ("a.npz", "a.json", "a.bin"):
            with self.subTest(name):
                self.converts(UNTIED, self.path(name))
                self.converts(self.path(name), self.path("back"), "--force", "--to", "safetensors")
                for tensor, (_, shape, data) in expected.items():
                    wide = (numpy.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").reshape(shape)
                    numpy.testing.assert_array_equal(floats(self.path("back"), tensor), wide, tensor)

    def test_a_whole_model_tells_the_same_tale_in_every_format(self):
        self.converts(TALES, self.path("f32"), "--dtype", "f32")
        expected = self.text_of(self.path("f32"))
        for name in ("t.gguf", "t.npz", "t.json"):
            with self.subTest(name):
                _, notes = self.converts(self.path("f32"), self.path(name))
                self.assertIn("every tensor is equal", notes)
                self.assertEqual(self.text_of(self.path(name)), expected)
                tokens = run(TEXT, "-m", self.path(name), "--ids-only", command="tokenize")
                self.assertEqual(tokens.stdout, run(TEXT, "-m", TALES, "--ids-only", command="tokenize").stdout)

    def test_npz_is_what_numpy_reads(self):
        self.converts(TINY, self.path("tiny.npz"))
        with numpy.load(self.path("tiny.npz")) as arrays:
            for name, (_, shape, data) in safetensors(os.path.join(TINY, "model.safetensors")).items():
                self.assertEqual(list(arrays[name].shape), shape)
                self.assertEqual(arrays[name].tobytes(), data, name)
        with zipfile.ZipFile(self.path("tiny.npz")) as archive:
            self.assertIsNone(archive.testzip())  # the CRC of every member
            self.assertEqual(json.loads(archive.read("config.json"))["hidden_size"], 24)

    def test_what_numpy_writes_is_read(self):
        tensors = {}
        for name, (_, shape, data) in safetensors(os.path.join(TINY, "model.safetensors")).items():
            tensors[name] = numpy.frombuffer(data, "<f4").reshape(shape)
        numpy.savez(self.path("arrays.npz"), **tensors)
        with zipfile.ZipFile(self.path("arrays.npz"), "a") as archive:
            archive.write(os.path.join(TINY, "config.json"), "config.json")
        self.converts(self.path("arrays.npz"), self.path("back"))
        self.same_tensors(TINY, self.path("back"))
        numpy.savez_compressed(self.path("packed.npz"), **tensors)
        self.assertIn("compressed", self.error(3, self.path("packed.npz"), self.path("x")))

    def test_llama2c_is_written_as_its_export_does(self):
        self.converts(UNTIED, self.path("a.bin"))
        data = content(self.path("a.bin"))
        D, F, L, H, G, V, S = struct.unpack("<7i", data[:28])
        self.assertEqual((D, F, L, H, G, V, S), (64, 64, 1, 8, 2, -67, 64))
        self.converts(UNTIED, self.path("f32"), "--dtype", "f32")
        values = numpy.frombuffer(data[28:], "<f4")
        d, at = D // H, 0

        def take(*shape):
            nonlocal at
            at += int(numpy.prod(shape))
            return values[at - int(numpy.prod(shape)):at].reshape(shape)

        def interleaved(matrix):
            rows, width = matrix.shape
            return matrix.reshape(rows // d, 2, d // 2, width).transpose(0, 2, 1, 3).reshape(rows, width)

        def tensor(name):
            return floats(self.path("f32"), name)

        layer = "model.layers.0."
        expected = [(tensor("model.embed_tokens.weight"), (67, D)), (tensor(layer + "input_layernorm.weight"), (D,)),
                    (interleaved(tensor(layer + "self_attn.q_proj.weight")), (D, D)),
                    (interleaved(tensor(layer + "self_attn.k_proj.weight")), (G * d, D)),
                    (tensor(layer + "self_attn.v_proj.weight"), (G * d, D)),
                    (tensor(layer + "self_attn.o_proj.weight"), (D, D)),
                    (tensor(layer + "post_attention_layernorm.weight"), (D,)),
                    (tensor(layer + "mlp.gate_proj.weight"), (F, D)), (tensor(layer + "mlp.down_proj.weight"), (D, F)),
                    (tensor(layer + "mlp.up_proj.weight"), (F, D)), (tensor("model.norm.weight"), (D,))]
        for wanted, shape in expected:
            numpy.testing.assert_array_equal(take(*shape), wanted)
        angles = numpy.outer(numpy.arange(S), 10000.0 ** (-2.0 * numpy.arange(d // 2) / d))
        numpy.testing.assert_allclose(take(S, d // 2), numpy.cos(angles), atol=1e-6)
        numpy.testing.assert_allclose(take(S, d // 2), numpy.sin(angles), atol=1e-6)
        numpy.testing.assert_array_equal(take(67, D), tensor("lm_head.weight"))
        self.assertEqual(at, len(values))

    def test_llama2c_refuses_what_it_cannot_say(self):
        for model, says in (("tiny-llama", "head_dim"), ("tiny-qwen2", "model_type"), ("tiny-linear-rope", "rope"),
                            ("tiny-mistral-window", "model_type")):
            self.assertIn(says, self.error(3, os.path.join(MODELS, model), self.path("a.bin")))
        self.assertIn("allowed f32", self.error(2, UNTIED, self.path("a.bin"), "--dtype", "q8_0"))
        self.assertEqual(os.listdir(self.folder.name), [])

    def test_tokenizer_bin_is_made_beside_and_never_replaces_another(self):
        vectors = os.path.join(SOURCE, "../shared/data/models/stories260K")
        if not os.path.isdir(vectors):
            self.skipTest("needs ../shared/data/models/stories260K")
        os.mkdir(self.path("a"))
        self.converts(os.path.join(vectors, "stories260K.gguf"), self.path("a/s.bin"))
        self.assertEqual(content(self.path("a/tokenizer.bin")), content(os.path.join(vectors, "tok512.bin")))
        self.converts(os.path.join(vectors, "stories260K.bin"), self.path("a/s.bin"), "--force")
        original = content(os.path.join(vectors, "stories260K.bin"))
        tables = 512 * 4 * 2 * 4  # positions, half a head, two tables of f32: not used by anybody
        self.assertEqual(content(self.path("a/s.bin"))[:-tables], original[:-tables])
        with open(self.path("a/tokenizer.bin"), "wb") as file:
            file.write(b"another one")
        self.assertIn("--force", self.error(2, os.path.join(vectors, "stories260K.gguf"), self.path("a/t.bin")))
        self.assertEqual(content(self.path("a/tokenizer.bin")), b"another one")
        self.assertIn("tokenizer.bin", self.error(2, UNTIED, self.path("a/u.bin"), "--force"))

    def test_kinglet_json_keeps_every_bit(self):
        values = numpy.array([0.1, -0.0, 1e-45, 3.4028235e38, 1.17549435e-38, 16777217, -1, 0], "<f4")
        numpy.savez(self.path("x.npz"), **{"model.norm.weight": values, "deep": numpy.arange(24, dtype="<f4").reshape(2, 3, 4)})
        self.converts(self.path("x.npz"), self.path("x.json"), "--allow-unknown")
        with open(self.path("x.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["tensors"]["deep"], numpy.arange(24.0).reshape(2, 3, 4).tolist())
        self.converts(self.path("x.json"), self.path("back"), "--allow-unknown")
        self.assertEqual(floats(self.path("back"), "model.norm.weight").tobytes(), values.tobytes())
        self.assertEqual(floats(self.path("back"), "deep").shape, (2, 3, 4))

    # ---- safe output ----

    def test_two_runs_give_the_same_bytes(self):
        for name, *options in (("a.gguf", "--dtype", "q4_k_m"), ("a.npz",), ("a.json",)):
            for place in ("1", "2"):
                os.makedirs(self.path(place), exist_ok=True)
                self.converts(TALES, self.path(os.path.join(place, name)), *options)
            self.assertEqual(content(self.path("1/" + name)), content(self.path("2/" + name)), name)

    def test_a_dry_run_writes_nothing(self):
        for name in ("a.gguf", "a.npz", "a.json", "directory"):
            plan = json.loads(self.converts(TINY, self.path(name), "--dry-run", "--json")[0])
            self.assertEqual(len(plan["tensors"]), 21)
            self.assertEqual(os.listdir(self.folder.name), [])
            self.converts(TINY, self.path(name))
            if name != "directory":
                self.assertEqual(os.path.getsize(self.path(name)), plan["bytes"], name)
            shutil.rmtree(self.folder.name)
            os.mkdir(self.folder.name)
        table = self.converts(TALES, self.path("a.gguf"), "--dry-run", "--dtype", "q4_k_m")[0]
        self.assertRegex(table, r"blk\.0\.attn_q\.weight +\w+ +q4_k ")

    def test_an_output_that_is_there_stays(self):
        with open(self.path("a.gguf"), "wb") as file:
            file.write(b"older")
        self.assertIn("--force", self.error(2, TINY, self.path("a.gguf")))
        self.assertEqual(content(self.path("a.gguf")), b"older")
        self.converts(TINY, self.path("a.gguf"), "--force")
        self.assertEqual(content(self.path("a.gguf"))[:4], b"GGUF")

    def test_the_input_is_never_the_output(self):
        copy = self.path("model")
        shutil.copytree(TINY, copy)
        os.symlink(copy, self.path("link"))
        for out in (copy, os.path.join(copy, "model.safetensors"), self.path("link"), self.folder.name):
            self.error(2, copy, out, "--force")
        self.converts(copy, self.path("a.gguf"))
        before = content(self.path("a.gguf"))
        self.error(2, self.path("a.gguf"), self.path("a.gguf"), "--force", "--dtype", "q8_0")
        self.assertEqual(content(self.path("a.gguf")), before)
        self.same_tensors(TINY, copy)

    def test_a_full_disk_leaves_what_was_there(self):
        older = b"older" * 100
        for name in ("a.gguf", "a.npz"):
            with open(self.path(name), "wb") as file:
                file.write(older)
            limit = 200_000

            def small():
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

            self.error(1, TALES, self.path(name), "--force", "--quiet", preexec_fn=small)
            self.assertEqual(content(self.path(name)), older)
            self.assertEqual(sorted(os.listdir(self.folder.name)), sorted([name]))
            os.remove(self.path(name))

    def interrupted(self, name, *options):
        """A conversion that Ctrl-C ended after it began to write."""
        for _ in range(20):
            process = subprocess.Popen([KINGLET, "convert", TALES, self.path(name), *options],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            begin = time.monotonic()
            while not os.path.exists(self.path(name + ".partial")) and time.monotonic() < begin + 60 and process.poll() is None:
                time.sleep(0.001)
            process.send_signal(signal.SIGINT)
            _, notes = process.communicate(timeout=60)
            if process.returncode == 130:
                return notes.decode()
            self.assertEqual(process.returncode, 0)  # it was done already
            os.remove(self.path(name))
        self.fail("never interrupted while it wrote")

    def test_an_interrupted_run_goes_on_to_the_same_bytes(self):
        for name, *options in (("a.gguf", "--dtype", "q2_k"), ("a.npz", "--dtype", "f32")):
            with self.subTest(name):
                os.mkdir(self.path("whole"))
                self.converts(TALES, self.path("whole/" + name), *options)
                notes = self.interrupted(name, *options)
                self.assertIn("--resume", notes)
                self.assertFalse(os.path.exists(self.path(name)))
                self.assertTrue(os.path.exists(self.path(name + ".partial.journal")))
                other = self.error(2, TALES, self.path(name), "--resume", "--dtype", "f16")
                self.assertIn("other options", other)
                self.converts(TALES, self.path(name), "--resume", *options)
                self.assertEqual(content(self.path(name)), content(self.path("whole/" + name)))
                self.assertEqual([entry for entry in os.listdir(self.folder.name) if "partial" in entry], [])
                shutil.rmtree(self.path("whole"))

    def test_a_run_without_resume_begins_anew(self):
        self.interrupted("a.gguf", "--dtype", "q2_k")
        self.converts(TALES, self.path("a.gguf"), "--dtype", "q8_0")
        self.converts(TALES, self.path("b.gguf"), "--dtype", "q8_0")
        self.assertEqual(content(self.path("a.gguf")), content(self.path("b.gguf")))

    def test_the_order_of_system_calls(self):
        strace = shutil.which("strace")
        if strace is None:
            self.skipTest("needs strace")
        trace = self.path("trace")
        done = subprocess.run([strace, "-f", "-y", "-o", trace, "-e", "trace=fsync,fdatasync,rename,renameat,renameat2,write,pwrite64,ftruncate",
                               KINGLET, "convert", TINY, self.path("a.gguf")], capture_output=True, timeout=120, check=False)
        if done.returncode != 0 and b"ptrace" in done.stderr:
            self.skipTest("strace may not trace here")
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        with open(trace, encoding="utf-8") as file:
            calls = [line for line in file if "a.gguf" in line or "fsync" in line]
        partial, folder = re.escape(self.path("a.gguf.partial")), re.escape(self.folder.name)

        def last(pattern):
            found = [i for i, line in enumerate(calls) if re.search(pattern, line)]
            self.assertTrue(found, f"{pattern} in\n{''.join(calls)}")
            return found[-1]

        written = last(rf"write\(\d+<{partial}>")
        synced = last(rf"fsync\(\d+<{partial}>\) += 0")
        renamed = last(rf"rename.*\.partial\".*a\.gguf\".*= 0")
        directory = next(i for i, line in enumerate(calls) if i > renamed and re.search(rf"fsync\(\d+<{folder}>\) += 0", line))
        self.assertLess(written, synced)
        self.assertLess(synced, renamed)
        self.assertLess(renamed, directory)

    # ---- verification ----

    def test_the_manifest_has_the_digest_of_every_tensor(self):
        self.converts(TINY, self.path("out"))
        with open(self.path("out/manifest.json"), encoding="utf-8") as file:
            manifest = json.load(file)
        tensors = safetensors(self.path("out/model.safetensors"))
        self.assertEqual(sorted(manifest["tensors"]), sorted(tensors))
        for name, (_, _, data) in tensors.items():
            self.assertEqual(manifest["tensors"][name]["sha256"], hashlib.sha256(data).hexdigest(), name)
        self.converts(TINY, self.path("a.gguf"))
        with open(self.path("a.gguf.manifest.json"), encoding="utf-8") as file:
            in_gguf = json.load(file)
        for name in tensors:  # the same order of rows, as kinglet reads them
            self.assertEqual(in_gguf["tensors"][name]["sha256"], manifest["tensors"][name]["sha256"], name)

    def test_the_error_table_is_right(self):
        report = json.loads(self.converts(TINY, self.path("a"), "--dtype", "bf16", "--json")[0])
        self.assertTrue(report["verified"])
        self.converts(self.path("a"), self.path("b"), "--dtype", "f32")
        for tensor in report["tensors"]:
            before = numpy.frombuffer(safetensors(os.path.join(TINY, "model.safetensors"))[tensor["name"]][2], "<f4").astype(float)
            after = floats(self.path("b"), tensor["name"]).ravel().astype(float)
            self.assertAlmostEqual(tensor["relative"], numpy.sqrt(((after - before) ** 2).sum() / (before ** 2).sum()), places=12)
            self.assertAlmostEqual(tensor["largest"], abs(after - before).max(), places=12)
            self.assertAlmostEqual(tensor["cosine"], before @ after / numpy.linalg.norm(before) / numpy.linalg.norm(after), places=12)

    def test_a_conversion_that_loses_too_much_fails(self):
        """One outlier in a block takes the others' precision: more than the type's limit."""
        self.converts(UNTIED, self.path("model"))
        path = self.path("model/model.safetensors")
        tensors = safetensors(path)
        header, data = {}, b""
        for name, (dtype, shape, values) in tensors.items():
            if name.endswith("q_proj.weight"):
                wide = numpy.zeros(numpy.prod(shape), "<u2")
                wide[:] = 0x3f80  # 1
                wide[::32] = 0x7f00  # 1.7e38: its scale is infinite in f16
                values = wide.tobytes()
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
            data += values
        text = json.dumps(header).encode()
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + data)
        done = run(self.path("model"), self.path("a.gguf"), "--dtype", "q8_0")
        self.assertEqual(done.returncode, 4, done.stderr.decode())
        self.assertIn("q_proj", done.stderr.decode())
        self.assertFalse(os.path.exists(self.path("a.gguf")))
        self.assertTrue(os.path.exists(self.path("a.gguf.failed")))

    def test_weights_that_are_not_finite_are_named(self):
        for value, text in ((numpy.nan, "nan"), (-numpy.inf, "-inf")):
            weights = numpy.ones((4, 8), "<f4")
            weights[2, 5] = value
            numpy.savez(self.path("x.npz"), **{"model.norm.weight": numpy.ones(8, "<f4"), "lm_head.weight": weights})
            message = self.error(3, self.path("x.npz"), self.path("x"), "--allow-unknown", "--force")
            self.assertIn("lm_head.weight", message)
            self.assertIn(text + " at [2, 5]", message)
            self.converts(self.path("x.npz"), self.path("x"), "--allow-unknown", "--allow-nan", "--force")
            self.assertEqual(floats(self.path("x"), "lm_head.weight").tobytes(), weights.tobytes())
            self.assertIn("JSON", self.error(3, self.path("x.npz"), self.path("x.json"), "--allow-unknown", "--allow-nan"))

    def test_unknown_tensors_are_an_error_unless_allowed(self):
        self.converts(TINY, self.path("a.npz"))
        with numpy.load(self.path("a.npz")) as arrays:
            tensors = {name: arrays[name] for name in arrays.files if not name.endswith(("json", "jinja"))}
        tensors["model.layers.0.mystery"] = numpy.arange(6, dtype="<i4").reshape(2, 3)
        numpy.savez(self.path("b.npz"), **tensors)
        with zipfile.ZipFile(self.path("b.npz"), "a") as archive:
            archive.write(os.path.join(TINY, "config.json"), "config.json")
        self.assertIn("'model.layers.0.mystery'", self.error(3, self.path("b.npz"), self.path("b")))
        self.converts(self.path("b.npz"), self.path("b"), "--allow-unknown")
        dtype, shape, data = safetensors(self.path("b/model.safetensors"))["model.layers.0.mystery"]
        self.assertEqual((dtype, shape, data), ("I32", [2, 3], numpy.arange(6, dtype="<i4").tobytes()))

    # ---- types ----

    def test_the_first_rule_that_fits_gives_the_type(self):
        plan = json.loads(self.converts(UNTIED, self.path("a.gguf"), "--dry-run", "--json", "--dtype", "q8_0",
                                        "--tensor-dtype", r"layers\.0\..*v_proj=f16", "--tensor-dtype", "attn_=q4_0")[0])
        types = {tensor["source"]: tensor["to"] for tensor in plan["tensors"]}
        self.assertEqual(types["model.layers.0.self_attn.v_proj.weight"], "f16")
        self.assertEqual(types["model.layers.0.self_attn.q_proj.weight"], "q4_0")  # by its name in the target
        self.assertEqual(types["model.layers.0.mlp.up_proj.weight"], "q8_0")
        self.assertEqual(types["model.norm.weight"], "f32")
        for rule in ("no type", "(=q8_0", "x=q9"):
            self.assertIn("--tensor-dtype", self.error(2, UNTIED, self.path("a.gguf"), "--tensor-dtype", rule))

    def test_usage(self):
        self.assertIn("OUT", self.error(2, TINY))
        self.assertIn("--dtype", self.error(2, TINY, self.path("a.gguf"), "--dtype", "q9_9"))
        self.assertIn("--to", self.error(2, TINY, self.path("a"), "--to", "onnx"))
        self.assertIn("nowhere", self.error(3, self.path("nowhere"), self.path("a.gguf")))
        self.error(1, TINY, self.path("no/such/folder/a.gguf"))
        with open(self.path("bad.gguf"), "wb") as file:
            file.write(b"GGUF but no more")
        self.error(3, self.path("bad.gguf"), self.path("a.gguf"))
        self.assertEqual(os.listdir(self.folder.name), ["bad.gguf"])

    # ---- importance and sensitivity ----

    def imatrix(self, *args):
        done = run("-p", TEXT, "-m", TALES, "--imatrix", self.path("im.gguf"), *args, command="score")
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return Gguf(self.path("im.gguf"))

    def test_an_importance_matrix_has_the_sums_of_squares(self):
        matrix = self.imatrix()
        self.assertEqual(matrix.keys["general.type"], "imatrix")
        ids = json.loads(run(TEXT, "--ids-only", "--add-special", "-m", TALES, command="tokenize").stdout)
        dump = self.path("dump.safetensors")
        done = run("--ids", ",".join(map(str, ids)), "-m", TALES, "--dump", dump, command="embed")
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        activations = safetensors(dump)
        for layer in (0, 4):
            for name, ours in (("attn_q", "attn_norm"), ("ffn_up", "mlp_norm")):
                key = f"layers.{layer}.{ours}"
                self.assertIn(key, activations.keys())
                _, shape, data = activations[key]
                rows = numpy.frombuffer(data, "<f4").reshape(shape).astype(float)
                count = int(matrix.tensors[f"blk.{layer}.{name}.weight.counts"].ravel()[0])
                self.assertEqual(count, len(ids) - 1)  # the last token is only predicted
                numpy.testing.assert_allclose(matrix.tensors[f"blk.{layer}.{name}.weight.in_sum2"].ravel(),
                                              (rows[:count] ** 2).sum(0), rtol=1e-2, atol=1e-4, err_msg=key)

    def test_an_importance_matrix_guides_the_rounding(self):
        self.imatrix()
        for place, more in (("plain.gguf", ()), ("guided.gguf", ("--imatrix", self.path("im.gguf")))):
            self.converts(TALES, self.path(place), "--dtype", "q4_k_m", *more)
        self.assertEqual(os.path.getsize(self.path("plain.gguf")), os.path.getsize(self.path("guided.gguf")))
        self.assertNotEqual(content(self.path("plain.gguf")), content(self.path("guided.gguf")))
        self.assertIn("does not fit", self.error(3, UNTIED, self.path("x.gguf"), "--dtype", "q4_0", "--imatrix", self.path("im.gguf")))

    def test_sensitivity_ranks_and_writes_nothing(self):
        table = self.converts(UNTIED, "--sensitivity")[0].splitlines()
        values = [float(line.split()[3]) for line in table[1:]]
        self.assertEqual(len(values), 9)
        self.assertEqual(values, sorted(values, reverse=True))
        report = json.loads(self.converts(UNTIED, "--sensitivity", "--json")[0])
        self.assertEqual([f"{entry['kl']:.2e}" for entry in report["sensitivity"]], [f"{value:.2e}" for value in values])
        self.assertEqual(os.listdir(self.folder.name), [])
        both = json.loads(self.converts(UNTIED, self.path("a.gguf"), "--sensitivity", "--target-bpw", "6", "--dry-run", "--json")[0])
        chosen = {entry["name"]: entry["chosen"] for entry in both["sensitivity"]}
        for tensor in both["tensors"]:
            if tensor["source"] in chosen:
                self.assertEqual(tensor["to"], chosen[tensor["source"]])

    def test_a_size_is_kept_or_refused(self):
        self.converts(UNTIED, self.path("a.gguf"), "--target-size", "30kB")
        self.assertLessEqual(os.path.getsize(self.path("a.gguf")), 30_000)
        self.assertGreater(os.path.getsize(self.path("a.gguf")), 27_000)
        self.assertIn("at least", self.error(2, UNTIED, self.path("b.gguf"), "--target-size", "1kB"))
        self.assertIn("at least", self.error(2, UNTIED, self.path("b.gguf"), "--target-bpw", "1.5"))
        self.assertIn("--dtype", self.error(2, UNTIED, self.path("b.gguf"), "--target-bpw", "6", "--dtype", "q8_0"))
        self.assertIn("GGUF", self.error(2, UNTIED, self.path("b"), "--target-bpw", "6"))
        for size in ("", "MB", "-1MB", "80 QB", "1e40GB", "nan"):
            self.assertIn("--target-size", self.error(2, UNTIED, self.path("b.gguf"), "--target-size", size))


if __name__ == "__main__":
    unittest.main()
