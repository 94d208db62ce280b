# SPDX-License-Identifier: Apache-2.0
"""Overload stays local: whatever one peer, one transfer or one reader does, the others' exchanges are told whole, and memory has bounds."""

import os
import random
import socket
import subprocess
import threading
import time

from support import events, load, machine, servers
from support.admin import answers_at
from support.case import Failure, case, check, equal, wait_for
from support.pod import Pod
from support.wire import Client, request

PORT = servers.PORT
GIB = 1 << 30
HELLO = len("hello /small\n")


def size_file(server, name, size):
    """A file of `size` bytes that takes no place, to be served by sendfile."""
    with open(os.path.join(server.www, "static", name), "wb") as file:
        file.truncate(size)
    return f"/static/{name}"


def drain(client, length):
    """Reads a head and `length` bytes of body off a connection, and keeps neither."""
    while (end := client.buffer.find(b"\r\n\r\n")) < 0:
        client._more()
    left = length - (len(client.buffer) - end - 4)
    client.buffer.clear()
    buffer = bytearray(1 << 20)
    while left > 0:
        size = client.socket.recv_into(buffer, min(left, len(buffer)))
        if size == 0:
            raise Failure(f"{left} bytes short")
        left -= size


def both_processes(tap):
    """Pss of attacher and worker together, and the most that the worker ever held, in MiB."""
    worker, attacher = load.memory_of(tap.worker_pid()), load.memory_of(tap.pid())
    return worker[2] + attacher[2], worker[1]


def check_small(records, count, url="/small"):
    """The paced small exchanges: each there, whole."""
    wanted = [event for event in records if event["http"].get("url") == url]
    equal(len(wanted), count, f"exchanges of {url}")
    for event in wanted:
        good = event["podtap"]["complete"] and event["http"]["status"] == 200 and not event["podtap"]["tags"]
        check(good and event["podtap"]["response"]["body_captured_bytes"] == HELLO, f"an exchange of {url}: {event}")


@case
def a_reader_that_stops_reading_costs_counted_exchanges_and_nothing_else():
    with Pod() as pod, load.Collector(os.path.join(pod.volume, "sink")) as sink:
        servers.nginx(pod)
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag, f"--sink=unix:{pod.volume}/sink")
        paced = load.Paced(pod, f"http://127.0.0.1:{PORT}/load", 12000, 12)
        wait_for(lambda: sink.lines > 1000, "exchanges flow")
        sink.pause()
        time.sleep(10)
        waiting, dropped = admin.stats()["counters"]["podtap_sink_queue_events_max"], None
        sink.resume()
        rate = paced.finish()
        with Client(pod.connect(PORT)) as client:
            for i in range(200):
                client.ask("GET", f"/after?i={i}")
        wait_for(lambda: b'"/after?i=199"' in sink.kept[-1], "the exchanges afterwards")
        wait_for(lambda: sink.lines == admin.counter("podtap_sink_events_total"), "everything written has come")
        counters = admin.stats()["counters"]
        dropped = counters['podtap_events_lost_total{reason="queue_full"}']
        memory, most = both_processes(tap)
        load.say(f"{rate:.0f} exchanges/s, 0 failures; {dropped} dropped of {counters['podtap_events_total']}, at most {waiting} "
                 f"waiting; {memory:.1f} MiB in both processes, at most {most:.1f} MiB resident in the worker")
        check(dropped > 0, "exchanges were dropped and counted")
        equal(counters["podtap_events_total"], paced.total + 200, "exchanges seen")
        equal(counters["podtap_sink_events_total"] + dropped, paced.total + 200, "each is written or counted as dropped")
        equal(admin.counter("podtap_records_lost_total"), 0, "records lost")
        check(most < 100, f"the worker held {most:.1f} MiB")
        equal(tap.stop(), 0, "exit status")
        after = sink.records(b'"/after?i=')
        equal([event["http"]["url"] for event in after], [f"/after?i={i}" for i in range(200)], "the exchanges afterwards")
        check(all(event["podtap"]["complete"] for event in after), "they are whole")
        equal(sink.lines, counters["podtap_sink_events_total"], "lines")
        check(all(line.startswith(b"{") and line.endswith(b"}") for line in sink.kept), "every line is whole")


