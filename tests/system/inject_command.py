#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""podtap inject, uninject and explain as a person at a terminal calls them. Needs no privilege.

    python3 tests/system/inject_command.py --podtap build/bin/podtap [unittest arguments]
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import yaml

PODTAP = ""

DEPLOYMENT = """\
# The shop's cart, kept by hand.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cart   # two spaces before this
  namespace: shop
spec:
  selector: {matchLabels: {app: cart}}
  template:
    metadata:
      labels:
        app: cart
      annotations:
        mirror.traceable.ai/enabled: "true"
        note: 'schön – ünïcode'
    spec:
      # the application
      containers:
      - name: app
        image: shop/cart:1   # pinned
---
apiVersion: v1
kind: Service
metadata: {name: cart}
"""


def run(*arguments, text=None):
    return subprocess.run([PODTAP, *arguments], input=text, capture_output=True, text=True, timeout=60)


class Offline(unittest.TestCase):
    def test_inject_keeps_every_line_and_uninject_takes_all_of_it_back(self):
        injected = run("inject", "-f", "-", text=DEPLOYMENT)
        self.assertEqual(injected.returncode, 0, injected.stderr)
        self.assertIn("shop/Deployment/cart: injected (pod-enabled", injected.stderr)
        left = iter(injected.stdout.splitlines())
        for line in DEPLOYMENT.splitlines():
            self.assertIn(line, left)  # all of them, in this order
        template = next(yaml.safe_load_all(injected.stdout))["spec"]["template"]
        self.assertEqual(template["spec"]["initContainers"][0]["name"], "podtap")
        self.assertEqual(run("uninject", "-f", "-", text=injected.stdout).stdout, DEPLOYMENT)
        self.assertEqual(run("inject", "-f", "-", text=injected.stdout).stdout, injected.stdout, "twice is once")

    def test_the_input_may_be_a_file_a_pipe_or_json(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "app.yaml"
            file.write_text(DEPLOYMENT)
            from_file = run("inject", "-f", str(file))
        self.assertEqual(from_file.stdout, run("inject", "-f", "-", text=DEPLOYMENT).stdout)
        as_json = json.dumps(next(yaml.safe_load_all(DEPLOYMENT)))
        pod = json.loads(run("inject", "-f", "-", text=as_json).stdout)["spec"]["template"]
        self.assertEqual(pod["spec"]["initContainers"][0]["name"], "podtap")

    def test_explain_says_who_decided(self):
        pods = "".join(f"---\nkind: Pod\nmetadata: {{name: {name}{more}}}\nspec: {{containers: [{{name: a}}]}}\n"
                       for name, more in (("one", ", namespace: quiet"), ("two", "")))
        namespaces = ("kind: Namespace\nmetadata: {name: quiet, labels: {traceableai-mirror: disabled}}\n---\n"
                      "kind: Namespace\nmetadata:\n  name: loud\n  labels: {traceableai-mirror: enabled}\n"
                      "  annotations: {mirror.traceable.ai/defaultMode: all}\n")
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "namespaces.yaml"
            file.write_text(namespaces)
            result = run("explain", "-f", "-", "-o", "json", "-n", "loud", "--namespaces_file", str(file), text=pods)
            table = run("explain", "-f", "-", "-n", "loud", f"--namespaces_file={file}", text=pods)
        self.assertEqual(result.returncode, 0, result.stderr)
        one, two = json.loads(result.stdout)
        self.assertEqual((one["namespace"], one["decision"], one["reason"]), ("quiet", "skip", "namespace-disabled"))
        self.assertEqual((two["namespace"], two["decision"], two["reason"]), ("loud", "inject", "namespace-enabled"))
        self.assertEqual((two["mode"], two["mode_from"]), ("all", "namespace"))
        self.assertEqual(table.stdout.splitlines()[0].split()[:3], ["WORKLOAD", "DECISION", "REASON"])
        self.assertIn("loud/Pod/two", table.stdout)

    def test_yaml_words_are_read_as_kubernetes_reads_them(self):
        pod = ("kind: Pod\nmetadata: {name: a, annotations: {mirror.traceable.ai/enabled: \"true\"}}\n"
               "spec: {hostUsers: no, containers: [{name: a}]}\n")
        self.assertEqual(json.loads(run("explain", "-f", "-", "-o", "json", text=pod).stdout)[0]["reason"], "host-users")

    def test_bad_input_gets_one_line_and_an_exit_code(self):
        for arguments, text, code, words in (
                (["inject"], None, 2, "-f FILE is required"),
                (["inject", "-f", "/nonexistent/app.yaml"], None, 1, "/nonexistent/app.yaml"),
                (["inject", "-f", "-"], "a: [b", 2, "-: "),
                (["explain", "-f", "-", "-o", "xml"], "", 2, "use table or json"),
                (["uninject", "-f", "-", "--mode=all"], "", 2, "unknown flag --mode"),
                (["explain", "-f", "-", "--namespaces_file=/nonexistent"], "", 1, "/nonexistent")):
            result = run(*arguments, text=text if text is not None else "")
            self.assertEqual(result.returncode, code, f"{arguments}: {result.stderr}")
            self.assertIn(words, result.stderr)
            self.assertEqual(result.stderr.count("\n"), 1, result.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--podtap", default="build/bin/podtap")
    known, rest = parser.parse_known_args()
    PODTAP = os.path.abspath(known.podtap)
    unittest.main(argv=[sys.argv[0], *rest], warnings="ignore")
