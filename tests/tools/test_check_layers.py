#!/usr/bin/python3
"""tools/check_layers.py, on small trees with one breach each, and on the sources themselves."""
import os
import tempfile
import unittest

import paths  # noqa: F401  (puts tools/ on the path)
import check_layers


class CheckLayers(unittest.TestCase):
    def check(self, files):
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, "src"))
            for name, text in files.items():
                path = os.path.join(root, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
            return check_layers.check(root)

    def test_the_sources_of_kinglet_hold(self):
        self.assertEqual(check_layers.check(paths.ROOT), [])

    def test_includes_of_lower_layers_and_other_libraries_pass(self):
        self.assertEqual(self.check({
            "src/nn/linear.cc": '#include "nn/linear.h"\n#include <vector>\n#include <fmt/format.h>\n'
                                '#include "kernels/table.h"\n#include "kinglet/error.h"\n',
            "src/cli/main.cc": '#include "runtime/open.h"\n#include "kinglet/model.h"\n',
            "include/kinglet/model.h": '#include <string>\n#include "kinglet/error.h"\n'}), [])

    def test_an_include_that_points_up_is_named_with_its_line(self):
        self.assertEqual(self.check({"src/tensor/rows.h": '#pragma once\n#include "nn/linear.h"\n'}),
                         ["src/tensor/rows.h:2: tensor may not include nn (nn/linear.h)"])

    def test_sideways_is_a_breach(self):
        for layer, other in (("io", "arch"), ("arch", "io"), ("tokenizer", "io"), ("convert", "insight"),
                             ("insight", "convert"), ("cli", "nn"), ("cli", "io"), ("runtime", "cli")):
            found = self.check({f"src/{layer}/a.cc": f'#include "{other}/b.h"\n'})
            self.assertEqual(found, [f"src/{layer}/a.cc:1: {layer} may not include {other} ({other}/b.h)"])

    def test_another_spelling_does_not_hide_it(self):
        for line in ('#include <nn/linear.h>', '#  include "nn/linear.h"', '#include "../nn/linear.h"',
                     '#include "./../nn/linear.h" // why'):
            found = self.check({"src/base/a.cc": line + "\n", "src/nn/linear.h": ""})
            self.assertEqual(len(found), 1, line)
            self.assertIn("base may not include nn", found[0])

    def test_a_public_header_belongs_to_the_layer_that_implements_it(self):
        self.assertEqual(self.check({"src/nn/a.cc": '#include "kinglet/model.h"\n'}),
                         ["src/nn/a.cc:1: nn may not include runtime (kinglet/model.h)"])
        self.assertEqual(self.check({"src/base/a.cc": '#include "kinglet/tokenizer.h"\n'}),
                         ["src/base/a.cc:1: base may not include tokenizer (kinglet/tokenizer.h)"])

    def test_a_public_header_includes_nothing_internal_and_no_other_library(self):
        for target in ('"base/text.h"', '"text.h"', "<nlohmann/json.hpp>"):
            found = self.check({"include/kinglet/a.h": f"\n#include {target}\n"})
            self.assertEqual(found, [f"include/kinglet/a.h:2: a public header may not include {target[1:-1]}"])

    def test_a_folder_that_is_no_layer_is_named(self):
        self.assertEqual(len(self.check({"src/misc/a.cc": ""})), 1)


if __name__ == "__main__":
    unittest.main()