@case
def of_a_large_download_hardly_more_than_the_body_limit_is_copied():
    with Pod() as pod:
        path = size_file(servers.nginx(pod), "large", GIB)
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag)
        crossed = []
        with Client(pod.connect(PORT)) as client:
            for i in range(2):
                before = admin.counter("podtap_payload_bytes_total")
                started = time.monotonic()
                client.send(request("GET", path))
                drain(client, GIB)
                seconds = time.monotonic() - started
                wait_for(lambda n=i: len(tap.events()) > n, "the download is told")
                crossed.append(admin.counter("podtap_payload_bytes_total") - before)
                load.say(f"1 GiB in {seconds:.2f} s: {crossed[-1]} bytes crossed the ring ({crossed[-1] / GIB * 100:.3f} %)")
            small = client.ask("GET", "/small")
            tap.wait_events(3)
        seen = tap.final_events()
        equal(len(seen), 3, "number of events")
        for event in seen[:2]:
            equal(event["podtap"]["response"]["body_bytes"], GIB, "body_bytes")
            equal(event["podtap"]["response"]["body_captured_bytes"], 131072, "body_captured_bytes")
            equal((event["podtap"]["complete"], event["podtap"]["tags"]), (True, ["truncated"]), "complete and tags")
            equal(event["http"]["length"], GIB, "http.length")
            equal(events.body(event, "response"), bytes(131072), "what was kept of the body")
        events.check_exchange(seen[2], "GET", "/small", small)
        check(max(crossed) <= GIB * 0.05, f"{crossed} bytes crossed the ring")


@case
def a_large_upload_is_left_in_the_kernel_as_well():
    with Pod() as pod:
        servers.node(pod)
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag)
        size = 256 << 20
        piece = random.Random(1).randbytes(1 << 20)
        with Client(pod.connect(PORT)) as client:
            client.send(request("PUT", "/upload", [("Content-Length", str(size))]))
            for _ in range(size // len(piece)):
                client.send(piece)
            equal(client.read().status, 200, "status")
            small = client.ask("GET", "/small")
            tap.wait_events(2)
        crossed = admin.counter("podtap_payload_bytes_total")
        load.say(f"256 MiB uploaded: {crossed} bytes crossed the ring ({crossed / size * 100:.3f} %)")
        seen = tap.final_events()
        equal(seen[0]["podtap"]["request"], {**seen[0]["podtap"]["request"], "body_bytes": size, "body_captured_bytes": 131072,
                                              "missing_bytes": 0}, "sizes of the request")
        equal((seen[0]["podtap"]["complete"], seen[0]["podtap"]["tags"]), (True, ["truncated"]), "complete and tags")
        equal(events.body(seen[0], "request"), piece[:131072], "what was kept of the body")
        events.check_exchange(seen[1], "GET", "/small", small)
        check(crossed <= size * 0.05, f"{crossed} bytes crossed the ring")


def _beside(bulk, seconds=4):
    """1,000 small exchanges a second beside what `bulk(pod, server)` starts; the processes that it returns are ended."""
    with Pod() as pod, load.Collector(os.path.join(pod.volume, "sink"), keep=b'"url":"/small"') as sink:
        server = servers.nginx(pod)
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag, f"--sink=unix:{pod.volume}/sink")
        started = bulk(pod, server)
        paced = load.Paced(pod, f"http://127.0.0.1:{PORT}/small", 1000, seconds, connections=20)
        rate = paced.finish()
        for process in started:
            process.kill()
            process.wait()
        wait_for(lambda: admin.stats()["connections"] == 0, "all connections are closed", 15)
        counters = admin.stats()["counters"]
        equal(tap.stop(), 0, "exit status")
        lost = {name.split('"')[1]: value for name, value in counters.items()
                if name.startswith("podtap_records_lost_total") and value}
        served = counters['podtap_messages_total{kind="response"}'] - paced.total
        skipped = {name.split('"')[1]: value for name, value in counters.items()
                   if name.startswith("podtap_payload_bytes_skipped_total") and value}
        dropped = {name.split('"')[1]: value for name, value in counters.items()
                   if name.startswith("podtap_events_lost_total") and value}
        load.say(f"{rate:.0f} small exchanges/s beside {served} large ones in {seconds} s; records lost: {lost}; "
                 f"{counters['podtap_payload_bytes_total'] >> 20} MiB crossed the ring; bytes left out: {skipped}; "
                 f"exchanges dropped at the sink: {dropped}")
        equal(lost, {}, "records lost")
        check_small(sink.records(), paced.total)


@case
def downloads_of_a_gibibyte_cost_the_small_exchanges_beside_them_nothing():
    def bulk(pod, server):
        url = f"http://127.0.0.1:{PORT}{size_file(server, 'large', GIB)}"
        loop = 'while curl -s -o /dev/null "$0"; do :; done'
        return [pod.start(["sh", "-c", loop, url], "outside") for _ in range(2)]

    _beside(bulk)


