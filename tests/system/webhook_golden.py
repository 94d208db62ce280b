#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Applies every golden patch of the webhook with an independent implementation of JSON Patch (python3-jsonpatch) to the pod as
an independent YAML reader (python3-yaml) sees it, and wants the pod that podtap made of it."""
import json
import pathlib
import sys

import jsonpatch
import yaml

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "webhook"


def main() -> int:
    cases = sorted(folder for folder in GOLDEN.iterdir() if folder.is_dir())
    failed = 0
    operations = 0
    for folder in cases:
        pod = yaml.safe_load((folder / "pod.yaml").read_text())
        patch = json.loads((folder / "patch.json").read_text())
        wanted = json.loads((folder / "patched.json").read_text())
        operations += len(patch)
        if any(operation["op"] != "add" for operation in patch):
            print(f"{folder.name}: an operation other than add")
            failed += 1
        if jsonpatch.apply_patch(pod, patch) != wanted:
            print(f"{folder.name}: jsonpatch makes another pod of it")
            failed += 1
    print(f"webhook_golden: {len(cases)} pairs, {operations} operations, {failed} failed")
    return 1 if failed or len(cases) < 8 or operations < 40 else 0


if __name__ == "__main__":
    sys.exit(main())
