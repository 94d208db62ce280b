# SPDX-License-Identifier: Apache-2.0
"""A server on Python's http.server with the routes that the system tests share with node_server.js.

    http_server.py ADDRESS PORT [once]

"once" accepts one connection, closes the listener and then serves that connection.

    GET /bytes?n=N&seed=S     N bytes with a Content-Length
    GET /chunked?n=N&seed=S   N bytes in chunks of odd sizes, with a trailer
    GET /close?n=N&seed=S     N bytes until the connection closes
    GET /drip?n=N             N bytes, head included each in a segment of its own
    GET /status?code=C        an empty response with that status
    GET /hang                 the head and half of the body, then nothing
    GET /headers?n=N&size=S   N header fields with values of S bytes
    GET with Upgrade          101, and from then on every byte is answered with its complement
    CONNECT                   200, and from then on HTTP again, as the target's own server would speak it
    POST, PUT                 read the body and answer with its length and SHA-256
    anything else             "hello <path>"
"""

import hashlib
import json
import random
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # head and body leave in one write where they fit
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def handle_expect_100(self):
        self.send_response_only(100)
        self.end_headers()
        self.wfile.flush()
        return True

    def _query(self):
        values = parse_qs(urlsplit(self.path).query)
        return {name: values[name][0] for name in values}

    def _data(self):
        query = self._query()
        return random.Random(int(query.get("seed", 0))).randbytes(int(query.get("n", 0)))

    def _answer(self, body, kind="application/octet-stream", status=200):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        route = urlsplit(self.path).path
        method = getattr(self, "get_" + route.strip("/").split("/")[0], None)
        if method is not None:
            method()
        else:
            self._answer(f"hello {self.path}\n".encode(), "text/plain")

    do_HEAD = do_GET
    do_DELETE = do_GET

    def get_bytes(self):
        self._answer(self._data())

    def get_status(self):
        code = int(self._query()["code"])
        self.send_response(code)
        if code not in (204, 304):
            self.send_header("Content-Length", "0")
        self.end_headers()

    def get_chunked(self):
        data = self._data()
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Trailer", "X-Sum")
        self.end_headers()
        at, size = 0, 1
        while at < len(data):
            piece = data[at:at + size]
            self.wfile.write(b"%X;part=%d\r\n%s\r\n" % (len(piece), size, piece))
            self.wfile.flush()
            at += len(piece)
            size = size * 3 % 40009 + 1
        self.wfile.write(f"0\r\nX-Sum: {hashlib.sha256(data).hexdigest()}\r\n\r\n".encode())

    def get_close(self):
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(self._data())
        self.close_connection = True

    def get_drip(self):
        body = self._data()
        for byte in b"HTTP/1.1 200 Drop By Drop\r\nContent-Length: %d\r\n\r\n" % len(body) + body:
            self.connection.sendall(bytes([byte]))

    def get_headers(self):
        query = self._query()
        self.send_response(200)
        for i in range(int(query["n"])):
            self.send_header(f"X-Field-{i}", chr(0x61 + i % 26) * int(query["size"]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def get_upgrade(self):
        self.connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: complement\r\n\r\n")
        while data := self.rfile.read1():
            self.connection.sendall(bytes(byte ^ 0xFF for byte in data))
        self.close_connection = True

    def do_CONNECT(self):
        self.connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")

    def get_hang(self):
        self.send_response(200)
        self.send_header("Content-Length", "2000")
        self.end_headers()
        self.wfile.write(b"h" * 1000)
        self.wfile.flush()
        time.sleep(3600)

    def _body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return bytes(body)

    def do_POST(self):
        body = self._body()
        answer = {"length": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        self._answer(json.dumps(answer).encode(), "application/json")

    do_PUT = do_POST


class Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True

    def server_bind(self):
        # HTTPServer would look up its own name here.
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.server_address[:2]


def main():
    if ":" in sys.argv[1]:
        Server.address_family = socket.AF_INET6
    server = Server((sys.argv[1], int(sys.argv[2])), Handler)
    if sys.argv[3:] == ["once"]:
        connection, peer = server.socket.accept()
        server.socket.close()
        Handler(connection, peer, server)
    else:
        server.serve_forever()


if __name__ == "__main__":
    main()
