#!/usr/bin/python3
"""tools/get_model.py with a package made here: nothing is downloaded."""
import contextlib
import hashlib
import io
import os
import tempfile
import unittest
import zipfile
from unittest import mock

import paths  # noqa: F401  (puts tools/ on the path)
import get_model

CONTENT = b"weights" * 1000
TINY = get_model.Model(package="tiny", version="1.0", inside="tiny/w.gguf", file="w.gguf",
                       sha256=hashlib.sha256(CONTENT).hexdigest(), size=len(CONTENT), licence="MIT", note="a test")


class GetModel(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.join(folder.name, "models")  # made by the tool
        self.target = os.path.join(self.folder, "w.gguf")
        self.downloads = 0

    def get(self, content=CONTENT, inside="tiny/w.gguf", **patches):
        """(exit code, stdout, stderr) of `get_model.py tiny FOLDER` where the index holds `content`."""
        def download(model, into):
            self.downloads += 1
            wheel = os.path.join(into, "tiny-1.0.whl")
            with zipfile.ZipFile(wheel, "w") as archive:
                archive.writestr(inside, content)
            return wheel

        out, err = io.StringIO(), io.StringIO()
        with mock.patch.multiple(get_model, **{"MODELS": {"tiny": TINY}, "download": download, **patches}), \
                contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = get_model.main(["tiny", self.folder])
        return code, out.getvalue(), err.getvalue()

    def test_the_path_is_all_that_stdout_gets(self):
        code, out, _ = self.get()
        self.assertEqual((code, out), (0, self.target + "\n"))
        with open(self.target, "rb") as file:
            self.assertEqual(file.read(), CONTENT)
        self.assertEqual(os.listdir(self.folder), ["w.gguf"])  # no scratch left

    def test_a_right_file_is_not_fetched_again(self):
        self.get()
        code, out, err = self.get()
        self.assertEqual((code, out, err, self.downloads), (0, self.target + "\n", "", 1))

    def test_a_wrong_file_of_the_right_size_is_replaced(self):
        os.makedirs(self.folder)
        with open(self.target, "wb") as file:
            file.write(bytes(len(CONTENT)))
        self.assertEqual(self.get()[0], 0)
        self.assertEqual(get_model.sha256_of(self.target), TINY.sha256)

    def test_a_wrong_hash_keeps_what_was_there(self):
        os.makedirs(self.folder)
        with open(self.target, "wb") as file:
            file.write(b"older")
        code, out, err = self.get(content=CONTENT + b"!")
        self.assertEqual((code, out), (1, ""))
        self.assertIn("expected " + TINY.sha256, err)
        with open(self.target, "rb") as file:
            self.assertEqual(file.read(), b"older")
        self.assertEqual(os.listdir(self.folder), ["w.gguf"])

    def test_every_failure_is_one_line(self):
        def no_network(model, into):
            raise get_model.Failed("pip could not fetch tiny==1.0 (no network?): why")

        def full(path):
            return mock.Mock(free=len(CONTENT))

        with mock.patch.object(get_model.shutil, "disk_usage", full):
            self.check_line(self.get(), "0 MB free, 0 MB needed")
        self.check_line(self.get(inside="tiny/other"), "does not hold tiny/w.gguf")
        self.check_line(self.get(download=no_network), "no network?")
        with mock.patch.object(get_model.importlib.util, "find_spec", lambda name: None):
            self.check_line(self.get(download=get_model.download), "has no pip")
        self.assertEqual(os.listdir(self.folder), [])

    def check_line(self, result, part):
        code, out, err = result
        self.assertEqual((code, out), (1, ""))
        self.assertRegex(err, r"\Aget_model\.py: error: [^\n]+\n\Z")
        self.assertIn(part, err)

    def test_the_default_place_follows_the_cache_s_rule(self):
        with mock.patch.dict(os.environ, {"XDG_CACHE_HOME": "/somewhere", "HOME": "/home/a"}):
            self.assertEqual(get_model.default_directory(), "/somewhere/kinglet")
        with mock.patch.dict(os.environ, {"XDG_CACHE_HOME": "relative", "HOME": "/home/a"}):
            self.assertEqual(get_model.default_directory(), "/home/a/.cache/kinglet")

    def test_every_model_listed_has_a_licence_and_a_whole_hash(self):
        for name, model in get_model.MODELS.items():
            self.assertRegex(model.sha256, r"\A[0-9a-f]{64}\Z", name)
            self.assertTrue(model.licence and model.size > 0, name)
            self.assertEqual(os.path.basename(model.file), model.file, name)


if __name__ == "__main__":
    unittest.main()
