"""kinglet score as a user meets it. test_score.py KINGLET SOURCE_DIR"""
import json
import math
import os
import subprocess
import sys
import tempfile
import unittest

KINGLET, SOURCE = sys.argv.pop(1), sys.argv.pop(1)
TINY = os.path.join(SOURCE, "tests/models/tiny-llama")
TEXT = "Once upon a time there was a king who had three sons. \u00c9t\u00e9 \U0001f60a.\nThe youngest was kind."


def run(*args, stdin=b""):
    return subprocess.run([KINGLET, "score", *args], input=stdin, capture_output=True, timeout=60, check=False)


class Score(unittest.TestCase):
    def answer(self, *args, **more):
        done = run(*args, **more)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout.decode()

    def error(self, code, *args):
        done = run(*args)
        self.assertEqual(done.returncode, code, done.stdout.decode() + done.stderr.decode())
        self.assertEqual(done.stderr.decode().count("\n"), 1)
        return done.stderr.decode()

    def test_softmax_and_cross_entropy_of_given_logits(self):
        with open(os.path.join(SOURCE, "tests/dense/vectors/softmax.json"), encoding="utf-8") as file:
            want = json.load(file)
        row = json.dumps(want["logits"])
        text = self.answer("--logits", row, "--target", str(want["target"]))
        self.assertEqual(text, "[0.62853172, 0.2312239, 0.14024438]\ncross-entropy 0.46436878\n")
        exact = json.loads(self.answer("--logits", row, "--target", str(want["target"]), "--json"))
        for got, value in zip(exact["probabilities"], want["probabilities"]):
            self.assertAlmostEqual(got, value, delta=1e-12)
        self.assertAlmostEqual(exact["cross_entropy"], want["cross_entropy"], delta=1e-12)
        stable = json.loads(self.answer("--logits", json.dumps(want["stability"]["logits"]), "--json"))
        for got, value in zip(stable["probabilities"], want["stability"]["probabilities"]):
            self.assertAlmostEqual(got, value, delta=1e-12)
        self.assertIn("--target", self.error(2, "--logits", row, "--target", "3"))
        self.error(2, "--logits", "[1, 2")
        self.error(2, "--logits", "[]")

    def test_tokens_add_up_to_the_report_exactly(self):
        lines = self.answer("-p", TEXT, "--tokens", "--json", "--window", "16").splitlines()
        tokens, summary = [json.loads(line) for line in lines[:-1]], json.loads(lines[-1])
        total = 0.0
        for token in tokens:
            total += token["logprob"]
        self.assertEqual(total, summary["log_probability"])
        self.assertEqual(len(tokens), summary["tokens"])
        self.assertEqual(summary["bytes"], len(TEXT.encode()))
        self.assertAlmostEqual(summary["perplexity"], math.exp(-total / len(tokens)), places=9)
        self.assertAlmostEqual(summary["bits_per_byte"], -total / math.log(2) / len(TEXT.encode()), places=9)
        self.assertEqual([token["index"] for token in tokens], list(range(1, len(tokens) + 1)))
        for token in tokens:
            self.assertGreaterEqual(token["rank"], 1)
            self.assertGreaterEqual(token["entropy"], 0)

    def test_text_comes_from_a_file_or_stdin_too(self):
        want = json.loads(self.answer("-p", TEXT, "--json"))
        with tempfile.NamedTemporaryFile() as file:
            file.write(TEXT.encode())
            file.flush()
            from_file = json.loads(self.answer("-f", file.name, "--json"))
        from_stdin = json.loads(self.answer("--json", stdin=TEXT.encode()))
        self.assertEqual(from_file["log_probability"], want["log_probability"])
        self.assertEqual(from_stdin["log_probability"], want["log_probability"])

    def test_threads_and_chunks_change_nothing(self):
        ids = ",".join(str(i * 7 % 67) for i in range(50))
        for protocol in "sliding", "llama.cpp":
            answers = {json.loads(self.answer("-m", TINY, "--ids", ids, "--protocol", protocol, "-c", "16", "-t", threads,
                                              "--chunk", chunk, "--json"))["log_probability"]
                       for threads in "12" for chunk in ("1", "7", "128")}
            self.assertEqual(len(answers), 1, protocol)

    def test_against_itself_and_another(self):
        ids = ",".join(str(i * 7 % 67) for i in range(50))
        same = json.loads(self.answer("-m", TINY, "--against", TINY, "--ids", ids, "--json"))
        self.assertEqual((same["mean_kl"], same["same_best"]), (0, 49))
        other = self.answer("-m", TINY, "--against", TINY.replace("tiny-llama", "tiny-qwen2"), "--ids", ids)
        self.assertIn("KL divergence", other)
        self.assertIn("vocabularies differ", self.error(2, "--against", TINY, "-p", TEXT))

    def test_what_cannot_be_is_one_line(self):
        self.assertIn("too short", self.error(2, "-p", ""))
        self.assertIn("--protocol", self.error(2, "-p", TEXT, "--protocol", "huggingface"))
        self.assertIn("stride", self.error(2, "-p", TEXT, "--window", "8", "--stride", "9"))
        self.assertIn("--stride", self.error(2, "-p", TEXT, "--protocol", "llama.cpp", "--stride", "9"))
        self.assertIn("tokenizer", self.error(2, "-m", TINY, "-p", TEXT))
        self.assertIn("outside the vocabulary", self.error(2, "-m", TINY, "--ids", "1,67"))
        self.error(3, "-f", "/nonexistent/file")

    def test_tokens_in_text_mode_leave_stdout_to_json(self):
        done = run("-p", "A king.", "--tokens")
        for line in done.stdout.decode().splitlines():
            json.loads(line)
        self.assertIn("perplexity", done.stderr.decode())


if __name__ == "__main__":
    unittest.main()
