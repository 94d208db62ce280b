# SPDX-License-Identifier: Apache-2.0
"""A client of the admin endpoint, and a strict reader of Prometheus' text format (version 0.0.4)."""

import http.client
import json
import os
import re
import socket

from support.case import Failure, check, equal

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL})(?:,(?:{LABEL}))*)\}})? (\d+(?:\.\d+)?)")


class Answer:
    def __init__(self, response, body):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.text = body.decode()

    def json(self):
        return json.loads(self.text)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Admin:
    """The endpoint at a unix path, or at (host, port) in the network of `pod`."""

    def __init__(self, path=None, pod=None, address=None):
        self.path, self.pod, self.address = path, pod, address

    def connection(self, timeout=10):
        if self.path is not None:
            return _UnixConnection(self.path, timeout)
        connection = http.client.HTTPConnection(*self.address, timeout=timeout)
        with self.pod.network():
            connection.connect()
        return connection

    def ask(self, method, target, body=None, timeout=10):
        connection = self.connection(timeout)
        try:
            connection.request(method, target, body=body)
            response = connection.getresponse()
            return Answer(response, response.read())
        finally:
            connection.close()

    def get(self, target):
        answer = self.ask("GET", target)
        equal(answer.status, 200, f"GET {target}: status ({answer.text.strip()})")
        return answer

    def stats(self):
        return self.get("/stats").json()

    def counter(self, name):
        """One counter by its name with labels, or the sum over all labels where the name has none."""
        counters = self.stats()["counters"]
        if name in counters:
            return counters[name]
        rows = [value for row, value in counters.items() if row.startswith(name + "{")]
        check(rows, f"there is no counter {name} in {sorted(counters)}")
        return sum(rows)

    def put_mode(self, mode):
        answer = self.ask("PUT", "/mode", body=mode)
        equal((answer.status, answer.text), (204, ""), f"PUT /mode {mode}")

    def tail(self, target="/tail"):
        """The lines of /tail as they come; ends with the connection, which is the second value."""
        connection = self.connection()
        connection.request("GET", target)
        response = connection.getresponse()
        equal(response.status, 200, f"GET {target}: status")

        def lines():
            while line := response.readline():
                yield line.decode()

        return lines(), connection


def answers_at(pod, name="admin.sock"):
    """The path of an admin socket in the pod's volume, and the client for it."""
    path = os.path.join(pod.volume, name)
    return f"--admin_address=unix:{path}", Admin(path)


def parse_metrics(text):
    """{(name, labels as a sorted tuple): value}. Anything that is not exactly the format is a failure."""
    if not text.endswith("\n"):
        raise Failure("the last line does not end")
    samples, helped, typed, order = {}, set(), {}, []
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            match = re.fullmatch(rf"# HELP ({NAME}) (\S.*)", line)
            check(match and match[1] not in helped, f"a second or empty HELP: {line!r}")
            helped.add(match[1])
        elif line.startswith("# TYPE "):
            match = re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge)", line)
            check(match and match[1] not in typed, f"a second or unknown TYPE: {line!r}")
            typed[match[1]] = match[2]
            order.append(match[1])
        else:
            match = SAMPLE.fullmatch(line)
            check(match, f"not a sample: {line!r}")
            name, labels = match[1], tuple(sorted(re.findall(LABEL, match[2] or "")))
            check(typed and name == order[-1], f"a sample outside of its metric: {line!r}")
            check(len({label for label, _ in labels}) == len(labels), f"a label twice: {line!r}")
            check((name, labels) not in samples, f"the same sample twice: {line!r}")
            check(typed[name] != "counter" or name.endswith("_total"), f"a counter that does not end in _total: {line!r}")
            check(typed[name] == "counter" or not name.endswith("_total"), f"a gauge that ends in _total: {line!r}")
            samples[name, labels] = float(match[match.lastindex])
    equal(set(typed), helped, "metrics with a TYPE and with a HELP")
    equal({name for name, _ in samples}, helped, "metrics with samples")
    for name in helped:
        check(name.startswith("podtap_"), f"{name} has not our prefix")
    return samples
