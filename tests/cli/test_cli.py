"""The command as a user meets it: output, messages, exit codes. test_cli.py KINGLET SOURCE_DIR"""
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

KINGLET, SOURCE = sys.argv.pop(1), sys.argv.pop(1)
TINY = os.path.join(SOURCE, "tests/models/tiny-llama")


def run(*args, stdin=b"", env=None, stdout=subprocess.PIPE):
    return subprocess.run([KINGLET, *args], input=stdin, stdout=stdout, stderr=subprocess.PIPE, timeout=60,
                          env={**os.environ, **(env or {})}, check=False)


class Command(unittest.TestCase):
    def refused(self, code, *args, says=(), **more):
        done = run(*args, **more)
        error = done.stderr.decode()
        self.assertEqual(done.returncode, code, error)
        self.assertEqual(done.stdout or b"", b"")
        self.assertEqual(error.count("\n"), 1, error)
        self.assertTrue(error.startswith("kinglet: error: "), error)
        for word in says:
            self.assertIn(word, error)

    def test_alone_it_prints_help_with_three_examples(self):
        done = run()
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stdout.decode().split("Examples:")[1].strip().count("\n"), 2)

    def test_help_of_each_command_fits_60_lines_of_80_columns_mostly(self):
        for command in "run tokenize detokenize inspect convert verify score similar probe bench profile lens completion".split():
            text = run(command, "--help").stdout.decode()
            self.assertLessEqual(text.count("\n"), 60, command)
            self.assertIn("Examples:", text)

    def test_wrong_usage_is_exit_2_and_one_line(self):
        self.refused(2, "rum", says=["run"])
        self.refused(2, "run", "--tmp", "1", says=["--temp"])
        for option, value in [("-n", "-1"), ("-n", "1e20"), ("-n", "4x"), ("--temp", "nan"), ("--temp", "-1"),
                              ("--top-p", "2"), ("-t", "0"), ("-t", "1000000"),
                              ("--seed", "18446744073709551616"), ("--cache-type", "q8_1"), ("--ids", "1,x"),
                              ("--ids", "-1"), ("--ids", "2048"), ("--draft-ngram", "17"), ("--math", "f16")]:
            with self.subTest(option=option, value=value):
                self.refused(2, "run", "-p", "a", option, value, says=[option.lstrip("-")[:4]])
        self.refused(2, "run", "-p")
        self.refused(2, "run", "-p", "a", "--temp", "1", "--temp", "0")
        self.refused(2, "run", "-p", "a", env={"KINGLET_ISA": "avx9000"}, says=["KINGLET_ISA"])
        self.refused(2, "run", "-p", "word " * 3000, says=["512"])

    def test_a_file_that_is_no_model_is_exit_3(self):
        self.refused(3, "run", "-m", "/nowhere", "-p", "a", says=["/nowhere"])
        with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
            file.write(b"GGUF\x03\0\0\0")
            file.flush()
            self.refused(3, "run", "-m", file.name, "-p", "a", says=[file.name])
            self.refused(3, "inspect", file.name, says=[file.name])

    def test_it_writes_the_same_text_for_the_same_seed(self):
        first, second, other = (run("run", "-p", "Once upon", "-n", "20", "--seed", seed) for seed in "778")
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertTrue(first.stdout.startswith(b"Once upon"))
        self.assertEqual(first.stdout, second.stdout)
        self.assertNotEqual(first.stdout, other.stdout)

    def test_the_digest_is_that_of_every_level_thread_count_and_chunk(self):
        digests = set()
        for isa in ("scalar", ""):
            for threads, chunk in (("1", "512"), ("2", "7"), ("3", "1")):
                done = run("run", "-p", "The king said", "-n", "4", "--temp", "0", "--digest", "-t", threads,
                           "--chunk", chunk, env={"KINGLET_ISA": isa})
                digests.add(done.stderr)
        self.assertEqual(len(digests), 1, digests)

    def test_a_draft_changes_neither_text_nor_digest_and_says_how_it_fared(self):
        args = ["run", "-p", "a b c d e f a b c d e f a b c", "-n", "30", "--seed", "3", "--digest", "--ignore-eos",
                "--repeat-penalty", "0.5"]  # makes it repeat itself
        plain = run(*args)
        self.assertEqual(plain.returncode, 0, plain.stderr)
        for isa in ("scalar", ""):
            drafted = run(*args, "--draft-ngram", "3", "--stats", env={"KINGLET_ISA": isa})
            self.assertEqual(drafted.stdout, plain.stdout)
            self.assertIn(plain.stderr, drafted.stderr)
            self.assertRegex(drafted.stderr, rb"draft: \d+ of \d+ tokens right \(.*%\), \d\.\d\d tokens a pass")

    def test_prompts_of_a_file_are_answered_in_order(self):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            for i in range(12):
                file.write(json.dumps({"ids": [1 + i] * (1 + i), "n": 12 - i, "seed": i, "id": f"line{i}"}) + "\n")
            file.flush()
            done = run("run", "-m", TINY, "--prompts", file.name, "--ignore-eos")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([line["id"] for line in lines], [f"line{i}" for i in range(12)])
        self.assertEqual([len(line["ids"]) for line in lines], [12 - i for i in range(12)])

    def test_tokens_and_text_go_there_and_back(self):
        ids = run("tokenize", "--ids-only", stdin="Zwölf Boxkämpfer 🦊\n".encode()).stdout
        self.assertEqual(run("detokenize", stdin=ids).stdout.decode(), "Zwölf Boxkämpfer 🦊\n")

    def test_lines_are_tokenised_in_order_by_any_number_of_threads(self):
        texts = [f"line {i} " + "and so on " * (i % 7) for i in range(2500)]
        lines = "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()
        one, three = (run("tokenize", "--jsonl", "-t", threads, stdin=lines) for threads in "13")
        self.assertEqual(one.returncode, 0, one.stderr)
        self.assertEqual(one.stdout, three.stdout)
        self.assertEqual(len(one.stdout.splitlines()), len(texts))
        for i in (0, 1023, 1024, 2499):
            alone = run("tokenize", "--ids-only", texts[i])
            self.assertEqual(one.stdout.splitlines()[i], alone.stdout.strip())

    def test_lines_before_a_bad_one_are_tokenised(self):
        lines = b'{"text": "a"}\n\n{"text": "b"}\n[]\n{"text": "c"}\n'
        done = run("tokenize", "--jsonl", "-t", "3", stdin=lines)
        self.assertEqual(done.returncode, 3)
        self.assertEqual(len(done.stdout.splitlines()), 2)
        self.assertIn(b"stdin:4", done.stderr)

    def test_vocabularies_that_do_harm_are_refused_in_one_line(self):
        model = '"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":[]}'
        split = '"pre_tokenizer":{"type":"Split","behavior":"Isolated","pattern":{"Regex":"%s"}},'
        unknown = '"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Zap"}]},'
        with tempfile.TemporaryDirectory() as folder:
            name = os.path.join(folder, "tokenizer.json")
            for text, code, says in [
                    ("{" + split % "(a|a|aa)*[cd]" + model + "}", 2, ["too long"]),
                    ("{" + split % "(a" + model + "}", 3, [name, "pre_tokenizer.pattern.Regex"]),
                    ("{" + unknown + model + "}", 3, [name, "normalizer.normalizers[1].type", "'Zap'"]),
                    ('{"x":' + "[" * 100000, 3, [name, "nested"]),
                    (model, 3, [name])]:
                with open(name, "w") as file:
                    file.write(text)
                with self.subTest(text=text[:80]):
                    self.refused(code, "tokenize", "-m", name, "a" * 5000 + "b", says=says)

    def test_ids_that_no_vocabulary_has_are_exit_2(self):
        for ids in ("2048", "1,-1", "2147483648", "99999999999999999999", "x"):
            with self.subTest(ids=ids):
                self.refused(2, "detokenize", "--ids=" + ids)
                self.refused(2, "detokenize", stdin=ids.encode())

    def test_an_unknown_pre_tokenizer_is_a_warning_that_says_what_is_taken(self):
        def text(value):
            return struct.pack("<Q", len(value)) + value

        def texts(values):
            return struct.pack("<IQ", 8, len(values)) + b"".join(map(text, values))

        keys = [(b"general.architecture", 8, text(b"llama")), (b"tokenizer.ggml.model", 8, text(b"gpt2")),
                (b"tokenizer.ggml.pre", 8, text(b"frobnicator")), (b"tokenizer.ggml.tokens", 9, texts([b"a", b"b", b"ab"])),
                (b"tokenizer.ggml.merges", 9, texts([b"a b"]))]
        with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
            file.write(b"GGUF" + struct.pack("<IQQ", 3, 0, len(keys)))
            for key, kind, value in keys:
                file.write(text(key) + struct.pack("<I", kind) + value)
            file.flush()
            done = run("tokenize", "-m", file.name, "--ids-only", "abb")
            self.assertEqual((done.returncode, done.stdout), (0, b"[2,1]\n"), done.stderr)
            self.assertRegex(done.stderr.decode(), r"^kinglet: warning: .*'frobnicator'.*GPT-2.*\n$")
            self.assertEqual(run("tokenize", "-q", "-m", file.name, "--ids-only", "abb").stderr, b"")

    def test_full_disk_is_exit_1(self):
        with open("/dev/full", "wb") as full:
            done = run("run", "-p", "a", "-n", "3", stdout=full)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot write", done.stderr)

    def test_an_interrupt_is_exit_130_with_the_text_so_far(self):
        command = subprocess.Popen([KINGLET, "run", "-p", "Once", "-n", "100000000", "-c", "10000000", "--ignore-eos",
                                    "-q"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        command.stdout.read(200)
        command.send_signal(signal.SIGINT)
        command.communicate(timeout=30)
        self.assertEqual(command.returncode, 130)

    def test_inspect_says_what_is_inside(self):
        found = json.loads(run("inspect", "--json").stdout)
        self.assertEqual(found["architecture"], "llama")
        self.assertEqual(found["shape"]["vocabulary"], 2048)

    def test_convert_makes_a_model_with_the_same_digest(self):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "copy")
            done = run("convert", os.path.join(SOURCE, "models/tales-3m"), out, "--dtype", "f32")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.refused(2, "convert", os.path.join(SOURCE, "models/tales-3m"), out, says=["--force"])
            digests = {run("run", "-m", m, "-p", "A fox", "-n", "0", "--digest").stderr
                       for m in (out, os.path.join(SOURCE, "models/tales-3m"))}
            self.assertEqual(len(digests), 1, digests)


if __name__ == "__main__":
    unittest.main()
