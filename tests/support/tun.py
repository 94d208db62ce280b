# SPDX-License-Identifier: Apache-2.0
"""A TUN device in a pod's network, and a TCP client on it whose every packet the test writes by hand.

The pod has 10.77.0.1 and fd77::1 on the device; the clients are 10.77.0.2 and fd77::2, which exist only here.
"""

import fcntl
import os
import select
import socket
import struct
import time

from support import machine
from support.case import Failure

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
HOP_BY_HOP, FRAGMENT, DESTINATION_OPTIONS = 0, 44, 60


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Tun:
    SERVER = {4: "10.77.0.1", 6: "fd77::1"}
    CLIENT = {4: "10.77.0.2", 6: "fd77::2"}

    def __init__(self, pod):
        with pod.network():
            self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
        ip = machine.tool("ip")
        pod.run(["sh", "-c", f"{ip} addr add 10.77.0.1/24 dev tun0 && {ip} -6 addr add fd77::1/64 dev tun0 nodad && "
                             f"{ip} link set tun0 up"], "outside")
        self.clients = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def write(self, packet):
        os.write(self.fd, packet)

    def pump(self, seconds):
        """Gives one packet of the pod to the client it is for. False: none came in time."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        packet = os.read(self.fd, 65536)
        version = packet[0] >> 4
        if version == 4 and packet[9] == 6:
            tcp = packet[(packet[0] & 15) * 4:struct.unpack("!H", packet[2:4])[0]]
        elif version == 6 and packet[6] == 6:
            tcp = packet[40:]
        else:
            return True
        client = self.clients.get(struct.unpack("!H", tcp[2:4])[0])
        if client is not None:
            client.receive(tcp)
        return True


class TunClient:
    """One connection. `data` is what the server sent so far, in order and acknowledged."""

    next_port = 20000
    identification = 0

    def __init__(self, tun, port, version=4, start=1000, extensions=(), ip_options=b"", fragment=None):
        TunClient.next_port += 1
        self.tun, self.port, self.version, self.start = tun, port, version, start
        self.extensions, self.ip_options = extensions, ip_options
        self.fragment = fragment  # the size of the pieces that IP cuts what it carries into, a multiple of 8
        self.local = TunClient.next_port
        self.peer_next = None
        self.sent = 0        # how far our stream has got: what our acknowledgements say we sent
        self.acked = 0       # how much of it the server has acknowledged
        self.data = bytearray()
        self.finished = self.was_reset = False
        tun.clients[self.local] = self

    def _source_and_target(self):
        family = socket.AF_INET if self.version == 4 else socket.AF_INET6
        return (socket.inet_pton(family, Tun.CLIENT[self.version]), socket.inet_pton(family, Tun.SERVER[self.version]))

    def segment(self, offset, data=b"", flags=ACK | PSH, options=b"", bad_checksum=False):
        """Sends one segment; `offset` is the position in our stream of its first byte (the SYN has -1)."""
        options += b"\1" * (-len(options) % 4)
        sequence = (self.start + 1 + offset) & 0xFFFFFFFF
        head = struct.pack("!HHIIBBHHH", self.local, self.port, sequence, (self.peer_next or 0) & 0xFFFFFFFF,
                           (5 + len(options) // 4) << 4, flags, 65000, 0, 0) + options
        source, target = self._source_and_target()
        length = len(head) + len(data)
        pseudo = source + target + (struct.pack("!BBH", 0, 6, length) if self.version == 4 else struct.pack("!I3xB", length, 6))
        total = checksum(pseudo + head + data) ^ (0x5555 if bad_checksum else 0)
        tcp = head[:16] + struct.pack("!H", total) + head[18:] + data
        if self.version == 4:
            self._send_ipv4(tcp, source, target)
        else:
            self._send_ipv6(tcp, source, target)

    def _pieces(self, data):
        """(offset, piece, whether more follow) of an IP packet's content."""
        size = self.fragment or len(data)
        return [(at, data[at:at + size], at + size < len(data)) for at in range(0, len(data), size)]

    def _send_ipv4(self, tcp, source, target):
        words = 5 + len(self.ip_options) // 4
        TunClient.identification += 1
        for at, piece, more in self._pieces(tcp):
            ip = struct.pack("!BBHHHBBH4s4s", 0x40 | words, 0, words * 4 + len(piece), TunClient.identification & 0xFFFF,
                             0x2000 * more | at // 8, 64, 6, 0, source, target) + self.ip_options
            self.tun.write(ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + piece)

    def _send_ipv6(self, tcp, source, target):
        TunClient.identification += 1
        for at, piece, more in self._pieces(tcp):
            following, content = 6, piece
            if self.fragment:
                content = struct.pack("!BBHI", following, 0, at | more, TunClient.identification) + content
                following = FRAGMENT
            for extension in reversed(self.extensions):
                # Eight bytes: next header, length 0, and a PadN option over the other six.
                content = bytes([following, 0, 1, 4, 0, 0, 0, 0]) + content
                following = extension
            self.tun.write(struct.pack("!IHBB16s16s", 6 << 28, len(content), following, 64, source, target) + content)

    def receive(self, tcp):
        sequence, acknowledged, offset, flags = struct.unpack("!IIBB", tcp[4:14])
        payload = tcp[(offset >> 4) * 4:]
        if flags & RST:
            self.was_reset = True
            return
        if flags & SYN:
            self.peer_next = sequence + 1
            return
        if flags & ACK:
            self.acked = max(self.acked, (acknowledged - self.start - 1) & 0xFFFFFFFF)
        ahead = (sequence - self.peer_next) & 0xFFFFFFFF
        if ahead == 0:
            self.data += payload
            self.peer_next += len(payload)
            if flags & FIN and not self.finished:
                self.finished = True
                self.peer_next += 1
        if payload or flags & FIN:
            self.segment(self.sent, flags=ACK)

    def wait(self, condition, what, seconds=5):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise Failure(f"{what}: not within {seconds} s; reset: {self.was_reset}, data: {bytes(self.data[:200])!r}")
            self.tun.pump(0.05)

    def connect(self, data=b""):
        """The handshake; `data` travels with the SYN."""
        self.segment(-1, data, SYN, b"\2\4\5\xb4")
        self.wait(lambda: self.peer_next is not None, "the server's SYN")
        self.segment(0, flags=ACK)
        return self

    def wait_acked(self, count):
        """Until the server's kernel has taken `count` bytes of our stream."""
        self.sent = max(self.sent, count)
        self.wait(lambda: self.acked >= count, f"an acknowledgement of {count} bytes (it has {self.acked})")

    def response(self):
        """Waits for one whole response with a Content-Length and returns its body."""

        def body():
            head, end, rest = bytes(self.data).partition(b"\r\n\r\n")
            if not end:
                return None
            length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            return rest if len(rest) >= length else None

        self.wait(lambda: body() is not None, "the response")
        return body()

    def close(self):
        self.segment(self.sent, flags=ACK | FIN)
        self.sent += 1
        self.wait(lambda: self.finished or self.was_reset, "the server's FIN")
        del self.tun.clients[self.local]
