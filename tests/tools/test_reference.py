#!/usr/bin/python3
"""tools/reference.py on numbers small enough to check by eye, and on the committed models.

That it agrees with transformers was checked once (its head says how); these tests keep it so.
"""
import math
import os
import subprocess
import sys
import tempfile
import unittest

import paths
import make_tiny
import numpy as np
import reference
from tensorfile import read_safetensors, write_safetensors


def model(line):
    """(config, weights) of a random model, by make_tiny's options."""
    o = make_tiny.options().parse_args(["-", *line.split()])
    return make_tiny.make_config(o), make_tiny.make_weights(o)


class Steps(unittest.TestCase):
    def test_rms_norm_divides_by_the_root_mean_square(self):
        np.testing.assert_allclose(reference.rms_norm(np.array([[3.0, 4.0]]), np.array([1.0, 2.0]), 0.0),
                                   [[3 / math.sqrt(12.5), 8 / math.sqrt(12.5)]], rtol=1e-15)

    def test_epsilon_stands_under_the_root(self):
        np.testing.assert_allclose(reference.rms_norm(np.array([[0.0, 2.0]]), np.ones(2), 2.0), [[0.0, 1.0]])

    def test_rope_pairs_a_dimension_with_the_one_half_a_head_away(self):
        quarter = np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])  # first pair turns by 90 degrees, second not
        np.testing.assert_array_equal(reference.rotate(np.array([[1.0, 2.0, 3.0, 4.0]]), *quarter), [[-3, 2, 1, 4]])

    def test_rope_turns_every_head_alike_and_position_zero_not_at_all(self):
        cos, sin = reference.rope_table({}, 3, 6)
        x = np.random.default_rng(1).standard_normal((3, 2, 6))
        x[:, 1] = x[:, 0]
        y = reference.rotate(x.reshape(3, 12), cos, sin).reshape(3, 2, 6)
        np.testing.assert_array_equal(y[0], x[0])
        np.testing.assert_array_equal(y[:, 0], y[:, 1])
        self.assertGreater(np.abs(y[1] - x[1]).max(), 0.1)

    def test_rope_frequencies_fall_from_one_by_powers_of_theta(self):
        cos, _ = reference.rope_table({"rope_theta": 100.0}, 2, 4)
        np.testing.assert_allclose(cos[1], [math.cos(1), math.cos(0.1)], rtol=1e-15)

    def test_linear_scaling_divides_positions_under_either_key(self):
        plain, _ = reference.rope_table({}, 9, 8)
        for key in ("type", "rope_type"):
            scaled, _ = reference.rope_table({"rope_scaling": {key: "linear", "factor": 4.0}}, 9, 8)
            np.testing.assert_allclose(scaled[8], plain[2], rtol=1e-14)

    def test_llama3_scaling_keeps_short_waves_slows_long_ones_and_blends_between(self):
        scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                   "original_max_position_embeddings": 128}
        cos, sin = reference.rope_table({"rope_scaling": scaling}, 2, 8)
        turns = 128 * 0.1 / (2 * math.pi)  # of the second frequency within the original length: 2.04
        kept = (turns - 1) / 3
        want = [1.0, 0.1 * (kept + (1 - kept) / 8), 0.01 / 8, 0.001 / 8]
        np.testing.assert_allclose(np.arctan2(sin[1], cos[1]), want, rtol=1e-12)

    def test_softmax_stays_finite_at_huge_scores_and_masked_ones_get_nothing(self):
        np.testing.assert_array_equal(reference.softmax(np.array([[1e300, -np.inf, 1e300]])), [[0.5, 0, 0.5]])

    def test_query_heads_share_key_heads_in_runs(self):
        v = np.array([[10.0, 10.0, 20.0, 20.0]])  # one token, two key heads of width 2
        mixed, _ = reference.attend(np.zeros((1, 8)), np.zeros((1, 4)), v, (4, 2, 2), math.inf)
        np.testing.assert_array_equal(mixed, [[10, 10, 10, 10, 20, 20, 20, 20]])

    def test_a_window_of_w_sees_the_last_w_keys_with_its_own(self):
        _, probs = reference.attend(np.zeros((5, 2)), np.zeros((5, 2)), np.zeros((5, 2)), (1, 1, 2), 3)
        want = np.array([[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1]])
        np.testing.assert_allclose(probs[:, 0], want / want.sum(axis=1, keepdims=True))

    def test_scores_are_divided_by_the_root_of_the_head_width(self):
        q, k = np.full((2, 4), 1.0), np.array([[0.0] * 4, [1.0] * 4])
        _, probs = reference.attend(q, k, k, (1, 1, 4), math.inf)
        np.testing.assert_allclose(probs[1, 0], [1 / (1 + math.exp(2)), 1 / (1 + math.exp(-2))])

    def test_activation_functions_at_known_points(self):
        for name, want in (("silu", 0.7310585786300049), ("relu", 1.0), ("gelu", 0.8413447460685429),
                           ("gelu_pytorch_tanh", 0.8411919906082768)):
            self.assertAlmostEqual(float(reference.ACTIVATIONS[name](np.array([1.0]))[0]), want, 14, name)


