# SPDX-License-Identifier: Apache-2.0
"""Decodes objects strictly against the published API types (api_types.json): unknown fields, wrong types and missing required fields
are errors, as with kubectl's server-side strict validation."""

import json
import os

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "api_types.json"), encoding="utf-8") as file:
    _DATA = json.load(file)


def _check(value, kind, path, errors):
    if value is None:
        errors.append(f"{path}: null")
    elif kind == "any":
        pass
    elif kind == "int-or-string":
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            errors.append(f"{path}: {value!r} is neither number nor string")
    elif isinstance(kind, str):
        wanted = {"string": str, "number": (int, float), "boolean": bool}[kind]
        if not isinstance(value, wanted) or kind == "number" and isinstance(value, bool):
            errors.append(f"{path}: {value!r} is no {kind}")
    elif "enum" in kind:
        if value not in kind["enum"]:
            errors.append(f"{path}: {value!r} is none of {kind['enum']}")
    elif "array" in kind:
        if not isinstance(value, list):
            errors.append(f"{path}: no list")
        else:
            for number, item in enumerate(value):
                _check(item, kind["array"], f"{path}[{number}]", errors)
    elif "map" in kind:
        if not isinstance(value, dict):
            errors.append(f"{path}: no map")
        else:
            for key, item in value.items():
                _check(item, kind["map"], f"{path}.{key}", errors)
    else:
        properties = kind["properties"] if "properties" in kind else _DATA["types"][kind["ref"]]
        if not isinstance(value, dict):
            errors.append(f"{path}: no object")
            return
        for key, item in value.items():
            if key not in properties:
                errors.append(f"{path}.{key}: unknown field")
            else:
                _check(item, properties[key][0], f"{path}.{key}", errors)
        errors += [f"{path}.{key}: missing" for key, (_, required) in properties.items() if required and key not in value]


def errors_of(document):
    """What is wrong with an object, as a list of lines."""
    kind = f"{document.get('apiVersion')}/{document.get('kind')}"
    if kind not in _DATA["kinds"]:
        return [f"{kind}: unknown kind"]
    errors = []
    _check(document, {"ref": _DATA["kinds"][kind]}, kind, errors)
    return errors
