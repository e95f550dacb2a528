#!/usr/bin/python3
"""tools/parity.py names the right tensor for every planted fault, and nothing where there is none.

Some faults are planted in the model (tools/faults.py: an engine can be given the same), some in the
reference's own steps, which then play the faulty engine.
"""
import math
import os
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import paths
import faults
import make_tiny
import numpy as np
import parity
import reference
from tensorfile import read_safetensors, write_safetensors

TOLERANCE = 1e-4  # of the comparison; a clean run in f32 is 100 times nearer, a fault 10 times further


def fixture(name):
    return reference.read_model(os.path.join(paths.MODELS, name))


IDS = [66, 3, 17, 17, 40, 8, 25, 51, 2, 0, 9, 33]  # longer than every window


def first_off(want, found):
    row = parity.first_off(parity.compare(want, found, TOLERANCE))
    return row.name if row else None


# fault -> the committed model it is planted in: the first on which it means something.
HOST = dict.fromkeys(faults.FAULTS, "tiny-llama") | {
    "swapped-qk": "tiny-linear-rope", "transposed-o": "tiny-qwen2", "zero-k-bias": "tiny-qwen2",
    "rope-factor": "tiny-linear-rope", "window": "tiny-mistral-window",
}


class FaultsInTheModel(unittest.TestCase):
    def test_every_fault_is_named_at_its_own_tensor(self):
        for fault, (plant, first) in faults.FAULTS.items():
            with self.subTest(fault):
                config, weights = fixture(HOST[fault])
                want = reference.activations(config, weights, IDS)
                config, weights = fixture(HOST[fault])
                plant(config, weights)
                self.assertEqual(first_off(want, reference.activations(config, weights, IDS)), first)

    def test_a_faulty_copy_on_disk_has_the_same_fault(self):
        for fault in ("swapped-qk", "window", "theta", "interleaved-qk"):
            with self.subTest(fault), tempfile.TemporaryDirectory() as folder:
                source = os.path.join(paths.MODELS, HOST[fault])
                done = subprocess.run([sys.executable, "-B", os.path.join(paths.ROOT, "tools", "make_tiny.py"), folder,
                                       "--from", source, "--fault", fault], capture_output=True, text=True, check=True)
                want = reference.activations(*reference.read_model(source), IDS)
                found = reference.activations(*reference.read_model(folder), IDS)
                self.assertEqual(first_off(want, found), done.stdout.strip())

    def test_a_fault_that_would_mean_nothing_is_refused(self):
        for fault, host in (("swapped-qk", "tiny-llama"), ("transposed-o", "tiny-llama"), ("window", "tiny-qwen2"),
                            ("zero-k-bias", "tiny-llama"), ("rope-factor", "tiny-llama"),
                            ("dealt-q-heads", "tiny-linear-rope"), ("reversed-v-heads", "tiny-mistral-window")):
            with self.assertRaises(reference.Refused, msg=fault):
                faults.FAULTS[fault][0](*fixture(host))


# Faults in the computation: what replaces which step of the reference.

TRUE_ROTATE, TRUE_TABLE = reference.rotate, reference.rope_table
TRUE_ATTEND, TRUE_NORM = reference.attend, reference.rms_norm


def interleaved_rotate(x, cos, sin):
    """Dimension 2j turns with 2j + 1."""
    pairs = x.reshape(len(x), -1, cos.shape[1], 2)
    a, b = pairs[..., 0], pairs[..., 1]
    cos, sin = cos[:, None], sin[:, None]
    return np.stack([a * cos - b * sin, b * cos + a * sin], axis=-1).reshape(x.shape)


def late_positions(config, length, d):
    """The first token is at position 1."""
    cos, sin = TRUE_TABLE(config, length + 1, d)
    return cos[1:], sin[1:]


def unscaled_attend(q, k, v, heads, window):
    return TRUE_ATTEND(q * math.sqrt(heads[2]), k, v, heads, window)


def dealt_attend(q, k, v, heads, window):
    """Query head h reads key head h mod G."""
    H, G, d = heads
    dealt = lambda x: x.reshape(len(x), G, d)[:, np.arange(H) % G].reshape(len(x), H * d)
    return TRUE_ATTEND(q, dealt(k), dealt(v), (H, H, d), window)


