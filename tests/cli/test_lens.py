"""kinglet lens as a user meets it, and against the reference. test_lens.py KINGLET SOURCE_DIR"""
import base64
import fcntl
import html.parser
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import unittest

KINGLET, SOURCE = sys.argv.pop(1), sys.argv.pop(1)
sys.path.insert(0, os.path.join(SOURCE, "tools"))
try:
    import numpy
except ImportError:
    print("skipped: there is no NumPy")
    sys.exit(0)
import reference
from tensorfile import read_safetensors, write_safetensors

MODELS = os.path.join(SOURCE, "tests/models")
TINY = os.path.join(MODELS, "tiny-llama")
F32 = ["--cache-type", "f32"]
TEXT = "The king had a son. The king"


def ids_of(ids):
    return ["--ids", ",".join(map(str, ids))]


def log_softmax(x):
    x = x - x.max(axis=-1, keepdims=True)
    return x - numpy.log(numpy.exp(x).sum(axis=-1, keepdims=True))


class Page(html.parser.HTMLParser):
    """Checks that every element is closed in its turn; keeps tags, scripts and what could lead outside."""
    VOID = {"meta", "br", "hr", "img", "link", "input"}

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.outside, self.texts, self.policy = [], [], [], [], [], ""
        self.feed(text)
        self.close()
        self.data = json.loads(self.texts[self.tags.index("script")])
        self.script = self.texts[len(self.tags) - 1 - self.tags[::-1].index("script")]

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self.texts.append("")
        self.ids.append(attrs.get("id"))
        self.outside += [f"{name}={value}" for name, value in attrs.items() if name in ("src", "href", "srcset", "action")]
        if attrs.get("http-equiv") == "Content-Security-Policy":
            self.policy = attrs["content"]
        if tag not in self.VOID:
            self.open.append(len(self.tags) - 1)

    def handle_endtag(self, tag):
        if not self.open or self.tags[self.open.pop()] != tag:
            raise AssertionError(f"</{tag}> closes nothing")

    def handle_data(self, data):
        if self.open:
            self.texts[self.open[-1]] += data


