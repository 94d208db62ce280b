# SPDX-License-Identifier: Apache-2.0
"""manifests/kustomize: what kubectl makes of each overlay equals the chart's objects. --update writes the files of base and
revision-canary anew from the chart; the other overlays are patches, written by hand."""

import os
import shutil
import subprocess
import tempfile
import unittest

import yaml

import chart
from api_types import errors_of

FOLDER = os.path.join(chart.ROOT, "manifests/kustomize")
UPDATE = False
HELM_ONLY = ("helm.sh/chart", "app.kubernetes.io/managed-by")
# overlay: the chart's case that it equals.
OVERLAYS = {"default": "default", "mirror-all": "mirror-all", "unprivileged": "unprivileged", "revision-canary": "canary"}
HEADER = "# SPDX-License-Identifier: Apache-2.0\n# From the chart's templates/{}, by tests/manifests/run.py --update.\n"


def without_helm(document):
    for key in HELM_ONLY:
        document["metadata"].get("labels", {}).pop(key, None)
    return document


def files_of(result):
    """{file name: objects} of a rendered case, without hooks."""
    files = {}
    for name, text in result["files"].items():
        found = [without_helm(o) for o in chart.documents(text)] if name.endswith(".yaml") else []
        if found and "/tests/" not in name:
            files[os.path.basename(name)] = found
    return files


def write(folder, result, resources):
    files = files_of(result)
    for name, found in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(HEADER.format(name) + yaml.safe_dump_all(found, sort_keys=False, width=120))
    with open(os.path.join(folder, "kustomization.yaml"), "w", encoding="utf-8") as file:
        file.write("# SPDX-License-Identifier: Apache-2.0\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n")
        file.writelines(f"- {name}\n" for name in [*resources, *sorted(files)])


def as_map(documents):
    return {(o["kind"], o["metadata"]["name"]): o for o in documents}


class Kustomize(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.rendered = chart.render({case: chart.CASES[case] for case in OVERLAYS.values()})
        if UPDATE:
            write(os.path.join(FOLDER, "base"), cls.rendered["default"], ["namespace.yaml"])
            write(os.path.join(FOLDER, "overlays/revision-canary"), cls.rendered["canary"], [])

    def build(self, overlay):
        if shutil.which("kubectl") is None:
            self.skipTest("kubectl is not installed; scripts/setup installs it")
        done = subprocess.run(["kubectl", "kustomize", os.path.join(FOLDER, "overlays", overlay)], capture_output=True, text=True,
                              check=False, timeout=120, env={**os.environ, "KUBECONFIG": "/dev/null"})
        self.assertEqual(done.returncode, 0, done.stderr)
        return chart.documents(done.stdout)

    def test_every_overlay_equals_the_chart(self):
        self.assertEqual(sorted(os.listdir(os.path.join(FOLDER, "overlays"))), sorted(OVERLAYS))
        for overlay, case in OVERLAYS.items():
            with self.subTest(overlay):
                built = as_map(self.build(overlay))
                built.pop(("Namespace", "podtap"), None)
                wanted = as_map(o for found in files_of(self.rendered[case]).values() for o in found)
                self.assertEqual(sorted(built), sorted(wanted))
                for key, document in wanted.items():
                    self.assertEqual(built[key], document, key)
                    self.assertEqual(errors_of(built[key]), [])

    def test_a_revision_of_another_name_is_a_copy(self):
        """As README.md of the folder says."""
        if shutil.which("kubectl") is None:
            self.skipTest("kubectl is not installed; scripts/setup installs it")
        version, _, values = chart.CASES["canary"]
        wanted = files_of(chart.render({"blue": (version, "podtap-blue", {**values, "revision": "blue"})})["blue"])
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(FOLDER, "overlays/revision-canary")
            for name in os.listdir(source):
                with open(os.path.join(source, name), encoding="utf-8") as old, open(os.path.join(folder, name), "w", encoding="utf-8") as new:
                    new.write(old.read().replace("canary", "blue"))
            done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=False, timeout=120)
        self.assertEqual(as_map(chart.documents(done.stdout)), as_map(o for found in wanted.values() for o in found), done.stderr)

    def test_files_are_what_the_chart_says(self):
        for folder, case in (("base", "default"), ("overlays/revision-canary", "canary")):
            for name, found in files_of(self.rendered[case]).items():
                with open(os.path.join(FOLDER, folder, name), encoding="utf-8") as file:
                    self.assertEqual(chart.documents(file.read()), found, "run tests/manifests/run.py --update if the change is meant")
