#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of manifests/: the chart rendered with Go and Sprig, kustomize, Terraform. No cluster and no privilege is needed.

    python3 tests/manifests/run.py [--webhook build/bin/podtap-webhook] [--update] [unittest arguments]

--update writes the goldens anew. Tests whose tool is missing are skipped, and say so.
"""

import argparse
import os
import sys
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.dirname(HERE))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--webhook", default=os.path.join(HERE, "../../build/bin/podtap-webhook"))
    parser.add_argument("--update", action="store_true")
    options, rest = parser.parse_known_args()
    suite_modules = [name[:-3] for name in sorted(os.listdir(HERE)) if name.startswith("test_") and name.endswith(".py")]
    loader = unittest.TestLoader()
    for name in suite_modules:
        module = __import__(name)
        module.WEBHOOK, module.UPDATE = os.path.abspath(options.webhook), options.update
        globals().update({key: value for key, value in vars(module).items()
                          if isinstance(value, type) and issubclass(value, unittest.TestCase)})
    unittest.main(argv=[sys.argv[0], *rest], testLoader=loader, verbosity=2)


if __name__ == "__main__":
    main()