def open_attend(q, k, v, heads, window):
    """Every token sees those after it too."""
    H, G, d = heads
    k, v = (x.reshape(len(x), G, d).repeat(H // G, axis=1) for x in (k, v))
    scores = np.einsum("thd,shd->ths", q.reshape(len(q), H, d), k) / math.sqrt(d)
    probs = reference.softmax(scores)
    return np.einsum("ths,shd->thd", probs, v).reshape(len(q), H * d), probs


def centred_norm(x, w, eps):
    """LayerNorm's centring in an RMSNorm."""
    return TRUE_NORM(x - x.mean(axis=-1, keepdims=True), w, eps)


def epsilon_outside(x, w, eps):
    """Added to the root instead of under it; a thousandfold, to be seen at 1e-5."""
    return x / (np.sqrt(np.mean(x * x, axis=-1, keepdims=True)) + 1e3 * eps) * w


STEP_FAULTS = (
    ("rope pairs neighbours", "rotate", interleaved_rotate, "layers.0.q_rope"),
    ("positions are off by one", "rope_table", late_positions, "layers.0.q_rope"),
    ("rope turns the other way", "rotate", lambda x, cos, sin: TRUE_ROTATE(x, cos, -sin), "layers.0.q_rope"),
    ("1/sqrt(d) is missing", "attend", unscaled_attend, "layers.0.attn_mixed"),
    ("query heads are dealt out to the key heads", "attend", dealt_attend, "layers.0.attn_mixed"),
    ("no causal mask", "attend", open_attend, "layers.0.attn_mixed"),
    ("the norm centres", "rms_norm", centred_norm, "layers.0.attn_norm"),
    ("epsilon outside the root", "rms_norm", epsilon_outside, "layers.0.attn_norm"),
)


class FaultsInTheSteps(unittest.TestCase):
    def test_every_fault_is_named_at_its_own_tensor(self):
        config, weights = fixture("tiny-llama")
        want = reference.activations(config, weights, IDS)
        for what, step, faulty, first in STEP_FAULTS:
            with self.subTest(what), mock.patch.object(reference, step, faulty):
                self.assertEqual(first_off(want, reference.activations(config, weights, IDS)), first)

    def test_a_window_one_too_short_is_named_in_the_first_layer_that_has_one(self):
        config, weights = fixture("tiny-qwen2-window")  # from layer 1 on
        want = reference.activations(config, weights, IDS)
        config["sliding_window"] -= 1
        self.assertEqual(first_off(want, reference.activations(config, weights, IDS)), "layers.1.attn_mixed")

    def test_a_fault_in_one_late_step_is_named_there(self):
        config, weights = fixture("tiny-llama")
        want = reference.activations(config, weights, IDS)
        for name in want:
            if name != "ids":
                found = {**want, name: want[name] * (1 + 1e-3), "logits": want["logits"] * (1 + 1e-3)}
                self.assertEqual(first_off(want, found), name)


class Comparison(unittest.TestCase):
    def setUp(self):
        self.want = reference.activations(*fixture("tiny-llama3-rope"), IDS)

    def test_the_same_activations_rounded_to_f32_are_within(self):
        found = {name: values.astype(np.float32) for name, values in self.want.items()}
        text, good = parity.report(self.want, found, TOLERANCE)
        self.assertTrue(good)
        self.assertIn(f"same best token at {len(IDS)} of {len(IDS)}", text)
        self.assertLess(max(row.relative for row in parity.compare(self.want, found, TOLERANCE)), 2**-24)

    def test_the_relative_error_is_that_of_the_worst_token_over_its_own_greatest_value(self):
        want = np.array([[3.0, -4.0], [0.0, 1000.0], [2.0, 0.0]])
        row = parity.compare_tensor("embed", want, want + [[0, 0], [0, 5], [0, 0.25]], 0.05)
        self.assertEqual((row.error, row.relative, row.within), (5.0, 0.125, False))
        self.assertIn("token 2, column 1: found 0.25, reference 0", row.note)
        self.assertTrue(parity.compare_tensor("embed", want, want + 0.25, 0.125).within)

    def test_a_vector_is_one_row(self):
        row = parity.compare_tensor("pooled", np.array([4.0, 0.0]), np.array([4.0, 0.5]), 0.2)
        self.assertEqual((row.relative, row.within), (0.125, True))

    def test_the_first_wrong_token_is_given_not_the_worst(self):
        want = np.ones((4, 2))
        found = want + [[0, 0], [0, 0.1], [9, 9], [0, 0]]
        self.assertIn("token 1, column 1", parity.compare_tensor("embed", want, found, TOLERANCE).note)

    def test_what_cannot_be_compared_is_off(self):
        nan = self.want["layers.0.v"].copy()
        nan[3, 2] = np.nan
        missing = {name: values for name, values in self.want.items() if name != "layers.0.v"}
        for found in ({**self.want, "layers.0.v": nan}, {**self.want, "layers.0.v": nan * np.inf}, missing,
                      {**self.want, "layers.0.v": self.want["layers.0.v"][:, 1:]}):
            self.assertEqual(first_off(self.want, found), "layers.0.v")
            self.assertFalse(parity.report(self.want, found, 1e9)[1])
        row = parity.compare_tensor("layers.0.v", self.want["layers.0.v"], nan, TOLERANCE)
        self.assertEqual(row.relative, np.inf)
        self.assertIn("token 3, column 2: found nan", row.note)

    def test_other_tokens_are_named_before_anything_else(self):
        found = {**self.want, "ids": self.want["ids"] + np.int32([0] * 11 + [1])}
        row = parity.first_off(parity.compare(self.want, found, 1e9))
        self.assertEqual(row.name, "ids")

    def test_zeros_match_only_zeros(self):
        zero = np.zeros((2, 2))
        self.assertTrue(parity.compare_tensor("embed", zero, zero, TOLERANCE).within)
        self.assertFalse(parity.compare_tensor("embed", zero, zero + 1e-30, TOLERANCE).within)

    def test_rows_come_in_the_order_of_the_pass_whatever_the_file_s(self):
        shuffled = dict(sorted(self.want.items(), reverse=True))
        names = [row.name for row in parity.compare(shuffled, self.want, TOLERANCE)]
        self.assertEqual(names, list(self.want))
        self.assertLess(parity.order("layers.2.out"), parity.order("layers.10.q"))

    def test_tensors_that_only_the_engine_has_do_not_count(self):
        found = {**self.want, "layers.0.attn_probs": np.zeros((12, 6, 12))}
        self.assertIsNone(first_off(self.want, found))

    def test_divergence_of_known_distributions(self):
        want, found = np.log([[0.5, 0.5], [0.9, 0.1]]), np.log([[0.25, 0.75], [0.9, 0.1]]) + 7
        same, kl = parity.agreement(want, found)
        self.assertEqual(same, 1)
        self.assertAlmostEqual(kl, (0.5 * math.log(2) + 0.5 * math.log(0.5 / 0.75)) / 2, 14)


# Stands in for the engine: `run --ids I -n 0 --dump F` by the reference on the model $FAKE_MODEL.
FAKE_ENGINE = """#!{python} -B
import os, sys
sys.path.insert(0, {tools!r})
import reference
from tensorfile import write_safetensors
word = dict(zip(sys.argv, sys.argv[1:]))
if sys.argv[1] == "tokenize":
    print("[1, 2, 3]")
elif sys.argv[1] == "run" and word["-n"] == "0" and word["--cache-type"] == "f32":
    ids = [int(i) for i in word["--ids"].split(",")]
    found = reference.activations(*reference.read_model(os.environ.get("FAKE_MODEL") or word["-m"]), ids)
    write_safetensors(word["--dump"], found)
else:
    sys.exit("kinglet: error: no such thing")
"""


class Command(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.at = lambda name: os.path.join(folder.name, name)
        self.model = os.path.join(paths.MODELS, "tiny-llama")
        with open(self.at("kinglet"), "w", encoding="utf-8") as file:
            file.write(FAKE_ENGINE.format(python=sys.executable, tools=os.path.join(paths.ROOT, "tools")))
        os.chmod(self.at("kinglet"), 0o755)

    def parity(self, *arguments, model=""):
        return subprocess.run([sys.executable, "-B", os.path.join(paths.ROOT, "tools", "parity.py"), *arguments],
                              capture_output=True, text=True, check=False, env={**os.environ, "FAKE_MODEL": model})

    def test_two_files_exit_with_0_or_4(self):
        write_safetensors(self.at("a"), reference.activations(*fixture("tiny-llama"), [1, 2, 3]))
        write_safetensors(self.at("b"), reference.activations(*fixture("tiny-llama"), [1, 2, 4]))
        self.assertEqual(self.parity(self.at("a"), self.at("a")).returncode, 0)
        done = self.parity(self.at("a"), self.at("b"))
        self.assertEqual(done.returncode, 4)
        self.assertIn("parity: first off: ids (token 2, column 0: found 4, reference 3)", done.stdout)

    def test_an_engine_is_run_and_its_fault_named(self):
        for how in (["--ids", "1,2,3"], ["--text", "once"]):
            done = self.parity("--kinglet", self.at("kinglet"), "-m", self.model, *how)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("32 tensors within 0.0001", done.stdout)
        make_tiny.write_faulty(self.model, "swapped-gate-up", self.at("faulty"))
        arguments = ["--kinglet", self.at("kinglet"), "-m", self.model, "--ids", "1,2,3"]
        done = self.parity(*arguments, model=self.at("faulty"))
        self.assertEqual(done.returncode, 4)
        self.assertIn("parity: first off: layers.0.mlp_gate", done.stdout)
        done = self.parity(*arguments, "--logits-only", model=self.at("faulty"))
        self.assertIn("parity: first off: logits", done.stdout)

    def test_the_reference_can_be_kept(self):
        self.parity("--kinglet", self.at("kinglet"), "-m", self.model, "--ids", "1", "--save-reference", self.at("r"))
        self.assertEqual(read_safetensors(self.at("r"))["logits"].shape, (1, 67))

    def test_failures_are_one_line_with_their_exit_code(self):
        with open(self.at("file.gguf"), "wb") as file:
            file.write(b"GGUF")
        for code, arguments in (
                (1, ["--kinglet", self.at("nowhere"), "-m", self.at("file.gguf"), "--ids", "1"]),
                (1, ["--kinglet", self.at("kinglet"), "-m", self.at("file.gguf"), "--ids", "1"]),
                (1, [self.at("nowhere"), self.at("file.gguf")]),
                (3, [self.at("file.gguf"), self.at("file.gguf")]),
                (3, ["--kinglet", self.at("kinglet"), "-m", self.model, "--ids", "67"])):
            done = self.parity(*arguments)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertRegex(done.stderr, r"\Aparity\.py: error: [^\n]+\n\Z")
        self.assertEqual(self.parity().returncode, 2)
        self.assertEqual(self.parity("--kinglet", "k", "-m", "m").returncode, 2)


if __name__ == "__main__":
    unittest.main()