class Lens(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def run_it(self, *arguments, code=0, command="lens", text=None):
        given = {"input": text} if text is not None else {"stdin": subprocess.DEVNULL}
        done = subprocess.run([KINGLET, command, *arguments], capture_output=True, check=False, timeout=120, **given)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def lines(self, *arguments):
        return self.run_it(*arguments).stdout.decode().splitlines()

    def json(self, *arguments):
        return json.loads(self.run_it(*arguments, "--json").stdout)

    def on_a_terminal(self, columns, *arguments, **environment):
        """The lines that it prints on a terminal so wide."""
        main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        child = subprocess.Popen([KINGLET, "lens", *arguments], stdin=subprocess.DEVNULL, stdout=side,
                                 env={**os.environ, **environment})
        os.close(side)
        printed = b""
        while True:
            try:
                piece = os.read(main, 65536)
            except OSError:
                break
            if not piece:
                break
            printed += piece
        os.close(main)
        self.assertEqual(child.wait(), 0)
        return printed.decode().replace("\r\n", "\n").splitlines()

    def every_model(self):
        for name in sorted(os.listdir(MODELS)):
            model = os.path.join(MODELS, name)
            golden = read_safetensors(os.path.join(model, "golden.safetensors"))
            with self.subTest(model=name):
                yield model, golden["ids"].tolist()

    # --- attention ---

    def test_maps_are_the_reference_s(self):
        for model, ids in self.every_model():
            found = reference.activations(*reference.read_model(model), ids, lambda name: True)
            layers = sum(name.endswith("attn_probs") for name in found)
            want = numpy.stack([found[f"layers.{i}.attn_probs"] for i in range(layers)]).transpose(0, 2, 1, 3)
            self.run_it("-m", model, *ids_of(ids), *F32, "--attention", "--npy", self.path("maps.npy"), "-q")
            maps = numpy.load(self.path("maps.npy"))
            self.assertEqual((maps.dtype, maps.shape), (numpy.float32, want.shape))
            numpy.testing.assert_allclose(maps, want, rtol=0, atol=1e-5)  # f32 through the layers: 3e-6 was seen
            numpy.testing.assert_allclose(maps.sum(axis=-1, dtype=numpy.float64), 1, rtol=0, atol=1e-6)
            self.assertEqual((maps == 0).tolist(), (want == 0).tolist())
            given = self.json("-m", model, *ids_of(ids), *F32, "--attention")["attention"]
            numpy.testing.assert_array_equal(numpy.array(given["weights"], numpy.float32), maps)

    def test_a_layer_and_a_head_can_be_chosen(self):
        options = ["--attention", "-p", TEXT]
        everything = numpy.array(self.json(*options)["attention"]["weights"])
        for layer, head in ([2, 5], [4, None], [None, 0]):
            choice = (["--layer", str(layer)] if layer is not None else []) + (["--head", str(head)] if head is not None else [])
            found = self.json(*options, *choice)["attention"]
            self.assertEqual(found["layers"], [layer] if layer is not None else list(range(5)))
            self.assertEqual(found["heads"], [head] if head is not None else list(range(8)))
            numpy.testing.assert_array_equal(found["weights"], everything[numpy.ix_(found["layers"], found["heads"])])

    def test_a_map_in_characters_is_the_square_root_of_the_weights(self):
        options = ["--attention", "-p", TEXT, "--layer", "2", "--head", "5"]
        weights = numpy.array(self.json(*options)["attention"]["weights"])[0, 0]
        lines = self.lines(*options)
        self.assertEqual(len(lines), 1 + len(weights))
        labels = self.json(*options)["tokens"]
        for t, line in enumerate(lines[1:]):
            label = f"{t:5} {labels[t]!r:<14.14} "
            self.assertTrue(line.startswith(label), line)
            cells = line[len(label):len(label) + len(weights)]
            want = "".join(" .:-=+*#%@"[int(numpy.floor(numpy.sqrt(w) * 9 + 0.5))] for w in weights[t, :t + 1])
            self.assertEqual(cells.rstrip(), want.rstrip())
            order = sorted(range(t + 1), key=lambda s: (-weights[t, s], s))
            self.assertTrue(line[len(label) + len(weights):].lstrip().startswith(
                f"{weights[t, order[0]]:.2f}".replace("0.", ".").replace("1.00", "1.0") + " "), line)

    def test_text_fits_the_terminal_and_has_colours_only_where_they_are_wanted(self):
        long_text = ["--attention", *ids_of(range(1, 61))]
        for arguments in (["-p", TEXT, "--attention"], long_text, [*long_text, "--layer", "1", "--head", "2"]):
            for columns in (40, 80, 133):
                plain = self.on_a_terminal(columns, *arguments, NO_COLOR="1")
                self.assertNotIn("\x1b", "".join(plain))
                coloured = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in self.on_a_terminal(columns, *arguments, NO_COLOR="")]
                self.assertNotEqual(coloured, plain)
                if "--layer" not in arguments or columns >= 80:
                    for line in plain[1:] + coloured[1:]:
                        self.assertLessEqual(len(line), columns, line)
            self.assertNotIn(b"\x1b", self.run_it(*arguments).stdout)

    # --- logit lens ---

    def test_readings_are_the_reference_s(self):
        for model, ids in self.every_model():
            config, weights = reference.read_model(model)
            found = reference.activations(config, weights, ids)
            head = weights["model.embed_tokens.weight" if config.get("tie_word_embeddings", False) else "lm_head.weight"]
            norm = weights["model.norm.weight"].astype(float)
            states = [found["embed"]] + [found[f"layers.{i}.out"] for i in range(config["num_hidden_layers"])]
            lens = self.json("-m", model, *ids_of(ids), *F32, "--position", "all", "--top", "3")["logit_lens"]
            self.assertEqual([entry["position"] for entry in lens], list(range(len(ids))))
            for entry in lens:
                t = entry["position"]
                self.assertEqual(entry["is_in_text"], t + 1 < len(ids))
                if entry["is_in_text"]:
                    self.assertEqual(entry["next"]["id"], ids[t + 1])
                self.assertEqual([row["layer"] for row in entry["layers"]], ["embed", *range(len(states) - 1)])
                for row, hidden in zip(entry["layers"], states):
                    logits = reference.rms_norm(hidden[t], norm, config.get("rms_norm_eps", 1e-6)) @ head.astype(float).T
                    scores = log_softmax(logits)
                    next_id = entry["next"]["id"]
                    self.assertAlmostEqual(row["entropy"], -(numpy.exp(scores) * scores).sum(), delta=1e-4)
                    self.assertAlmostEqual(row["log_probability"], scores[next_id], delta=1e-4)
                    self.assertAlmostEqual(row["rank"], 1 + (scores > scores[next_id]).sum(), delta=0)
                    for k, top in enumerate(row["top"]):
                        self.assertAlmostEqual(top["log_probability"], numpy.sort(scores)[::-1][k], delta=1e-4)
                        self.assertAlmostEqual(top["log_probability"], scores[top["id"]], delta=1e-4)

    def test_the_last_layer_is_the_run_itself_to_the_bit(self):
        for options in (["-p", TEXT], ["-m", TINY, *ids_of(range(40)), "--cache-type", "q8_0"]):
            plain = self.run_it(*options, "-n", "0", "--digest", "--no-echo", "-q", command="run").stderr
            for more in ([], ["-t", "1", "--chunk", "3"]):
                self.assertEqual(self.run_it(*options, *more, "--position", "all", "--digest", "-q").stderr, plain)

    def test_the_table_is_what_json_says(self):
        entry = self.json("-p", TEXT, "--position", "3", "--top", "2")["logit_lens"][0]
        lines = self.lines("-p", TEXT, "--position", "3", "--top", "2")
        self.assertIn("' a' comes next", lines[0])
        self.assertEqual(len(lines), 2 + 6)
        for line, row in zip(lines[2:], entry["layers"]):
            words = line.split()
            self.assertEqual(words[:4], [str(row["layer"]), f"{row['entropy']:.3f}", str(row["rank"]), f"{row['log_probability']:.3f}"])
            for top in row["top"]:
                self.assertIn("'" + top["text"], line)
        last = self.json("-p", TEXT)["logit_lens"]
        self.assertEqual([entry["position"] for entry in last], [8])
        self.assertEqual(last[0]["next"]["id"], last[0]["layers"][-1]["top"][0]["id"])
        self.assertEqual(last[0]["layers"][-1]["rank"], 1)

    # --- ablation ---

    def test_a_head_is_taken_away_as_zeros_in_the_output_projection_do(self):
        config, weights = reference.read_model(TINY)
        width = reference.head_shape(config)[2]
        ids = list(range(3, 25))
        for heads in ([(0, 1)], [(1, 5), (0, 0), (1, 2)]):
            changed = {name: array.copy() for name, array in weights.items()}
            for layer, head in heads:
                changed[f"model.layers.{layer}.self_attn.o_proj.weight"][:, head * width:(head + 1) * width] = 0
            copy = self.path(f"copy{len(heads)}")
            shutil.copytree(TINY, copy)
            write_safetensors(os.path.join(copy, "model.safetensors"), changed)
            options = [option for layer, head in heads for option in ("--ablate", f"{layer}.{head}")]
            found = self.json("-m", TINY, *ids_of(ids), *F32, *options)["ablation"]
            self.assertEqual([(place["layer"], place["head"]) for place in found["heads"]], heads)
            for model, scores in ((TINY, found["log_probabilities"]), (copy, found["without"])):
                lens = self.json("-m", model, *ids_of(ids), *F32, "--position", "all", "--top", "1")["logit_lens"]
                self.assertEqual(scores, [entry["layers"][-1]["log_probability"] for entry in lens[:-1]])
            want = log_softmax(reference.forward(config, changed, ids))[range(len(ids) - 1), ids[1:]]
            numpy.testing.assert_allclose(found["without"], want, rtol=0, atol=1e-4)
            self.assertAlmostEqual(found["total_change"], sum(found["changes"]), delta=1e-9)
            lines = self.lines("-m", TINY, *ids_of(ids), *F32, *options)
            self.assertEqual(len(lines), 2 + len(ids) - 1 + 1)
            self.assertEqual(lines[-1].split(), ["total", f"{found['total']:.3f}", f"{found['total_without']:.3f}",
                                                 f"{found['total_change']:+.3f}"])

    def test_all_heads_are_ranked_by_what_each_does_alone(self):
        found = self.json("-p", TEXT, "--ablate", "all")["ablation"]
        effects = [abs(head["total_change"]) for head in found["heads"]]
        self.assertEqual(effects, sorted(effects, reverse=True))
        self.assertEqual(sorted((head["layer"], head["head"]) for head in found["heads"]),
                         [(layer, head) for layer in range(5) for head in range(8)])
        for head in found["heads"][:2] + found["heads"][-1:]:
            alone = self.json("-p", TEXT, "--ablate", f"{head['layer']}.{head['head']}")["ablation"]
            self.assertEqual(alone["changes"], head["changes"])
        lines = self.lines("-p", TEXT, "--ablate", "all")
        self.assertEqual(len(lines), 2 + 5 + 2 + 10)
        self.assertEqual([line.split()[0] for line in lines[9:]],
                         [f"{head['layer']}.{head['head']}" for head in found["heads"][:10]])

    # --- the page ---

    def page(self, *arguments):
        path = self.path("page.html")
        self.run_it(*arguments, "--html", path)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        page = Page(text)
        self.assertEqual(page.open, [])
        self.assertEqual(page.outside, [])
        self.assertTrue(page.policy.startswith("default-src 'none';"))
        self.assertEqual(page.tags.count("script"), 2)
        for word in ("http:", "https:", "url(", "@import", "fetch(", "XMLHttpRequest", "NaN", "Infinity:"):
            self.assertNotIn(word, text)
        self.assertIn("prefers-color-scheme: dark", text)
        # What the script looks for is there, or it is in a part that is left out.
        parts = {"attention": page.data.get("attention"), "logits": page.data.get("logits"),
                 "ablation": page.data.get("ablation")}
        self.assertEqual([part for part in parts if part in page.ids], [part for part in parts if parts[part]])
        if all(parts.values()):
            self.assertLessEqual(set(re.findall(r'place\("([^"]+)"\)', page.script)), set(page.ids))
        return page, len(text.encode())

    def test_the_page_holds_what_json_says(self):
        options = ["--ids", ",".join(str(i * i % 2000 + 20) for i in range(64)), "--ablate", "all", "--top", "4"]
        page, size = self.page(*options)
        self.assertLess(size, 2_000_000)
        data = page.data
        found = self.json(*options, "--attention", "--position", "all")
        weights = numpy.array(found["attention"]["weights"])
        kept = numpy.frombuffer(base64.b64decode(data["attention"]["weights"]), numpy.uint8)
        rows, columns = numpy.tril_indices(64)
        self.assertEqual(len(kept), 5 * 8 * len(rows))
        numpy.testing.assert_allclose(kept / 255, weights[:, :, rows, columns].reshape(-1), rtol=0, atol=0.5 / 255 + 1e-6)
        logits = data["logits"]
        layers = [row for entry in found["logit_lens"] for row in entry["layers"]]
        self.assertEqual(logits["ranks"], [row["rank"] for row in layers])
        numpy.testing.assert_allclose(logits["entropies"], [row["entropy"] for row in layers], atol=6e-5)
        numpy.testing.assert_allclose(logits["scores"], [row["log_probability"] for row in layers], atol=6e-5)
        tops = [top for row in layers for top in row["top"]]
        numpy.testing.assert_allclose(logits["probabilities"], [top["probability"] for top in tops], atol=6e-5)
        for word, top in zip(logits["guesses"], tops):
            if "\ufffd" not in top["text"]:
                self.assertEqual(logits["words"][word], top["text"])
        heads = {(head["layer"], head["head"]): head["changes"] for head in found["ablation"]["heads"]}
        for i, (name, changes) in enumerate(zip(data["ablation"]["heads"], data["ablation"]["changes"])):
            self.assertEqual(name, f"head {i // 8}.{i % 8}")
            numpy.testing.assert_allclose(changes, heads[divmod(i, 8)], atol=6e-5)

    def test_a_page_may_show_a_part_and_hostile_text_stays_text(self):
        hostile = self.path("<script>&\"'`")
        shutil.copytree(TINY, hostile)
        page, _ = self.page("-m", hostile, *ids_of(range(6)))
        self.assertIn("<script>&\"'`", page.texts[page.tags.index("h1")])
        self.assertEqual(page.data["tokens"], [f"#{i}" for i in range(6)])
        text = "</script><script>alert(1)</script><!-- \u00fc\u65e5 \n\t\x07"
        page, _ = self.page("-p", text, "--ablate", "1.2", "--ablate", "0.0", "--layer", "1")
        tokens = b"".join(re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), token.encode())
                          for token in page.data["tokens"][1:])
        self.assertEqual(tokens.decode(), text)
        self.assertEqual(page.data["attention"]["layers"], [1])
        self.assertEqual(page.data["ablation"]["heads"], ["heads 1.2, 0.0"])
        page, _ = self.page("-p", "")  # one token
        self.assertNotIn("ablation", page.data)

    # --- around it ---

    def test_a_text_may_come_from_anywhere(self):
        want = self.json("-p", TEXT)
        with open(self.path("text"), "w", encoding="utf-8") as file:
            file.write(TEXT)
        self.assertEqual(self.json("-f", self.path("text")), want)
        self.assertEqual(self.json(*ids_of(want["ids"])), want)
        self.assertEqual(json.loads(self.run_it("--json", text=TEXT.encode()).stdout), want)
        self.assertEqual("".join(want["tokens"][1:]), TEXT)

    def test_wrong_usage_is_one_line_that_names_the_range(self):
        for options, said in [(["--position", "9"], "[0, 8]"), (["--position", "-1"], "[0, 8]"),
                              (["--position", "x"], "[0, 8]"), (["--top", "0"], "[1, "), (["--top", "2049"], "[1, 2048]"),
                              (["--attention", "--layer", "5"], "[0, 5)"), (["--attention", "--head", "8"], "[0, 8)"),
                              (["--attention", "--head", "x"], "--head"), (["--ablate", "5.0"], "[0, 5)"),
                              (["--ablate", "0.8"], "[0, 8)"), (["--ablate", "3"], "LAYER.HEAD"),
                              (["--ablate", "1.x"], "--ablate"), (["--ablate", "all", "--ablate", "0.0"], "--ablate"),
                              (["--layer", "1"], "--attention"), (["--npy", "x"], "--attention"),
                              (["-c", "3"], "the context 3"), (["--cache-type", "q9"], "q8_0"), (["--ids", "5000"], "[0, 2048)"),
                              (["--ids", "5", "--ablate", "0.0"], "two tokens"), (["--atention"], "--attention")]:
            with self.subTest(options=options):
                done = self.run_it("-p", TEXT, *options, code=2)
                self.assertEqual(done.stdout, b"")
                self.assertEqual(done.stderr.count(b"\n"), 1)
                self.assertIn(said.encode(), done.stderr)

    def test_what_cannot_be_written_is_exit_1_and_leaves_nothing(self):
        for option in ("--npy", "--html"):
            done = self.run_it("-p", TEXT, "--attention", option, "/nowhere/file", code=1)
            self.assertIn(b"/nowhere/file", done.stderr)
            self.assertEqual(done.stdout, b"")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([KINGLET, "lens", "-p", TEXT], stdout=full, stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    unittest.main()
