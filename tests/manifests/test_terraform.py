# SPDX-License-Identifier: Apache-2.0
"""manifests/terraform: its variables reach the chart. Formatting and validation where terraform and its provider can be had."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

import chart

FOLDER = os.path.join(chart.ROOT, "manifests/terraform")


def text_of(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return file.read()


def paths(text):
    """Dotted paths of the map in `locals { values = {`, to where a variable stands."""
    path, found = [], {}
    for line in text.partition("values = {\n")[2].partition("\n}\n")[0].splitlines():
        line = line.strip()
        if match := re.fullmatch(r"(\w+)\s*=\s*\{\s*(\w+)\s*=\s*var\.(\w+)\s*\}", line):
            found[".".join([*path, match[1], match[2]])] = match[3]
        elif match := re.fullmatch(r"(\w+)\s*=\s*\{", line):
            path.append(match[1])
        elif match := re.fullmatch(r"(\w+)\s*=\s*var\.(\w+)", line):
            found[".".join([*path, match[1]])] = match[2]
        elif line == "}" and path:
            path.pop()
    return found


class Terraform(unittest.TestCase):
    def setUp(self):
        self.variables = dict(re.findall(r'^variable "(\w+)" \{.*?^  default +=(?: )(.+?)$', text_of("variables.tf"), re.M | re.S))

    def test_users_find_the_names_that_they_know(self):
        for name in ("daemon_set_mirror_all_namespaces", "ebpf_run_as_privileged", "ebpf_max_active_ret_probe", "namespace", "token",
                     "endpoint", "environment", "ebpf_capture_enabled", "ebpf_allowed_capabilities", "ebpf_se_linux_options_type",
                     "max_body_size"):
            self.assertIn(name, self.variables)

    def test_every_variable_is_used_and_listed(self):
        used = set(re.findall(r"var\.(\w+)", text_of("main.tf")))
        self.assertEqual(used, set(self.variables))
        rows = dict(re.findall(r"^\| `(\w+)` \| `(.+?)` \|", text_of("README.md"), re.M))
        self.assertEqual(rows, self.variables)

    def test_every_value_is_one_of_the_chart_with_the_same_default(self):
        found = paths(text_of("main.tf"))
        self.assertGreater(len(found), 15)
        for path, variable in found.items():
            value = chart.default_values()
            for key in path.split("."):
                self.assertIn(key, value, path)
                value = value[key]
            if isinstance(value, bool):
                self.assertEqual(self.variables[variable], str(value).lower(), path)
            elif isinstance(value, (int, str)):
                self.assertEqual(self.variables[variable].strip('"'), str(value), path)

    def test_format(self):
        if shutil.which("terraform") is None:
            self.skipTest("terraform is not installed")
        done = subprocess.run(["terraform", "fmt", "-check", "-diff", FOLDER], capture_output=True, text=True, check=False, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_validates(self):
        if shutil.which("terraform") is None:
            self.skipTest("terraform is not installed")
        with tempfile.TemporaryDirectory() as folder:
            for name in os.listdir(FOLDER):
                if name.endswith(".tf"):
                    shutil.copy(os.path.join(FOLDER, name), folder)
            init = subprocess.run(["terraform", "init", "-backend=false", "-input=false", "-no-color"], cwd=folder, capture_output=True,
                                  text=True, check=False, timeout=300)
            if init.returncode != 0:
                self.skipTest("the provider hashicorp/helm cannot be had here")
            done = subprocess.run(["terraform", "validate", "-no-color"], cwd=folder, capture_output=True, text=True, check=False, timeout=120)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