class Configuration(unittest.TestCase):
    def test_the_older_and_the_newer_style_mean_the_same(self):
        for rope in ("default", "linear", "llama3"):
            line = f"--rope {rope} --theta 5000 --head-dim 8"
            old, weights = model(line)
            new, _ = model(line + " --new-config")
            self.assertNotEqual(old, new)
            np.testing.assert_array_equal(reference.forward(old, weights, [1, 2, 3]),
                                          reference.forward(new, weights, [1, 2, 3]))

    def test_windows_follow_each_type_s_own_rule(self):
        inf = math.inf
        for config, want in (
                ({"model_type": "llama", "sliding_window": 4}, [inf, inf, inf]),
                ({"model_type": "mistral", "sliding_window": 4}, [4, 4, 4]),
                ({"model_type": "mistral", "sliding_window": None}, [inf, inf, inf]),
                ({"model_type": "mistral"}, [4096, 4096, 4096]),
                ({"model_type": "qwen2", "sliding_window": 4, "max_window_layers": 0}, [inf, inf, inf]),
                ({"model_type": "qwen2", "sliding_window": 4, "max_window_layers": 1, "use_sliding_window": True},
                 [inf, 4, 4]),
                ({"model_type": "qwen2", "sliding_window": 4, "use_sliding_window": True,
                  "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}, [4, inf, 4])):
            self.assertEqual([reference.window(config, i) for i in range(3)], want, config)

    def test_heads_have_the_defaults_of_their_type(self):
        config = {"model_type": "llama", "hidden_size": 64, "num_attention_heads": 16}
        self.assertEqual(reference.head_shape(config), (16, 16, 4))
        self.assertEqual(reference.head_shape({**config, "model_type": "mistral"}), (16, 8, 4))
        self.assertEqual(reference.head_shape({**config, "num_key_value_heads": 2, "head_dim": 10}), (16, 2, 10))

    def test_what_it_does_not_know_it_refuses(self):
        config, weights = model("")
        for change in ({"model_type": "gemma"}, {"hidden_act": "swish2"}, {"partial_rotary_factor": 0.5},
                       {"rope_scaling": {"rope_type": "yarn", "factor": 2.0}}, {"num_key_value_heads": 4}):
            with self.assertRaises(reference.Refused, msg=change):
                reference.forward({**config, **change}, weights, [1])
        for ids in ([], [-1], [67]):
            with self.assertRaises(reference.Refused, msg=ids):
                reference.forward(config, weights, ids)


class Pass(unittest.TestCase):
    def test_a_token_does_not_see_those_after_it(self):
        config, weights = model("--type mistral --window 3")
        whole = reference.forward(config, weights, [5, 6, 7, 8, 9, 10])
        np.testing.assert_allclose(reference.forward(config, weights, [5, 6, 7]), whole[:3], rtol=1e-12)

    def test_a_tied_head_is_the_embedding(self):
        config, weights = model("--tied")
        self.assertNotIn("lm_head.weight", weights)
        untied = {**weights, "lm_head.weight": weights["model.embed_tokens.weight"]}
        np.testing.assert_array_equal(reference.forward(config, weights, [3, 1]),
                                      reference.forward({**config, "tie_word_embeddings": False}, untied, [3, 1]))

    def test_every_bias_counts_from_its_own_step_on(self):
        config, weights = model("--attention-bias --mlp-bias --layers 1")
        clean = reference.activations(config, weights, [1, 2, 3])
        for part, first in (("self_attn.q_proj", "q"), ("self_attn.k_proj", "k"), ("self_attn.v_proj", "v"),
                            ("self_attn.o_proj", "attn_out"), ("mlp.gate_proj", "mlp_gate"),
                            ("mlp.up_proj", "mlp_up"), ("mlp.down_proj", "mlp_out")):
            changed = dict(weights)
            changed[f"model.layers.0.{part}.bias"] = weights[f"model.layers.0.{part}.bias"] + 0.5
            found = reference.activations(config, changed, [1, 2, 3])
            off = [name for name in clean if np.abs(found[name] - clean[name]).max() > 1e-9]
            self.assertEqual(off[0], f"layers.0.{first}", part)

    def test_names_and_shapes_are_those_of_a_dump(self):
        config, weights = model("--layers 1")  # D 24, F 40, H 6, G 2, d 8, V 67
        found = reference.activations(config, weights, [1, 2, 3], lambda name: True)
        at = "layers.0."
        self.assertEqual({name: a.shape for name, a in found.items()}, {
            "ids": (3,), "embed": (3, 24), at + "attn_norm": (3, 24), at + "q": (3, 48), at + "k": (3, 16),
            at + "v": (3, 16), at + "q_rope": (3, 48), at + "k_rope": (3, 16), at + "attn_probs": (3, 6, 3),
            at + "attn_mixed": (3, 48), at + "attn_out": (3, 24), at + "mlp_norm": (3, 24), at + "mlp_gate": (3, 40),
            at + "mlp_up": (3, 40), at + "mlp_act": (3, 40), at + "mlp_out": (3, 24), at + "out": (3, 24),
            "final_norm": (3, 24), "logits": (3, 67)})


class Files(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.at = lambda name: os.path.join(self.folder.name, name)

    def test_tensors_survive_a_file(self):
        written = {"a": np.arange(6, dtype=np.float64).reshape(2, 3), "b": np.float32([1.5]), "c": np.float16([-2]),
                   "ids": np.int32([1, 2]), "empty": np.zeros((0, 3), np.float32)}
        write_safetensors(self.at("x"), written, {"format": "pt"})
        for name, values in read_safetensors(self.at("x")).items():
            self.assertEqual(values.dtype, written[name].dtype)
            np.testing.assert_array_equal(values, written[name])
        self.assertEqual(os.listdir(self.folder.name), ["x"])

    def test_bf16_is_rounded_half_to_even_and_read_back_exactly(self):
        values = np.float32([1.0, 1 + 2**-8, 1 + 3 * 2**-8, -2.0, 3e38])
        write_safetensors(self.at("x"), {"w": make_tiny.stored(values, "bf16")})
        np.testing.assert_array_equal(read_safetensors(self.at("x"))["w"][:4], [1.0, 1.0, 1 + 2**-6, -2.0])

    def test_a_file_that_was_cut_is_refused_by_name(self):
        write_safetensors(self.at("x"), {"w": np.zeros(100, np.float32)})
        with open(self.at("x"), "rb") as file:
            whole = file.read()
        for length in (0, 7, 8, 20, len(whole) - 1):
            with open(self.at("x"), "wb") as file:
                file.write(whole[:length])
            with self.assertRaisesRegex(ValueError, "x: not a complete safetensors file", msg=length):
                read_safetensors(self.at("x"))

    def test_the_committed_models_are_what_make_tiny_makes(self):
        for name, line in make_tiny.FIXTURES.items():
            o = make_tiny.options().parse_args(["-", "--golden", "16", *line.split()])
            made, committed = self.at(name), os.path.join(paths.MODELS, name)
            make_tiny.write_fixture(made, o)
            self.assertEqual(sorted(os.listdir(made)), sorted(os.listdir(committed)), name)
            for file in set(os.listdir(made)) - {"golden.safetensors"}:
                with open(os.path.join(made, file), "rb") as a, open(os.path.join(committed, file), "rb") as b:
                    self.assertEqual(a.read(), b.read(), f"{name}/{file}")

    def test_the_golden_activations_are_the_reference_s(self):
        for name in make_tiny.FIXTURES:
            directory = os.path.join(paths.MODELS, name)
            golden = read_safetensors(os.path.join(directory, "golden.safetensors"))
            found = reference.activations(*reference.read_model(directory), golden["ids"].tolist())
            self.assertEqual(list(found), list(golden), name)
            for step, values in found.items():  # one rounding to f32, of values below 64
                np.testing.assert_allclose(golden[step], values, rtol=1e-7, atol=1e-9, err_msg=f"{name} {step}")

    def test_every_size_of_a_fixture_s_file_is_small(self):
        for directory, _, names in os.walk(paths.MODELS):
            for name in names:
                self.assertLess(os.path.getsize(os.path.join(directory, name)), 100_000, f"{directory}/{name}")

    def test_shards_hold_the_same_model(self):
        line = "--dtype bf16 --seed 3"
        for name, more in (("one", ""), ("three", " --shards 3")):
            make_tiny.write_fixture(self.at(name), make_tiny.options().parse_args(["-", *(line + more).split()]))
        (_, one), (_, three) = reference.read_model(self.at("one")), reference.read_model(self.at("three"))
        self.assertEqual(sum(f.endswith(".safetensors") for f in os.listdir(self.at("three"))), 3)
        self.assertEqual(set(one), set(three))
        for name in one:
            np.testing.assert_array_equal(one[name], three[name])


class Command(unittest.TestCase):
    def run_it(self, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "out.safetensors")
            done = subprocess.run([sys.executable, "-B", os.path.join(paths.ROOT, "tools", "reference.py"),
                                   "--out", out, *arguments], capture_output=True, text=True, check=False)
            return done, read_safetensors(out) if os.path.exists(out) else None

    def test_it_writes_f64_unless_told_otherwise_and_only_what_is_wanted(self):
        tiny = os.path.join(paths.MODELS, "tiny-llama")
        done, found = self.run_it("--model", tiny, "--ids", "1,2,3")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual((found["logits"].dtype, found["ids"].dtype), (np.float64, np.int32))
        self.assertNotIn("layers.0.attn_probs", found)
        _, found = self.run_it("--model", tiny, "--ids", "1,2,3", "--f32", "--logits-only")
        self.assertEqual(found["logits"].dtype, np.float32)
        self.assertEqual(list(found), ["ids", "logits"])
        _, found = self.run_it("--model", tiny, "--ids", "1,2,3", "--dump-attention")
        self.assertEqual(found["layers.1.attn_probs"].shape, (3, 6, 3))

    def test_errors_are_one_line_and_leave_no_file(self):
        tiny = os.path.join(paths.MODELS, "tiny-llama")
        for arguments in (["--model", tiny, "--ids", "67"], ["--model", tiny, "--ids", ""],
                          ["--model", tiny, "--ids", "1,x"], ["--model", "/nowhere", "--ids", "1"],
                          ["--model", tiny, "--ids-file", "/nowhere"]):
            done, found = self.run_it(*arguments)
            self.assertNotEqual(done.returncode, 0, arguments)
            self.assertRegex(done.stderr, r"\Areference\.py: error: [^\n]+\n\Z")
            self.assertIsNone(found)

    def test_a_missing_tensor_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            config, weights = model("")
            del weights["lm_head.weight"]
            make_tiny.write_model(folder, config, weights, "f32")
            done, _ = self.run_it("--model", folder, "--ids", "1")
        self.assertIn("'lm_head.weight' is missing", done.stderr)


if __name__ == "__main__":
    unittest.main()
