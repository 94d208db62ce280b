# SPDX-License-Identifier: Apache-2.0
"""A client for the inside of a pod, led line by line: `line_client.py ADDRESS PORT`.

It connects at once and writes "connected". For each URL on standard input it sends a GET on that one connection and writes
one JSON line: {"url": ..., "status": ..., "sha256": of the body}.

`line_client.py ADDRESS PORT fastopen N` instead makes N connections, each of which sends its request by TCP Fast Open, and
writes for each also "syn_data": whether the request travelled with the SYN.
"""

import json
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.events import sha256  # noqa: E402
from support.wire import Client, request  # noqa: E402

TCPI_OPTIONS, TCPI_OPT_SYN_DATA = 5, 32


def tell(value):
    print(json.dumps(value) if not isinstance(value, str) else value, flush=True)


def answer(client, url):
    response = client.read()
    return {"url": url, "status": response.status, "sha256": sha256(response.body)}


def fast_open(address, count):
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    for i in range(count):
        url = f"/fast?i={i}"
        with Client(socket.socket(family, socket.SOCK_STREAM)) as client:
            client.socket.sendto(request("GET", url), socket.MSG_FASTOPEN, address)
            info = answer(client, url)
            options = client.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[TCPI_OPTIONS]
            tell({**info, "syn_data": bool(options & TCPI_OPT_SYN_DATA)})


def main():
    address = (sys.argv[1], int(sys.argv[2]))
    if sys.argv[3:4] == ["fastopen"]:
        fast_open(address, int(sys.argv[4]))
        return
    with Client(socket.create_connection(address)) as client:
        tell("connected")
        for line in sys.stdin:
            client.send(request("GET", line.strip()))
            tell(answer(client, line.strip()))


if __name__ == "__main__":
    main()
