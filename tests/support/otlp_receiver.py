# SPDX-License-Identifier: Apache-2.0
"""A small OTLP/HTTP receiver that fails on command: the collector's side in tests.

It keeps every request it was sent, decoded or not, in memory; `behave` says what the next requests meet.
"""

import gzip
import socket
import ssl
import threading
import time

from support import otlp

# What a request can meet: a status with headers and a body; "hang" (accepted, never answered); "drop" (the connection
# is closed without an answer).
OK = (200, {}, b"")


def status(code, body=b"", **headers):
    return code, {name.replace("_", "-"): value for name, value in headers.items()}, body


class Request:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body
        self.time = time.monotonic()

    def spans(self):
        body = gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body
        return otlp.spans(body)


class Receiver:
    """Listens inside `pod`'s network on `port`; `tls` is an ssl.SSLContext."""

    def __init__(self, pod, port=4318, tls=None, delay=0.0, address="127.0.0.1"):
        self.pod, self.port, self.tls, self.delay, self.address = pod, port, tls, delay, address
        self.behave = OK
        self.requests = []  # that were answered with 200
        self.attempts = []  # all
        self.in_flight = self.most_in_flight = self.connections = 0
        self.lock = threading.Lock()
        self.listener = None
        self.open = set()
        self.start()

    def start(self):
        with self.pod.network():
            listener = socket.socket(socket.AF_INET6 if ":" in self.address else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.address, self.port))
        listener.listen(16)
        self.listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def stop(self):
        """As if it were killed: the port is closed and so is every connection."""
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self.lock:
            for connection in self.open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def spans(self):
        with self.lock:
            requests = list(self.requests)
        return [span for request in requests for span in request.spans()]

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with self.lock:
            self.open.add(connection)
            self.connections += 1
        raw = connection
        try:
            if self.tls is not None:
                connection.settimeout(20)
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection.makefile("rb") as stream:
                while self._one(connection, stream):
                    pass
        except (OSError, ssl.SSLError, ValueError):
            pass
        finally:
            with self.lock:
                self.open.discard(raw)
            connection.close()

    def _one(self, connection, stream):
        line = stream.readline()
        if not line:
            return False
        path = line.split()[1].decode()
        headers = {}
        while (line := stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode().partition(":")
            headers[name.strip().lower()] = value.strip()
        request = Request(path, headers, stream.read(int(headers["content-length"])))
        with self.lock:
            self.attempts.append(request)
            behave = self.behave  # what was wanted when it came: a test that saw the attempt may change it at once
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            time.sleep(self.delay)
            if callable(behave):
                behave = behave(request)
            if behave == "hang":
                while self.behave == "hang" and self.listener is not None:
                    time.sleep(0.02)
                return False
            if behave == "drop":
                return False
            code, more, body = behave
            with self.lock:
                if code == 200:
                    self.requests.append(request)
            head = "".join(f"{name}: {value}\r\n" for name, value in more.items())
            connection.sendall(f"HTTP/1.1 {code} X\r\nContent-Type: application/x-protobuf\r\n{head}"
                               f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            return True
        finally:
            with self.lock:
                self.in_flight -= 1
