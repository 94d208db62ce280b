# SPDX-License-Identifier: Apache-2.0
"""What a system test is made of: the registry, checks that say what they saw, and waiting without sleeping blindly."""

import time

CASES = []  # (name, function, arguments)


class Failure(Exception):
    """A check that did not hold."""


class Skip(Exception):
    """The machine lacks something that the test needs; the reason is printed."""


def case(function):
    """Registers a test. Its name, read as a sentence, is what is printed."""
    CASES.append((function.__name__.replace("_", " "), function, ()))
    return function


def case_for(*values):
    """Registers a test once per value, which it is called with."""

    def register(function):
        for value in values:
            CASES.append((f"{value}: {function.__name__.replace('_', ' ')}", function, (value,)))
        return function

    return register


def shorten(value, limit=600):
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"


def check(condition, what):
    if not condition:
        raise Failure(what)


def equal(seen, wanted, what):
    if seen != wanted:
        raise Failure(f"{what}: saw {shorten(seen)}, wanted {shorten(wanted)}")


def contains(text, part, what):
    if part not in text:
        raise Failure(f"{what}: {shorten(part)!r} is not in {shorten(text, 2000)!r}")


def wait_for(condition, what, seconds=10.0, pause=0.02):
    """Calls `condition` until it returns something true, which is returned."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {seconds:g} s")
        time.sleep(pause)
