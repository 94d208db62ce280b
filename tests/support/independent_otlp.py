# SPDX-License-Identifier: Apache-2.0
"""OTLP read by an implementation that is not ours: OpenTelemetry's for JavaScript, installed by npm into a cache folder."""

import base64
import json
import os
import shutil
import subprocess

from support.case import Skip

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "otlp_decoder")
FOLDER = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "podtap-otlp-decoder-0.57.2")


def install():
    if os.path.isdir(os.path.join(FOLDER, "node_modules/@opentelemetry/otlp-transformer")):
        return
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise Skip("npm is not here, so OpenTelemetry's decoder cannot be had")
    os.makedirs(FOLDER, exist_ok=True)
    shutil.copy(os.path.join(HERE, "package.json"), FOLDER)
    done = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=FOLDER,
                          capture_output=True, text=True, timeout=180, check=False)
    if done.returncode != 0:
        raise Skip(f"npm cannot install OpenTelemetry's decoder: {(done.stderr or done.stdout)[-200:]}")


def decode(body):
    environment = {**os.environ, "NODE_PATH": os.path.join(FOLDER, "node_modules")}
    done = subprocess.run(["node", os.path.join(HERE, "decode.js")], input=body, capture_output=True, env=environment,
                          timeout=60, check=True)
    return json.loads(done.stdout)


def value_of(value):
    if "intValue" in value:
        return int(value["intValue"])
    if "arrayValue" in value:
        return [value_of(element) for element in value["arrayValue"].get("values", [])]
    return value.get("stringValue", value.get("boolValue"))


def attributes(pairs):
    return {pair["key"]: value_of(pair["value"]) for pair in pairs}


def hexadecimal(text):
    return base64.b64decode(text).hex()