@case
def short_fast_transfers_cost_the_small_exchanges_beside_them_nothing():
    def bulk(pod, server):
        url = f"http://127.0.0.1:{PORT}{size_file(server, 'medium', 1 << 20)}"
        return [pod.start([machine.tool("wrk"), "-t1", "-c8", "-d30", url], "outside", stdout=subprocess.DEVNULL)]

    # A worker that gets no CPU for a tenth of a second cannot empty the ring in time: on a machine that is busy with
    # something else the round is run again.
    for rounds_left in (2, 1, 0):
        try:
            return _beside(bulk)
        except Failure as failure:
            if rounds_left == 0:
                raise
            load.say(f"once more, because: {failure}")


@case
def ten_thousand_idle_connections_take_bounded_memory():
    count = 10000
    if load.allow_many_files() < count + 1000:
        count = 5000
        load.say("5000 instead, because this machine lets a process open so few files")
    with Pod() as pod:
        servers.node(pod)
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag)
        with Client(pod.connect(PORT)) as client:
            client.ask("GET", "/first")
        tap.wait_events(1)
        before, _ = both_processes(tap)
        clients = []
        try:
            with pod.network():
                for i in range(count):
                    connection = socket.create_connection(("127.0.0.1", PORT))
                    clients.append(connection)
                    connection.sendall(request("GET", f"/idle?i={i}"))
                    if i % 100 == 99:
                        for older in clients[-100:]:
                            check(older.recv(4096).startswith(b"HTTP/1.1 200 "), "an answer")
            tap.wait_events(count + 1, 30)
            stats = admin.stats()
            after, most = both_processes(tap)
            load.say(f"{count} idle connections: {before:.1f} MiB before, {after:.1f} MiB now in both processes, at most {most:.1f} "
                     f"MiB resident in the worker; {stats['memory_used_bytes'] / count:.0f} bytes of state each")
            equal(stats["connections"], count, "connections followed")
            check(after - before < 40, f"{after - before:.1f} MiB more")
            # Each of them still works.
            chosen = random.Random(2).sample(range(count), 50)
            for i in chosen:
                clients[i].sendall(request("GET", f"/again?i={i}"))
                check(clients[i].recv(4096).startswith(b"HTTP/1.1 200 "), "an answer on an idle connection")
            tap.wait_events(count + 51)
        finally:
            for connection in clients:
                connection.close()
        wait_for(lambda: admin.stats()["connections"] == 0, "all are closed", 20, 0.1)
        counters = admin.stats()["counters"]
        equal(counters["podtap_feedback_slots_taken_total"], counters["podtap_feedback_slots_returned_total"], "slots given back")
        seen = tap.final_events()
        equal(sorted(e["http"]["url"] for e in seen),
              sorted(["/first", *(f"/idle?i={i}" for i in range(count)), *(f"/again?i={i}" for i in chosen)]), "events")
        equal([e for e in seen if not e["podtap"]["complete"]], [], "incomplete exchanges")


