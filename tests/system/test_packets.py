# SPDX-License-Identifier: Apache-2.0
"""Packets written by hand to a TUN device: every order, overlaps, foreign bytes, segments that TCP does not take.

The server answers each upload with the SHA-256 of what it read, so what was captured is compared with what the application
got, and not with what the test believes TCP should do.
"""

import contextlib
import itertools
import json
import os

from support import events, servers, tun
from support.case import Skip, case, case_for, check, equal
from support.pod import Pod
from support.tun import ACK, DESTINATION_OPTIONS, FIN, HOP_BY_HOP, PSH, TunClient
from support.wire import request

PORT = servers.PORT


@contextlib.contextmanager
def laboratory():
    if not os.path.exists("/dev/net/tun"):
        raise Skip("needs /dev/net/tun")
    with Pod() as pod:
        servers.python(pod, address="::")
        with tun.Tun(pod) as device:
            yield device, pod.sidecar()


def upload(name, size=90):
    """A request as bytes and its body."""
    body = bytes(0x41 + i % 26 for i in range(size))
    return request("POST", f"/{name}", (), body), body


def cut(data, count):
    """[(offset, piece)] in order."""
    size = -(-len(data) // count)
    return [(at, data[at:at + size]) for at in range(0, len(data), size)]


def finish(client, data):
    """Waits for the answer, closes, and returns what the application says it read."""
    client.wait_acked(len(data))
    answer = json.loads(client.response())
    client.close()
    return answer


def check_captured(tap, read, conflict=()):
    """`read`: {url: what the application read}. Events must agree, except that those in `conflict` must say `tcp_conflict`."""
    tap.wait_events(len(read))
    table = events.by_url(tap.final_events())
    equal(sorted(table), sorted(read), "URLs")
    for url, answer in read.items():
        event = table[url]
        tags = set(event["podtap"]["tags"])
        equal(event["http"].get("status"), 200, f"{url}: status")
        equal(tags, {"tcp_conflict"} if url in conflict else set(), f"{url}: tags")
        equal(event["podtap"]["complete"], True, f"{url}: complete")
        captured = events.body(event, "request")
        equal((len(captured), events.sha256(captured)), (answer["length"], answer["sha256"]), f"{url}: request body")


def run_all(orders, **options):
    """One connection per item of {name: function(client, data)}."""
    with laboratory() as (device, tap):
        read = {}
        for name, send in orders.items():
            data, _ = upload(name)
            client = TunClient(device, PORT, **options).connect()
            send(client, data)
            read[f"/{name}"] = finish(client, data)
        check_captured(tap, read)


def in_order(client, data, pieces=3):
    for offset, piece in cut(data, pieces):
        client.segment(offset, piece)


@case_for(4, 6)
def every_permutation_of_four_segments_gives_the_same_event(version):
    def sender(order):
        def send(client, data):
            pieces = cut(data, 4)
            for i in order:
                client.segment(*pieces[i])
        return send

    orders = {"permutation-" + "".join(map(str, order)): sender(order) for order in itertools.permutations(range(4))}
    run_all(orders, version=version)


@case
def retransmissions_and_overlaps_with_the_same_bytes_change_nothing():
    def twice(client, data):
        for offset, piece in cut(data, 3):
            client.segment(offset, piece)
            client.segment(offset, piece)

    def all_again(client, data):
        in_order(client, data)
        client.wait_acked(len(data))
        in_order(client, data)

    def overlapping(client, data):
        for at in range(0, len(data), 10):
            client.segment(at, data[at:at + 35])

    def overlapping_backwards(client, data):
        for at in reversed(range(0, len(data), 10)):
            client.segment(at, data[at:at + 35])

    def swallowed(client, data):
        client.segment(50, data[50:60])
        client.segment(30, data[30:100])
        client.segment(0, data)

    def one_byte_each_backwards(client, data):
        for at in reversed(range(len(data))):
            client.segment(at, data[at:at + 1])

    run_all({"twice": twice, "all-again": all_again, "overlapping": overlapping, "overlapping-backwards": overlapping_backwards,
             "swallowed": swallowed, "one-byte-each-backwards": one_byte_each_backwards})


@case_for(0xFFFFFFFF, 0xFFFFFFF0, 0xFFFFFFC0, 0x7FFFFFF0, 0)
def sequence_numbers_may_wrap_anywhere(start):
    def backwards(client, data):
        for offset, piece in reversed(cut(data, 5)):
            client.segment(offset, piece)

    run_all({"in-order": in_order, "backwards": backwards}, start=start)


@case_for((DESTINATION_OPTIONS,), (HOP_BY_HOP,), (HOP_BY_HOP, DESTINATION_OPTIONS))
def extension_headers_of_ipv6_are_passed_over(headers):
    run_all({"extension": in_order}, version=6, extensions=headers)


@case_for(4, 6)
def packets_that_travelled_in_fragments_are_read(version):
    run_all({"fragments": in_order, "one-packet": lambda client, data: client.segment(0, data)}, version=version, fragment=24)


@case
def options_of_ipv4_and_tcp_are_passed_over():
    with laboratory() as (device, tap):
        data, _ = upload("options")
        client = TunClient(device, PORT, ip_options=b"\1" * 8).connect()
        for offset, piece in cut(data, 3):
            client.segment(offset, piece, options=b"\1" * 20)
        check_captured(tap, {"/options": finish(client, data)})


@case
def a_fin_with_data_and_a_fin_before_its_data_end_the_stream_at_the_right_place():
    with laboratory() as (device, tap):
        read = {}
        for name in ("fin-with-data", "fin-first"):
            data, _ = upload(name)
            client = TunClient(device, PORT).connect()
            if name == "fin-first":
                client.segment(len(data), flags=ACK | FIN)
                in_order(client, data)
            else:
                client.segment(0, data[:50])
                client.segment(50, data[50:], ACK | PSH | FIN)
            client.sent = len(data) + 1
            client.wait_acked(len(data) + 1)
            read[f"/{name}"] = json.loads(client.response())
            client.wait(lambda c=client: c.finished, "the server's FIN")
        check_captured(tap, read)


@case
def data_on_a_syn_that_the_kernel_does_not_take_is_counted_once():
    with laboratory() as (device, tap):
        data, _ = upload("syn-data")
        client = TunClient(device, PORT).connect(data[:60])
        in_order(client, data)
        check_captured(tap, {"/syn-data": finish(client, data)})


@case
def segments_far_outside_the_window_never_become_data():
    foreign = b"POST /forged HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
    with laboratory() as (device, tap):
        read = {}
        for name, place in (("far-ahead", 1 << 30), ("far-behind", -(1 << 30)), ("just-behind", -len(foreign))):
            data, _ = upload(name)
            client = TunClient(device, PORT).connect()
            pieces = cut(data, 3)
            client.segment(*pieces[0])
            client.wait_acked(len(pieces[0][1]))
            client.segment(place, foreign)
            client.segment(*pieces[1])
            client.segment(place, foreign)
            client.segment(*pieces[2])
            read[f"/{name}"] = finish(client, data)
        tap.wait_events(3)
        table = events.by_url(tap.final_events())
        equal(sorted(table), sorted(read), "URLs")
        for url, answer in read.items():
            event = table[url]
            captured = events.body(event, "request")
            equal((len(captured), events.sha256(captured)), (answer["length"], answer["sha256"]), f"{url}: request body")
            check(set(event["podtap"]["tags"]) <= {"tcp_conflict"}, f"{url}: tags {event['podtap']['tags']}")
            equal(event["podtap"]["complete"], True, f"{url}: complete")
        check("tcp_conflict" in table["/far-ahead"]["podtap"]["tags"], "a segment that the kernel does not accept is told")


@case
def other_bytes_in_the_same_place_are_told():
    def foreign(data):
        return bytes(byte ^ 0x20 if 0x41 <= byte <= 0x7A else byte for byte in data)

    def waiting_then_other(client, data):
        # A segment waits in the kernel; another version of it comes before the hole is filled.
        at = len(data) - 60
        client.segment(at, data[at:])
        client.segment(at, foreign(data[at:]))
        client.segment(0, data[:at])

    def read_then_other(client, data):
        in_order(client, data)
        client.wait_acked(len(data))
        client.segment(len(data) - 60, foreign(data[-60:]))

    def wrong_checksum_first(client, data):
        at = len(data) - 60
        client.segment(0, data[:at])
        client.segment(at, foreign(data[at:]), bad_checksum=True)
        client.segment(at, data[at:])

    def half_overlapping(client, data):
        at = len(data) - 60
        client.segment(at, data[at:at + 40])
        client.segment(at + 20, foreign(data[at + 20:at + 40]) + data[at + 40:])
        client.segment(0, data[:at])

    orders = {"waiting-then-other": waiting_then_other, "read-then-other": read_then_other,
              "wrong-checksum-first": wrong_checksum_first, "half-overlapping": half_overlapping}
    with laboratory() as (device, tap):
        read = {}
        for name, send in orders.items():
            data, _ = upload(name)
            client = TunClient(device, PORT).connect()
            send(client, data)
            read[f"/{name}"] = finish(client, data)
        check_captured(tap, read, conflict=set(read))
