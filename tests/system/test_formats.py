# SPDX-License-Identifier: Apache-2.0
"""Several sinks at once, each with its own format; and the protobuf format as its documentation shows to read it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys

from support import servers
from support.admin import Admin
from support.case import Skip, case, check, equal, wait_for
from support.load import Collector
from support.pod import Pod
from support.wire import Client

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def ask(pod, urls):
    with Client(pod.connect(servers.PORT)) as client:
        for url in urls:
            client.ask("GET", url)


def python_with_protobuf():
    """Debian's, where this one is another without the package."""
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import google.protobuf"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return python
    raise Skip("no Python here has the package protobuf")


def documented_reader(folder):
    """The Python reader in docs/events.md, beside the module that it imports."""
    with open(os.path.join(ROOT, "docs/events.md"), encoding="utf-8") as file:
        code = re.search(r"```python\n(.*?)```", file.read(), re.S).group(1)
    check(len(code.splitlines()) <= 45, f"the reader is short: {len(code.splitlines())} lines")
    path = os.path.join(folder, "reader.py")
    with open(path, "w", encoding="utf-8") as file:
        file.write(code)
    proto = os.path.join(ROOT, "proto/podtap/v1")
    subprocess.run(["protoc", f"--python_out={folder}", f"-I{proto}", "http_event.proto"], check=True)
    return path


@case
def the_documented_reader_reads_the_protobuf_format():
    with Pod() as pod:
        servers.nginx(pod)
        path = os.path.join(pod.volume, "sink.sock")
        reader = subprocess.Popen([python_with_protobuf(), documented_reader(pod.folder), path], stdout=subprocess.PIPE, text=True)
        pod.processes.append(reader)
        wait_for(lambda: os.path.exists(path), "the reader's socket")
        pod.sidecar(f"--sink=unix:{path}?format=proto")
        urls = [f"/proto?i={i}" for i in range(50)]
        ask(pod, urls)
        for url in urls:
            role, method, target, status, size = reader.stdout.readline().split()
            equal([role, method, target, status], ["ROLE_INGRESS", "GET", url, "200"], "a line")
            check(int(size) > 0, "it has a body")


def whole_records(data):
    """The whole length-delimited records at the beginning of `data`, and what is left."""
    records = []
    while True:
        size = shift = at = 0
        while at < len(data):
            size |= (data[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 0x80:
                break
        else:
            return records, data
        if len(data) < at + size:
            return records, data
        records.append(data[at:at + size])
        data = data[at + size:]


def identity(record):
    """HttpEvent.event_id: field 1, a string, which protobuf writes first."""
    equal(record[0], 0x0A, "the first field")
    return record[2:2 + record[1]]


@case
def a_reader_that_leaves_within_a_record_leaves_no_half_of_it_to_the_next():
    with Pod() as pod:
        servers.python(pod)
        path = os.path.join(pod.volume, "sink.sock")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        listener.settimeout(20)
        tap = pod.sidecar(f"--sink=unix:{path}?format=proto")
        first, _ = listener.accept()
        ask(pod, [f"/bytes?n=100000&i={i}" for i in range(20)])
        data = b""
        while len(data) < 250_000:  # two records and a half
            data += first.recv(250_000 - len(data))
        first.close()
        second, _ = listener.accept()
        ask(pod, [f"/bytes?n=100&i={i}" for i in range(20)])
        second.settimeout(20)
        pieces = []
        tap.signal(signal.SIGTERM)
        while piece := second.recv(1 << 20):
            pieces.append(piece)
        equal(tap.process.wait(timeout=20), 0, "exit status")
        one, half = whole_records(data)
        two, rest = whole_records(b"".join(pieces))
        equal((len(one), bool(half), rest), (2, True, b""), "whole records, the half one, what the second reader has left")
        names = [identity(record) for record in one + two]
        equal(len(set(names)), len(names), "none twice")
        sent = int(re.findall(r'"TotalRequestsSent":(\d+)', tap.log())[-1])
        lost = int(re.findall(r'"TotalEventsDroppedAtEventQueueLimit":(\d+)', tap.log())[-1])
        equal(sent + lost, 40, "what was sent, and what was lost with the first reader")
        check(len(two) >= 36, f"records of the second reader: {len(two)}")


@case
def several_sinks_have_formats_of_their_own():
    with Pod() as pod:
        servers.nginx(pod)
        one, other = (os.path.join(pod.volume, name) for name in ("a,b.json", "lines.txt"))
        tap = pod.sidecar(f"--sink=file:{one.replace(',', '%2C')}?format=eve-strict,file:{other}?format=text,stdout")
        ask(pod, [f"/several?i={i}" for i in range(20)])
        tap.wait_events(20)
        equal(tap.stop(), 0, "exit status")
        with open(one, encoding="utf-8") as file:
            strict = [json.loads(line) for line in file]
        equal([event["http"]["url"] for event in strict], [f"/several?i={i}" for i in range(20)], "strict records")
        check(all("podtap" not in event for event in strict), "nothing of podtap's own in eve-strict")
        with open(other, encoding="utf-8") as file:
            check(all(f"GET /several?i={i} 200" in line for i, line in enumerate(file)), "lines of text")
        check(all("podtap" in event for event in tap.final_events()), "eve on standard output")


@case
def a_sink_that_is_stuck_slows_no_other():
    with Pod() as pod:
        servers.nginx(pod)
        path = os.path.join(pod.volume, "stuck.sock")
        with Collector(path) as stuck:
            stuck.pause()
            admin_path = os.path.join(pod.volume, "admin.sock")
            tap = pod.sidecar(f"--sink=unix:{path},stdout", f"--admin_address=unix:{admin_path}")
            with Client(pod.connect(servers.PORT)) as client:
                for i in range(300):
                    client.ask("GET", f"/big?i={i}")
            tap.wait_events(300)
            metrics = Admin(admin_path).get("/metrics").text
            written = dict(re.findall(r'podtap_sink_exchanges_total\{sink="([^"]*)",outcome="written"\} (\d+)', metrics))
            equal(int(written["stdout"]), 300, "written to standard output")
            equal(set(written), {"stdout", f"unix:{path}"}, "each sink has numbers of its own")