@case
def fifty_thousand_short_connections_are_all_told():
    total, parts = 50000, 2
    with Pod() as pod, load.Collector(os.path.join(pod.volume, "sink")) as sink:
        servers.nginx(pod)
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag, f"--sink=unix:{pod.volume}/sink")
        pod.run(["sh", "-c", "echo 1024 65535 >/proc/sys/net/ipv4/ip_local_port_range"])
        started = time.monotonic()
        runs = [load.program(pod, "short", "127.0.0.1", PORT, total // parts, stdout=subprocess.PIPE) for _ in range(parts)]
        answered = sum(int(process.communicate(timeout=120)[0]) for process in runs)
        seconds = time.monotonic() - started
        equal(answered, total, "connections answered")
        wait_for(lambda: sink.lines >= total, f"{total} exchanges ({sink.lines} so far)", 20)
        wait_for(lambda: admin.stats()["connections"] == 0, "all are closed", 20, 0.1)
        counters = admin.stats()["counters"]
        memory, most = both_processes(tap)
        load.say(f"{total} connections in {seconds:.1f} s ({total / seconds:.0f}/s); {memory:.1f} MiB in both processes, at most "
                 f"{most:.1f} MiB resident in the worker")
        equal(counters["podtap_connections_total"], total, "connections seen")
        equal(counters["podtap_feedback_slots_taken_total"], counters["podtap_feedback_slots_returned_total"], "slots given back")
        equal(tap.stop(), 0, "exit status")
        equal(sink.lines, total, "events")
        equal(sum(b'"complete":true' in line and b'"status":200' in line for line in sink.kept), total, "whole exchanges")


@case
def above_the_cpu_limit_whole_connections_are_left_out_and_counted():
    total, parts = 80000, 2
    with Pod() as pod, load.Collector(os.path.join(pod.volume, "sink")) as sink:
        servers.nginx(pod)
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag, f"--sink=unix:{pod.volume}/sink", "--max_worker_cpu_percent=1")
        pod.run(["sh", "-c", "echo 1024 65535 >/proc/sys/net/ipv4/ip_local_port_range"])
        runs = [load.program(pod, "short", "127.0.0.1", PORT, total // parts, stdout=subprocess.PIPE) for _ in range(parts)]
        equal(sum(int(process.communicate(timeout=120)[0]) for process in runs), total, "connections answered")
        wait_for(lambda: admin.stats()["connections"] == 0, "all are closed", 20, 0.1)
        left_out = admin.counter('podtap_connections_left_out_total{reason="cpu"}')
        load.say(f"{left_out} of {total} connections left out")
        check(0 < left_out < total, f"{left_out} connections left out")
        equal(tap.stop(), 0, "exit status")
        equal(sink.lines, total - left_out, "each connection is told or counted as left out")
        equal(sum(b'"complete":true' in line and b'"status":200' in line for line in sink.kept), sink.lines, "whole exchanges")


@case
def a_slow_loris_peer_holds_up_nobody():
    with Pod() as pod:
        servers.nginx(pod)
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag)
        head = b"GET /slow HTTP/1.1\r\nHost: test\r\nX-Slow: "
        slow = [pod.connect(PORT) for _ in range(200)]
        with Client(pod.connect(PORT)) as client:
            asked = []
            for i in range(60):
                for connection in slow:
                    connection.sendall(head[i:i + 1] or b"a")
                asked.append((f"/fast?i={i}", client.ask("GET", f"/fast?i={i}")))
            tap.wait_events(60)
            stats = admin.stats()
            load.say(f"200 slow peers: {stats['memory_used_bytes'] / 1024:.0f} KiB of state")
            check(stats["memory_used_bytes"] < 4 << 20, "memory used")
            for connection in slow:
                connection.close()
            tap.wait_events(260)
        seen = tap.final_events()
        equal(len(seen), 260, "events")
        for event, (url, response) in zip(seen, asked):
            events.check_exchange(event, "GET", url, response)
        for event in seen[60:]:
            equal((event["http"]["url"], "status" in event["http"], event["podtap"]["complete"]), ("/slow", False, False), "a slow one")
            check({"head_incomplete", "unanswered"} <= set(event["podtap"]["tags"]), f"tags: {event['podtap']['tags']}")


@case
def random_bytes_are_never_taken_for_http():
    with Pod() as pod:
        load.program(pod, "swallow", "127.0.0.1", PORT, where="app")
        servers.nginx(pod, port=8081)
        pod.wait_port(PORT)
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag)
        source, total, sent = random.Random(3), 100 << 20, 0
        connections = [pod.connect(PORT) for _ in range(4)]
        piece = source.randbytes(1 << 20)

        def receive(connection, left):
            while left > 0:
                left -= len(connection.recv(1 << 20))

        readers = [threading.Thread(target=receive, args=(c, total // 4), daemon=True) for c in connections]
        for reader in readers:
            reader.start()
        while sent < total:
            for connection in connections:
                at = source.randrange(len(piece) // 2)
                data = piece[at:at + (1 << 18)]
                connection.sendall(data)
                sent += len(data)
        for reader in readers:
            reader.join(60)
            check(not reader.is_alive(), "everything comes back")
        with Client(pod.connect(8081)) as client:
            response = client.ask("GET", "/small")
        tap.wait_events(1)
        counters = admin.stats()["counters"]
        for connection in connections:
            connection.close()
        crossed = counters["podtap_payload_bytes_total"]
        load.say(f"{2 * total >> 20} MiB of random bytes: {crossed} bytes crossed the ring ({crossed / 2 / total * 100:.2f} %)")
        equal(counters['podtap_connections_by_protocol_total{protocol="other"}'], 4, "connections that are something else")
        seen = tap.final_events()
        equal(len(seen), 1, "events")
        events.check_exchange(seen[0], "GET", "/small", response)


@case
def a_head_of_a_mebibyte_is_cut_at_its_limit_and_the_next_exchange_is_whole():
    with Pod() as pod:
        load.program(pod, "giant", "127.0.0.1", PORT, where="app")
        pod.wait_port(PORT)
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag)
        headers = [(f"X-{i:04}", "v" * 1020) for i in range(1024)]
        giant = request("GET", "/giant?x=1", headers)
        check(len(giant) > 1 << 20, "a head of a MiB")
        with Client(pod.connect(PORT)) as client:
            for _ in range(3):
                client.send(giant)
                response = client.read()
            small = client.ask("GET", "/small")
            tap.wait_events(4)
        used = admin.stats()["memory_used_bytes"]
        load.say(f"{len(giant)} bytes of head: {used} bytes of state afterwards")
        seen = tap.final_events()
        equal(len(seen), 4, "events")
        for event in seen[:3]:
            equal((event["http"]["url"], event["http"]["status"]), ("/giant?x=1", 200), "url and status")
            check("headers_truncated" in event["podtap"]["tags"], f"tags: {event['podtap']['tags']}")
            equal(event["podtap"]["request"]["header_bytes"], len(giant), "header_bytes of the request")
            check(event["podtap"]["response"]["header_bytes"] > 1 << 20, "header_bytes of the response")
            equal(event["podtap"]["complete"], True, "complete")
            kept = events.fields(event, "request")
            sent = [("Host", "test"), *headers]
            check(30 < len(kept) < 70, f"{len(kept)} fields kept")
            equal(kept, sent[:len(kept)], "the fields that were kept")
            equal(events.body(event, "response"), response.body, "body")
        events.check_exchange(seen[3], "GET", "/small", small)


@case
def a_thousand_parallel_uploads_reach_the_memory_limit_and_every_exchange_is_told():
    count, size, limit = 1000, 120000, 24 << 20
    load.allow_many_files()
    with Pod() as pod:
        servers.node(pod)
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag, f"--memory_limit_bytes={limit}")
        data = random.Random(4).randbytes(size)
        before, _ = both_processes(tap)
        clients, used = [], 0
        try:
            for i in range(count):
                client = Client(pod.connect(PORT))
                clients.append(client)
                client.send(request("PUT", f"/up?i={i}", [("Content-Length", str(size))]) + data[:size - 1000])
                if i % 5 == 4:
                    time.sleep(0.01)  # the memory is what is to run out here, not the ring
                if i % 50 == 49:
                    used = max(used, admin.stats()["memory_used_bytes"])
            for i, client in enumerate(clients):
                client.send(data[size - 1000:])
                if i % 5 == 4:
                    time.sleep(0.01)  # nor is it the sink's queue that is to overflow
            for client in clients:
                check(client.read().status == 200, "an answer")
            tap.wait_events(count, 30)
        finally:
            for client in clients:
                client.close()
        after, most = both_processes(tap)
        counters = admin.stats()["counters"]
        seen = tap.final_events()
        kernel = {name: value for name, value in counters.items() if value and ("_lost_" in name or "_skipped_" in name or "_gap" in name)}
        cut = [event for event in seen if "truncated_memory" in event["podtap"]["tags"]]
        dropped = sum("bodies_dropped" in event["podtap"]["tags"] for event in seen)
        load.say(f"{count} uploads of {size} bytes: {len(cut)} bodies cut, {dropped} dropped at the sink; at most {used / 2**20:.1f} MiB of state seen; "
                 f"{before:.1f} MiB before, {after:.1f} MiB afterwards in both processes, at most {most:.1f} MiB resident in the worker")
        equal(len(seen), count, "events")
        equal(sorted(event["http"]["url"] for event in seen), sorted(f"/up?i={i}" for i in range(count)), "each once")
        check(len(cut) >= count // 2, f"only {len(cut)} bodies were cut")
        check(dropped < count // 10, f"{dropped} bodies were dropped at the sink")
        equal(counters['podtap_bodies_cut_total{reason="memory"}'] >= len(cut), True, "cuts are counted")
        check(used <= limit + (1 << 20), f"{used} bytes of state")
        # A batch of exchanges may wait at the sink beside what is being assembled.
        check(most < 24 + 64, f"{most:.1f} MiB resident")
        for event in seen:
            where, sizes = event["http"]["url"], event["podtap"]["request"]
            equal((event["http"]["status"], event["podtap"]["complete"]), (200, True),
                  f"{where}: status, complete; sizes {sizes}, tags {event['podtap']['tags']}, {kernel}")
            equal((sizes["body_bytes"], sizes["missing_bytes"]), (size, 0), f"{where}: sizes")
            kept = events.body(event, "request")
            equal(kept, data[:len(kept)], f"{where}: what was kept of the body")
            if event not in cut and "bodies_dropped" not in event["podtap"]["tags"]:
                equal(len(kept), size, f"{where}: bytes kept; tags {event['podtap']['tags']}")
