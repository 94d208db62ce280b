# SPDX-License-Identifier: Apache-2.0
"""Load, and what has to be read beside it: paced requests, many short connections, and a collector that may stop reading.

As a program, inside a pod:

    load.py short ADDRESS PORT COUNT    COUNT connections one after the other, each with one request; prints how many were answered
    load.py swallow ADDRESS PORT        accepts connections, reads and forgets what comes, and sends as many random bytes back
    load.py discard ADDRESS PORT        accepts connections and reads what comes, without a word
    load.py giant ADDRESS PORT          answers each request head, however long, with a head of the same length
"""

import json
import os
import re
import resource
import socket
import sys
import threading
import time

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import machine  # noqa: E402
from support.case import Failure, wait_for  # noqa: E402

HERE = os.path.abspath(__file__)


class Collector:
    """A unix stream socket that takes what the sidecar sends, as fast as it comes, in a thread of its own.

    Lines that contain `keep` are kept, all are counted. Between pause() and resume() nothing is read.
    """

    def __init__(self, path, keep=b""):
        self.keep = keep
        self.kept = []      # whole lines, without their end
        self.lines = 0
        self.arrivals = []  # (time, number of the connection) of each piece
        self.connections = 0
        self._reading = threading.Event()
        self._reading.set()
        self._ended = False
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(path)
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ended = True
        self._reading.set()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def pause(self):
        self._reading.clear()

    def resume(self):
        self._reading.set()

    def _accept(self):
        while not self._ended:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._read, args=(connection, self.connections), daemon=True).start()

    def _read(self, connection, number):
        buffer, rest = bytearray(1 << 20), []
        with connection:
            while not self._ended:
                self._reading.wait()
                size = connection.recv_into(buffer)
                if size == 0:
                    return  # a line that is cut here was cut by the connection's end
                self.arrivals.append((time.monotonic(), number))
                data = bytes(memoryview(buffer)[:size])
                end = data.rfind(b"\n")
                if end < 0:
                    rest.append(data)
                    continue
                lines = b"".join([*rest, data[:end]]).split(b"\n")
                rest = [data[end + 1:]]
                self.kept += [line for line in lines if self.keep in line]
                self.lines += len(lines)

    def records(self, part=b""):
        """The lines kept that contain `part`, as JSON."""
        return [json.loads(line) for line in list(self.kept) if part in line]

    def first_after(self, moment, connection):
        """When the first bytes came on the connection of that number or a later one, or None."""
        return next((at for at, number in list(self.arrivals) if number >= connection and at >= moment), None)


class Paced:
    """Keep-alive requests at a steady rate, by h2load, from outside the pod's cgroup."""

    def __init__(self, pod, url, rate, seconds, connections=16):
        self.total = int(rate * seconds)
        self.seconds = seconds
        self.process = pod.start(
            [machine.tool("h2load"), "--h1", "-c", str(connections), "-n", str(self.total), "--rps",
             str(rate / connections), url], "outside", stdout=-1, stderr=-2)

    def finish(self):
        """Waits for the end; the rate that was reached. A request that was not answered with 200 is a failure."""
        out = self.process.communicate(timeout=self.seconds * 10 + 30)[0].decode()
        seen = re.search(r"requests: (\d+) total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed, (\d+) errored, "
                         r"(\d+) timeout", out)
        rate = re.search(r"finished in .*?, ([\d.]+) req/s", out)
        if seen is None or rate is None:
            raise Failure(f"h2load ended with {self.process.returncode}: {out[-1000:]}")
        if [int(n) for n in seen.groups()] != [self.total, self.total, 0, 0, 0]:
            raise Failure(f"the application's clients were disturbed: {seen.group(0)}")
        return float(rate.group(1))


def program(pod, *arguments, where="outside", **options):
    """Starts this file as a program in the pod's network."""
    return pod.start([sys.executable, HERE, *map(str, arguments)], where, **options)


def allow_many_files():
    """Lets this process, and those it starts, hold as many sockets as the machine allows; how many that is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def memory_of(pid):
    """(resident now, resident at most, private and a fair part of what is shared) of a process, in MiB."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        status = dict(line.split(":", 1) for line in file)
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        pss = next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return tuple(kib / 1024 for kib in (int(status["VmRSS"].split()[0]), int(status["VmHWM"].split()[0]), pss))


def say(text):
    """A number that was measured, beside the name of the test."""
    print(f"      {text}", flush=True)


def _short(address, count):
    sent = b"GET /short?i=%d HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    answered = 0
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    for i in range(count):
        with socket.socket(family) as connection:
            connection.connect(address)
            connection.sendall(sent % i)
            data = b""
            while piece := connection.recv(4096):
                data += piece
            answered += data.startswith(b"HTTP/1.1 200 ")
    print(answered)


def _serve(address, handle):
    with socket.create_server(address, backlog=512) as server:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=handle, args=(connection,), daemon=True).start()


def _swallow(connection):
    with connection:
        while data := connection.recv(1 << 18):
            connection.sendall(os.urandom(len(data)))


def _discard(connection):
    with connection:
        while connection.recv(1 << 18):
            pass


def _giant(connection):
    data = b""
    with connection:
        while True:
            while (end := data.find(b"\r\n\r\n")) < 0:
                piece = connection.recv(1 << 18)
                if not piece:
                    return
                data += piece
            fields = data[data.index(b"\r\n"):end]
            data = data[end + 4:]
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5" + fields + b"\r\n\r\nhello")


def main():
    what, address = sys.argv[1], (sys.argv[2], int(sys.argv[3]))
    if what == "short":
        _short(address, int(sys.argv[4]))
    else:
        _serve(address, {"swallow": _swallow, "discard": _discard, "giant": _giant}[what])


if __name__ == "__main__":
    main()
