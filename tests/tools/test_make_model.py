#!/usr/bin/python3
"""tools/make_model.py: kinglet opens, sizes and runs what it writes, in every type. test_make_model.py KINGLET"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

import paths

KINGLET = sys.argv.pop(1) if __name__ == "__main__" else ""
MAKE = os.path.join(paths.ROOT, "tools", "make_model.py")
TYPES = "f32 f16 bf16 q8_0 q4_0 q5_0 q4_k q6_k q4_k_m".split()


class MakeModel(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def make(self, name, shape, *arguments):
        path = os.path.join(self.folder, name)
        subprocess.run([sys.executable, "-B", MAKE, "--shape", shape, "-o", path, *arguments], check=True,
                       stderr=subprocess.DEVNULL)
        return path

    def kinglet(self, *arguments):
        done = subprocess.run([KINGLET, *arguments], capture_output=True, check=False, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def test_every_type_is_opened_and_gives_finite_logits(self):
        for kind in TYPES:
            for shape in ("256/512/9/4:2/300", "96/256/2/3/320:tied"):
                with self.subTest(type=kind, shape=shape):
                    path = self.make("m.gguf", shape, "--type", kind)
                    found = json.loads(self.kinglet("inspect", "--json", path).stdout)
                    self.assertEqual(found["architecture"], "llama")
                    self.kinglet("run", "-m", path, "-p", "abc d", "-n", "3", "--temp", "0")

    def test_types_are_mixed_as_llama_quantize_mixes_them(self):
        listed = self.kinglet("inspect", "--tensors", self.make("m.gguf", "256/512/9/4:2/300", "--type", "q4_k_m"))
        types = {line.split()[0]: line.split()[1] for line in listed.stdout.decode().splitlines() if ".weight" in line}
        self.assertEqual(types["output.weight"], "q6_k")
        self.assertEqual(types["token_embd.weight"], "q4_k")
        self.assertEqual([layer for layer in range(9) if types[f"blk.{layer}.ffn_down.weight"] == "q6_k"], [0, 3, 6, 7, 8])
        listed = self.kinglet("inspect", "--tensors", self.make("m.gguf", "96/256/2/3/320:tied", "--type", "q4_k_m"))
        types = {line.split()[0]: line.split()[1] for line in listed.stdout.decode().splitlines() if ".weight" in line}
        self.assertEqual(types["token_embd.weight"], "q8_0")  # 96 is no multiple of 256
        self.assertEqual(types["blk.0.attn_q.weight"], "q5_0")

    def test_the_llama2c_file_holds_the_same_model(self):
        gguf, binary = self.make("m.gguf", "96/256/2/3/320:tied"), self.make("m.bin", "96/256/2/3/320:tied")
        digests = {self.kinglet("run", "-m", path, "--ids", "1,5,9", "-n", "2", "--temp", "0", "--digest").stderr
                   for path in (gguf, binary)}
        self.assertEqual(len(digests), 1, digests)

    def test_the_same_options_give_the_same_bytes_and_another_seed_others(self):
        contents = []
        for name, seed in (("a.gguf", "1"), ("b.gguf", "1"), ("c.gguf", "2")):
            with open(self.make(name, "64/64/1/2/300", "--type", "q4_0", "--seed", seed), "rb") as file:
                contents.append(file.read())
        self.assertEqual(contents[0], contents[1])
        self.assertNotEqual(contents[0], contents[2])


if __name__ == "__main__":
    unittest.main()
