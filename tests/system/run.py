#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""System tests: podtap-sidecar and podtap against real servers, in real cgroups and namespaces.

    python3 tests/system/run.py [--build DIR] [--in-pod-build DIR] [-k TEXT]... [--list]

Needs root, cgroup2 and BPF; without them every test is skipped, with the reason. The last line is
"N passed, N failed, N skipped". Exit status 1 if one failed.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
import traceback

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)

from support import machine, pod  # noqa: E402
from support.case import CASES, Failure, Skip  # noqa: E402

MODULES = ("test_servers", "test_connections", "test_roles", "test_life", "test_sinks", "test_formats", "test_otlp",
           "test_policy", "test_config_file", "test_bad_input", "test_run", "test_packets", "test_http2", "test_two_processes", "test_admin",
           "test_overload", "test_in_pod_build")


def explain(error):
    if isinstance(error, Failure):
        # Where in the test it was found.
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(HERE)]
        place = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}: " if frames else ""
        return f"{place}{error}"
    return "".join(traceback.format_exception(error)).rstrip()


def main():
    parser = argparse.ArgumentParser(description="podtap's system tests")
    parser.add_argument("--build", default=os.path.join(HERE, "../../build"), help="the build folder")
    parser.add_argument("--in-pod-build", help="a build folder made with -DPODTAP_IN_POD=ON; its tests are skipped without it")
    parser.add_argument("-k", dest="only", action="append", default=[], help="only tests whose name contains this text")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    options = parser.parse_args()

    pod.set_build(options.build, options.in_pod_build)
    for module in MODULES:
        if os.path.exists(os.path.join(HERE, f"{module}.py")):
            __import__(module)
    cases = [case for case in CASES if not options.only or any(text in case[0] for text in options.only)]
    if options.list:
        print("\n".join(name for name, _, _ in cases))
        return 0

    # An ended runner cleans up as well: SIGTERM unwinds like an exception.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    # Started in the background by a shell it would ignore SIGINT, and so would all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    lacking = machine.missing()
    if lacking is None:
        for name in ("podtap-sidecar", "podtap"):
            if subprocess.run([pod.program(name), "--version"], stdout=subprocess.DEVNULL, check=False).returncode != 0:
                print(f"{pod.program(name)} does not run; build first, or name the build folder with --build")
                return 1
        pod.remove_stale()

    passed = failed = skipped = 0
    for name, function, arguments in cases:
        start = time.monotonic()
        try:
            if lacking is not None:
                raise Skip(lacking)
            try:
                function(*arguments)
            except Skip:
                raise
            except Exception as error:  # pylint: disable=broad-except
                # Real servers on a busy machine: one more try, and the first failure is told.
                print(f"again {name}: {explain(error)}", flush=True)
                function(*arguments)
        except Skip as reason:
            skipped += 1
            print(f"skip  {name}: {reason}", flush=True)
        except Exception as error:  # pylint: disable=broad-except
            failed += 1
            print(f"FAIL  {name} ({time.monotonic() - start:.1f} s)\n      {explain(error)}", flush=True)
        else:
            passed += 1
            print(f"ok    {name} ({time.monotonic() - start:.1f} s)", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
