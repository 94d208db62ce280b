# SPDX-License-Identifier: Apache-2.0
"""A name server (RFC 1035, UDP) in a pod's network that answers as it is told, or with hostile bytes."""

import os
import socket
import struct
import threading

A, AAAA = 1, 28
NXDOMAIN = 3


class NameServer:
    """Answers A questions for `names` ({name: IPv4 address}), all else with "no such name". The sidecars of the pod that start
    afterwards ask it. `garbage`: answers are random bytes behind the question's id."""

    def __init__(self, pod, names):
        self.names, self.garbage, self.asked = dict(names), False, 0
        with pod.network():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        with open(os.path.join(pod.folder, "resolv.conf"), "w", encoding="utf-8") as file:
            file.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is not connected, and wakes the reader all the same
        self.socket.close()

    def _serve(self):
        while True:
            try:
                question, client = self.socket.recvfrom(512)
                if not question:
                    return
                self.asked += 1
                self.socket.sendto(self._answer(question), client)
            except OSError:
                return

    def _answer(self, question):
        if self.garbage:
            return question[:2] + b"\x81\x80" + os.urandom(300)
        at, labels = 12, []
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        kind, = struct.unpack("!H", question[at + 1:at + 3])
        name = ".".join(labels)
        address = self.names.get(name) if kind == A else None
        code = 0 if name in self.names else NXDOMAIN
        head = question[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, 1 if address else 0, 0, 0)
        answer = head + question[12:at + 5]
        if address:
            answer += struct.pack("!HHHIH", 0xC00C, A, 1, 3600, 4) + socket.inet_aton(address)
        return answer
