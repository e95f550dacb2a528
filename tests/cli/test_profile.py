"""kinglet profile as a user meets it. test_profile.py KINGLET SOURCE_DIR"""
import html.parser
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

KINGLET, SOURCE = sys.argv.pop(1), sys.argv.pop(1)
TINY = os.path.join(SOURCE, "tests/models/tiny-llama")
CACHE = tempfile.TemporaryDirectory()  # one for all tests, so that the machine is measured once
IDS = ["--ids", "1,2,3,4,5,6", "--ignore-eos", "--seed", "3"]
AROUND = {"gather", "start", "join", "check", "sample"}
STEPS = ["gather", "start", "embed", "attn_norm", "qkv", "rope_store", "attention", "attn_out", "mlp_norm", "gate_up",
         "mlp_act", "mlp_out", "final_norm", "head", "join", "check", "sample"]


class Page(html.parser.HTMLParser):
    """Checks that every element is closed in its turn; keeps tags and what could lead outside."""
    VOID = {"meta", "br", "hr", "img", "link", "input"}

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.outside, self.text = [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.outside += [f"{name}={value}" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            raise AssertionError(f"</{tag}> closes nothing")

    def handle_data(self, data):
        self.text += data


class Profile(unittest.TestCase):
    def run_it(self, *arguments, code=0, command="profile"):
        done = subprocess.run([KINGLET, command, *arguments], capture_output=True, check=False, timeout=120,
                              env={**os.environ, "XDG_CACHE_HOME": CACHE.name}, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def profile(self, *arguments):
        return json.loads(self.run_it(*arguments, "--json").stdout)

    def test_json_has_a_line_for_each_operation_and_layer_and_they_add_up(self):
        for threads in "12":
            found = self.profile(*IDS, "-n", "30", "-t", threads, "--chunk", "4")
            self.assertEqual([phase["phase"] for phase in found["phases"]], ["prefill", "decode"])
            self.assertEqual([phase["passes"] for phase in found["phases"]], [2, 29])
            self.assertEqual(found["recorded"], 31)
            for phase in found["phases"]:
                self.assertEqual([o["name"] for o in phase["operations"]], STEPS)
                self.assertEqual([layer["name"] for layer in phase["layers"]], [str(i) for i in range(found["layers"])])
                total = sum(o["seconds"] for o in phase["operations"])
                self.assertGreaterEqual(total, 0.97 * phase["seconds"])
                self.assertLessEqual(total, phase["seconds"])
                self.assertLess(sum(layer["seconds"] for layer in phase["layers"]), total)
                for line in phase["operations"] + phase["layers"]:
                    self.assertGreaterEqual(line["imbalance"], 1 - 1e-9, line)
                    self.assertTrue(0 <= line["wait_share"] <= 1, line)
                    self.assertEqual(line["bytes"] > 0, line["name"] not in AROUND, line)
                    self.assertEqual(line["limit"] != "", line["limit_share"] > 0, line)
                    self.assertAlmostEqual(line["gbps"] * line["seconds"] * 1e9, line["bytes"], delta=1e-6 * line["bytes"])

    def test_it_is_the_run_that_run_is(self):
        options = ["-m", TINY, *IDS, "-n", "12", "--temp", "1", "--digest", "--cache-type", "q8_0", "-q"]
        plain = self.run_it(*options, "--no-echo", command="run")
        for more in (["-t", "1"], ["-t", "2", "--chunk", "3"], ["--draft-ngram", "2"]):
            self.assertEqual(self.run_it(*options, *more).stderr, plain.stderr)

    def test_tables_have_columns_that_stand_under_each_other(self):
        lines = self.run_it("-m", TINY, *IDS, "-n", "3").stdout.decode().splitlines()
        self.assertIn("kernels", lines[0])
        heads = [i for i, line in enumerate(lines) if line.startswith(("operation", "layer"))]
        self.assertEqual(len(heads), 4)  # operations and layers of prefill and decode
        for head in heads:
            rows = lines[head:lines.index("", head)]
            self.assertEqual({len(row) for row in rows}, {len(lines[head])})
        self.assertEqual([line.split()[0] for line in lines[heads[0] + 1:heads[0] + 1 + len(STEPS)]], STEPS)
        self.assertTrue(lines[-1].startswith("limits of "))
        self.assertEqual(len(self.profile("-m", TINY, *IDS, "-n", "0")["phases"]), 1)

    def test_the_trace_is_json_whose_slices_nest(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "trace.json")
            found = self.profile("-m", TINY, *IDS, "-n", "5", "-t", "2", "--trace", path)
            with open(path, encoding="utf-8") as file:
                trace = json.load(file)
        slices = [event for event in trace["traceEvents"] if event["ph"] == "X"]
        self.assertEqual({event["ph"] for event in trace["traceEvents"]}, {"X", "M"})
        self.assertEqual([event["ts"] for event in slices], sorted(event["ts"] for event in slices))
        for row in {event["tid"] for event in slices}:
            inside, names = [], []
            for event in (event for event in slices if event["tid"] == row):
                begin, end = round(event["ts"] * 1000), round((event["ts"] + event["dur"]) * 1000)
                while inside and inside[-1] <= begin and not (inside[-1] == begin == end):
                    inside.pop()
                self.assertTrue(not inside or end <= inside[-1], event)
                inside.append(end)
                names.append(event["name"])
            passes = [name for name in names if name.startswith(("prefill", "decode"))]
            self.assertEqual(passes, ["prefill 0", "decode 1", "decode 2", "decode 3", "decode 4"])
            self.assertEqual(names.count("qkv"), 5 * found["layers"])
        begin = min(event["ts"] for event in slices)
        self.assertEqual(begin, 0)
        self.assertEqual({event["args"]["layer"] for event in slices if event["name"] == "attention"},
                         set(range(found["layers"])))

    def test_the_page_is_whole_and_needs_nothing_from_outside(self):
        with tempfile.TemporaryDirectory() as folder:
            hostile = os.path.join(folder, "<script>&\"'`")
            shutil.copytree(TINY, hostile)
            path = os.path.join(folder, "page.html")
            self.run_it("-m", hostile, *IDS, "-n", "5", "-t", "2", "--html", path)
            with open(path, encoding="utf-8") as file:
                text = file.read()
        page = Page(text)
        self.assertEqual(page.open, [])
        self.assertEqual(page.outside, [])
        self.assertNotIn("script", page.tags)
        self.assertIn("<script>&\"'`", page.text)
        for word in ("http:", "https:", "url(", "@import", "nan", "inf%"):
            self.assertNotIn(word, text)
        self.assertIn("prefers-color-scheme: dark", text)
        self.assertGreater(page.tags.count("svg"), 0)
        for step in STEPS:
            self.assertIn(step, page.text)

    def test_wrong_usage_is_exit_2_and_what_cannot_be_written_exit_1(self):
        for option, value in [("-n", "-1"), ("-t", "0"), ("--temp", "x"), ("--cache-type", "q9"), ("--ids", "1,x"),
                              ("--chunk", "0"), ("--draft-ngram", "17"), ("-c", "2")]:
            with self.subTest(option=option):
                done = self.run_it("-m", TINY, "-p", "a b c", option, value, code=2)
                self.assertEqual(done.stdout, b"")
                self.assertEqual(done.stderr.count(b"\n"), 1)
        self.assertIn(b"--trace", self.run_it("--trac", "x", code=2).stderr)
        self.run_it("-p", "a", "--html", code=2)
        self.run_it("-m", "/nowhere", "-p", "a", code=3)
        for option in ("--trace", "--html"):
            done = self.run_it("-m", TINY, *IDS, "-n", "1", option, "/nowhere/file", code=1)
            self.assertIn(b"/nowhere/file", done.stderr)
            self.assertEqual(done.stdout, b"")


if __name__ == "__main__":
    unittest.main()
