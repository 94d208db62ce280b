# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 on a plain socket: what goes out is exactly what the test says, what comes back is kept byte by byte."""

from dataclasses import dataclass, field

from support.case import Failure


@dataclass
class Response:
    status: int
    reason: str
    headers: list            # (name, value) in order
    body: bytes              # without chunked coding
    trailers: list = field(default_factory=list)
    informational: list = field(default_factory=list)

    def header(self, name):
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return None


def request(method, target, headers=(), body=None, host="test"):
    """A request as bytes. A body gets a Content-Length unless `headers` speak of its length."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
    names = {name.lower() for name, _ in headers}
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def chunked(pieces, trailers=()):
    """A chunked body of these pieces."""
    out = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return out + b"0\r\n" + b"".join(f"{n}: {v}\r\n".encode("latin-1") for n, v in trailers) + b"\r\n"


class Client:
    """One connection. `read()` takes responses off it in order."""

    def __init__(self, connection):
        self.socket = connection
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, method, target, headers=(), body=None):
        self.send(request(method, target, headers, body))
        return self.read(method)

    def read(self, method="GET"):
        informational = []
        while True:
            status, reason, headers = self._head()
            if status >= 200 or status == 101:
                break
            informational.append(status)
        response = Response(status, reason, headers, b"", [], informational)
        if method == "HEAD" or status in (101, 204, 304):
            return response
        if (response.header("transfer-encoding") or "").lower() == "chunked":
            response.body, response.trailers = self._chunks()
        elif response.header("content-length") is not None:
            response.body = self._take(int(response.header("content-length")))
        else:
            response.body = self._rest()
        return response

    def _more(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise Failure(f"the server closed the connection; left: {bytes(self.buffer[:200])!r}")
        self.buffer += data

    def _take(self, count):
        while len(self.buffer) < count:
            self._more()
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def _line(self):
        while (at := self.buffer.find(b"\r\n")) < 0:
            self._more()
        return self._take(at + 2)[:-2].decode("latin-1")

    def _fields(self):
        fields = []
        while line := self._line():
            name, _, value = line.partition(":")
            fields.append((name, value.strip()))
        return fields

    def _head(self):
        _, status, reason = (self._line() + "  ").split(" ", 2)
        return int(status), reason.strip(), self._fields()

    def _chunks(self):
        body = bytearray()
        while size := int(self._line().split(";")[0], 16):
            body += self._take(size)
            self._take(2)
        return bytes(body), self._fields()

    def _rest(self):
        while data := self.socket.recv(1 << 18):
            self.buffer += data
        return self._take(len(self.buffer))
