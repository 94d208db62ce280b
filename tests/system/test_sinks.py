# SPDX-License-Identifier: Apache-2.0
"""Where exchanges go: standard output, files, sockets; and sinks that block, disappear or come back."""

import json
import os
import signal
import socket
import subprocess
import time

from support import events, servers
from support.case import Failure, case, check, equal, wait_for
from support.pod import Pod
from support.wire import Client

PORT = servers.PORT


def ask(pod, urls, port=PORT):
    with Client(pod.connect(port)) as client:
        for url in urls:
            client.ask("GET", url)


def lines_of(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.endswith("\n")]


def urls_of(found):
    return [event["http"]["url"] for event in found]


def numbered(name, count, start=0):
    return [f"/{name}?i={i}" for i in range(start, start + count)]


def settled(tap):
    """The last stats line once two in a row have parsed the same number."""

    def lines():
        return [json.loads(line.split("] stats ")[1]) for line in tap.log().splitlines() if "] stats " in line]

    begin = len(lines())
    wait_for(lambda: len(lines()) >= begin + 2 and lines()[-1]["TotalRequestsParsed"] == lines()[-2]["TotalRequestsParsed"],
             "stats lines that stay the same", 20)
    return lines()[-1]


class Collector:
    """A listening unix stream socket in the pod's volume, as another container would offer it."""

    def __init__(self, path, kind=socket.SOCK_STREAM):
        self.socket = socket.socket(socket.AF_UNIX, kind)
        self.socket.bind(path)
        self.socket.settimeout(10)
        self.data = b""
        self.connection = None
        if kind == socket.SOCK_STREAM:
            self.socket.listen()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.drop()
        self.socket.close()

    def accept(self):
        self.connection, _ = self.socket.accept()
        self.connection.settimeout(10)

    def drop(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def read(self, count):
        """Reads until `count` lines have come in all."""
        while self.data.count(b"\n") < count:
            piece = self.connection.recv(1 << 16)
            if not piece:
                raise Failure("the sidecar closed the connection")
            self.data += piece
        return [json.loads(line) for line in self.data.splitlines()]


@case
def a_file_is_appended_to():
    with Pod() as pod:
        servers.nginx(pod)
        path = os.path.join(pod.volume, "events.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write('{"http":{"url":"older"}}\n')
        tap = pod.sidecar(f"--sink=file:{path}")
        ask(pod, numbered("file", 100))
        wait_for(lambda: len(lines_of(path)) >= 101, "101 lines")
        equal(tap.stop(), 0, "exit status")
        equal(urls_of(lines_of(path)), ["older", *numbered("file", 100)], "lines")
        equal(tap.raw(), b"", "standard output")


@case
def a_file_that_was_moved_away_is_opened_anew_on_sighup():
    with Pod() as pod:
        servers.nginx(pod)
        path = os.path.join(pod.volume, "events.json")
        tap = pod.sidecar(f"--sink=file:{path}")
        ask(pod, numbered("first", 50))
        wait_for(lambda: len(lines_of(path)) == 50, "50 lines")
        os.rename(path, path + ".old")
        ask(pod, numbered("second", 50))
        wait_for(lambda: len(lines_of(path + ".old")) == 100, "lines go on into the moved file")
        tap.signal(signal.SIGHUP)
        wait_for(lambda: os.path.exists(path), "a new file")
        ask(pod, numbered("third", 50))
        wait_for(lambda: len(lines_of(path)) == 50, "lines in the new file")
        equal(tap.stop(), 0, "exit status")
        equal(urls_of(lines_of(path + ".old")) + urls_of(lines_of(path)),
              numbered("first", 50) + numbered("second", 50) + numbered("third", 50), "all lines, in order")


@case
def a_file_is_rotated_once_at_its_size():
    with Pod() as pod:
        servers.nginx(pod)
        path = os.path.join(pod.volume, "events.json")
        tap = pod.sidecar(f"--sink=file:{path}", "--file_max_bytes=50000")
        ask(pod, numbered("rotate", 300))
        wait_for(lambda: "/rotate?i=299" in urls_of(lines_of(path)), "the last line")
        equal(tap.stop(), 0, "exit status")
        check(os.path.exists(path + ".1"), "there is a rotated file")
        check(not os.path.exists(path + ".2"), "there is only one rotated file")
        for name in (path, path + ".1"):
            check(os.path.getsize(name) <= 52000, f"{name} has {os.path.getsize(name)} bytes")
        kept = urls_of(lines_of(path + ".1")) + urls_of(lines_of(path))
        equal(kept, numbered("rotate", 300)[-len(kept):], "whole lines, the last ones, in order")


@case
def the_reader_of_a_named_pipe_sees_one_writer_from_the_start_to_the_end():
    with Pod() as pod:
        servers.nginx(pod)
        path = os.path.join(pod.volume, "events.pipe")
        os.mkfifo(path)
        # `cat` ends at the first end of file. The pipe has a reader in any case, also while `cat` is still starting.
        present = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            reader = pod.start(["cat", path], "outside", stdout=subprocess.PIPE)
            tap = pod.sidecar(f"--sink=file:{path}")
            ask(pod, numbered("pipe", 20))
            equal(tap.stop(), 0, "exit status")
            data, _ = reader.communicate(timeout=20)
        finally:
            os.close(present)
        equal([json.loads(line)["http"]["url"] for line in data.splitlines()], numbered("pipe", 20), "lines")


@case
def a_file_that_a_new_worker_cannot_open_is_tried_again():
    with Pod() as pod:
        servers.nginx(pod)
        folder = os.path.join(pod.volume, "logs")
        path = os.path.join(folder, "events.json")
        os.mkdir(folder)
        tap = pod.sidecar(f"--sink=file:{path}")
        ask(pod, numbered("before", 3))
        wait_for(lambda: len(lines_of(path)) == 3, "3 lines")
        os.rename(folder, folder + ".away")
        worker = tap.worker_pid()
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: tap.worker_pid() not in (None, worker), "another worker")
        wait_for(lambda: "make its folder" in tap.log(), "a line about the sink")
        replaced = tap.worker_pid()
        ask(pod, numbered("meanwhile", 3))
        os.mkdir(folder)
        wait_for(lambda: len(lines_of(path)) == 3, "3 lines in the new folder")
        equal(urls_of(lines_of(path)), numbered("meanwhile", 3), "lines")
        equal(tap.worker_pid(), replaced, "the worker lives on")
        equal(tap.stop(), 0, "exit status")


@case
def a_unix_stream_socket_gets_lines():
    with Pod() as pod:
        servers.nginx(pod)
        path = os.path.join(pod.volume, "sink.sock")
        with Collector(path) as collector:
            tap = pod.sidecar(f"--sink=unix:{path}")
            ask(pod, numbered("stream", 200))
            collector.accept()
            equal(urls_of(collector.read(200)), numbered("stream", 200), "lines")
            equal(tap.stop(), 0, "exit status")


@case
def a_unix_datagram_socket_gets_one_exchange_per_datagram():
    with Pod() as pod:
        servers.python(pod)
        path = os.path.join(pod.volume, "sink.sock")
        with Collector(path, socket.SOCK_DGRAM) as collector:
            tap = pod.sidecar(f"--sink=unix-dgram:{path}", "--max_body_bytes=10000000", "--memory_limit_bytes=100000000")
            ask(pod, ["/small", "/bytes?n=1000000", "/small2"])
            got = [json.loads(collector.socket.recv(1 << 22)) for _ in range(3)]
            equal(tap.stop(), 0, "exit status")
        equal(urls_of(got), ["/small", "/bytes?n=1000000", "/small2"], "datagrams")
        check("bodies_dropped" not in got[0]["podtap"]["tags"], "a small one keeps its body")
        check("bodies_dropped" in got[1]["podtap"]["tags"], f"tags: {got[1]['podtap']['tags']}")
        check("http_response_body" not in got[1]["http"], "the body was left out")
        equal(got[1]["podtap"]["response"]["body_bytes"], 1000000, "its size")


@case
def a_sink_that_comes_later_and_goes_away_is_connected_again():
    with Pod() as pod:
        servers.nginx(pod)
        path = os.path.join(pod.volume, "sink.sock")
        tap = pod.sidecar(f"--sink=unix:{path}")
        with Collector(path) as collector:
            ask(pod, numbered("one", 20))
            collector.accept()
            equal(urls_of(collector.read(20)), numbered("one", 20), "what waited for the sink")
        os.unlink(path)
        time.sleep(0.2)
        ask(pod, numbered("two", 20))
        check(tap.process.poll() is None, "the sidecar lives")
        with Collector(path) as collector:
            collector.accept()
            # What was written into the lost connection may be gone, and is counted; what came after it arrives.
            ask(pod, numbered("three", 20))
            wait_for(lambda: urls_of(collector.read(1 + collector.data.count(b"\n")))[-1] == "/three?i=19", "the last event")
            got = urls_of([json.loads(line) for line in collector.data.splitlines()])
            equal(got[-20:], numbered("three", 20), "the newest events")
            equal(len(set(got)), len(got), "no event twice")
            equal(tap.stop(), 0, "exit status")


@case
def a_sink_that_blocks_costs_counted_events_and_never_the_application():
    with Pod() as pod:
        servers.nginx(pod)
        path = os.path.join(pod.volume, "sink.sock")
        with Collector(path) as collector:
            tap = pod.sidecar(f"--sink=unix:{path}", "--stats_interval_s=1", "--shutdown_timeout_ms=500")
            with Client(pod.connect(PORT)) as client:
                client.ask("GET", "/first")
                collector.accept()
                collector.read(1)
                # Nobody reads from here on. The application must not notice.
                slowest = 0.0
                target = "/blocked?" + "x" * 2000
                for _ in range(20000):
                    start = time.monotonic()
                    client.ask("GET", target)
                    slowest = max(slowest, time.monotonic() - start)
            check(slowest < 1.0, f"a request took {slowest:.2f} s")
            stats = settled(tap)
            equal((stats["TotalRequestsParsed"], stats["EventLost"]), (20001, 0), f"parsed and lost ({stats})")
            dropped, sent = stats["TotalEventsDroppedAtEventQueueLimit"], stats["TotalRequestsSent"]
            check(dropped > 0, f"nothing was dropped: {stats}")
            start = time.monotonic()
            equal(tap.stop(), 0, "exit status")
            check(time.monotonic() - start < 5, "the end waits for a sink that blocks")
            check(sent + dropped <= 20001, f"more than happened: {stats}")


@case
def a_reader_of_standard_output_that_stops_reading_blocks_nothing():
    with Pod() as pod:
        servers.nginx(pod)
        reading, writing = os.pipe()
        tap = pod.sidecar("--stats_interval_s=1", "--shutdown_timeout_ms=300", stdout=writing)
        os.close(writing)
        try:
            ask(pod, numbered("pipe", 3000))
            wait_for(lambda: '"TotalRequestsParsed":3000' in tap.log(), "all requests were parsed")
            equal(tap.stop(), 0, "exit status")
        finally:
            os.close(reading)


@case
def a_reader_of_standard_output_that_goes_away_ends_nothing():
    with Pod() as pod:
        servers.nginx(pod)
        reading, writing = os.pipe()
        tap = pod.sidecar("--stats_interval_s=1", "--shutdown_timeout_ms=300", stdout=writing)
        os.close(writing)
        os.close(reading)
        ask(pod, numbered("gone", 300))
        wait_for(lambda: '"TotalRequestsParsed":300' in tap.log(), "all requests were parsed")
        check(tap.process.poll() is None, "the sidecar ended")
        equal(tap.stop(), 0, "exit status")


@case
def a_large_answer_on_a_slow_sink_arrives_whole():
    with Pod() as pod:
        servers.python(pod)
        path = os.path.join(pod.volume, "sink.sock")
        with Collector(path) as collector:
            tap = pod.sidecar(f"--sink=unix:{path}")
            with Client(pod.connect(PORT)) as client:
                response = client.ask("GET", "/bytes?n=120000")
            collector.accept()
            time.sleep(0.3)
            event, = collector.read(1)
            events.check_exchange(event, "GET", "/bytes?n=120000", response)
            equal(tap.stop(), 0, "exit status")
