# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 and gRPC of real software: nghttp2's programs, curl, Node, Python's grpcio."""

import collections
import json
import os
import random
import re
import signal
import subprocess
import sys
import time

from support import events, machine
from support.admin import answers_at
from support.case import Failure, Skip, case, check, equal, wait_for
from support.load import memory_of, say
from support.pod import Pod

PORT = 8080
SUPPORT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support")


def nghttpd(pod, files=None, where="app", port=PORT, options=(), **start):
    www = os.path.join(pod.folder, "www2")
    os.makedirs(www, exist_ok=True)
    for name, data in (files or {"a": b"hello"}).items():
        with open(os.path.join(www, name), "wb") as file:
            file.write(data)
    server = pod.start([machine.tool("nghttpd"), "--no-tls", "-a", "127.0.0.1", *options, "-d", www, str(port)], where,
                       **start)
    pod.wait_port(port, process=server)
    return server


def h2load(pod, requests, connections, streams, path="/a", port=PORT, where="outside", options=()):
    out = pod.run([machine.tool("h2load"), "-n", str(requests), "-c", str(connections), "-m", str(streams), *options,
                   f"http://127.0.0.1:{port}{path}"], where, timeout=120).decode()
    check(f"{requests} succeeded, 0 failed, 0 errored, 0 timeout" in out, f"h2load: {out[-800:]}")
    return float(re.search(r"([\d.]+) req/s", out).group(1))


def python_with_grpc():
    """Debian's own Python: another one first on the path may not see its packages."""
    for python in ("/usr/bin/python3", "python3"):
        if subprocess.run([python, "-c", "import grpc"], capture_output=True, check=False).returncode == 0:
            return python
    raise Skip("needs Debian's python3-grpcio; scripts/setup installs it")


def grpc_server(pod, where="app"):
    server = pod.start([python_with_grpc(), os.path.join(SUPPORT, "grpc_pair.py"), "server", str(PORT)], where)
    pod.wait_port(PORT, "::ffff:127.0.0.1", server)  # a socket for both families
    return server


def grpc_client(pod, *arguments, where="outside"):
    what, *more = arguments
    out = pod.run([python_with_grpc(), os.path.join(SUPPORT, "grpc_pair.py"), what, str(PORT), *map(str, more)], where)
    return json.loads(out)


def exact(event):
    equal((event["podtap"]["complete"], event["podtap"]["tags"]), (True, []), f"{event['http'].get('url')}: complete, tags")


@case
def a_hundred_thousand_requests_of_h2load_give_a_hundred_thousand_events():
    with Pod() as pod:
        nghttpd(pod)
        tap = pod.sidecar()
        rate = h2load(pod, 100000, 10, 100)
        tap.wait_events(100000, seconds=50)
        seen = tap.final_events()
        equal(len(seen), 100000, "number of events")
        shapes = collections.Counter(
            (e["http"]["http_method"], e["http"]["url"], e["http"]["status"], e["http"]["version"], e["http"]["length"],
             e["podtap"]["complete"], len(e["podtap"]["tags"]), e["http"]["http_response_body"]) for e in seen)
        equal(dict(shapes), {("GET", "/a", 200, "2", 5, True, 0, "aGVsbG8="): 100000}, "events")
        streams = collections.Counter((e["src_port"], e["http"]["http2"]["stream_id"]) for e in seen)
        equal(len(streams), 100000, "distinct streams")
        equal(len({port for port, _ in streams}), 10, "connections")
        check(all(stream % 2 == 1 for _, stream in streams), "clients' streams are odd")
        say(f"{rate:.0f} requests/s")


@case
def curl_and_nghttp_with_prior_knowledge_and_large_bodies():
    with Pod() as pod:
        large = os.urandom(300000)
        nghttpd(pod, {"a": b"hello", "large": large}, options=["--echo-upload", "--trailer=x-end: yes"])
        tap = pod.sidecar()
        base = f"http://127.0.0.1:{PORT}"
        upload = os.path.join(pod.folder, "upload")
        with open(upload, "wb") as file:
            file.write(large)
        curl = [machine.tool("curl"), "-sS", "--http2-prior-knowledge"]
        got = pod.run([*curl, "-A", "me", f"{base}/large?x=1"], where="outside")
        equal(got, large, "what curl read")
        pod.run([*curl, "-T", upload, f"{base}/a"], where="outside")
        pod.run([*curl, "-I", f"{base}/a"], where="outside")
        pod.run([machine.tool("nghttp"), "-n", "-H", "x-one: 1", "--padding=100", "--continuation", f"{base}/a"], where="outside")
        tap.wait_events(4)
        seen = tap.final_events()
        equal([(e["http"]["http_method"], e["http"]["url"], e["http"]["status"]) for e in seen],
              [("GET", "/large?x=1", 200), ("PUT", "/a", 200), ("HEAD", "/a", 200), ("GET", "/a", 200)], "exchanges")
        for event in seen:
            equal((event["http"]["version"], event["http"]["protocol"]), ("2", "HTTP/2"), "version")
            equal(event["http"]["hostname"], "127.0.0.1", "host")
            equal(event["podtap"]["scheme"], "http", "scheme")
            equal(event["podtap"]["complete"], True, f"complete: {event['podtap']['tags']}")
        events.check_message(seen[0], "response", large)
        events.check_message(seen[1], "request", large)
        equal(seen[0]["http"]["http_user_agent"], "me", "user agent")
        check(("x-one", "1") in events.fields(seen[3], "request"), "the header field after many continuations")
        check(("x-end", "yes") in events.fields(seen[3], "response"), "the trailer field")


@case
def an_upgrade_from_http1_goes_on_as_http2():
    with Pod() as pod:
        nghttpd(pod, where="outside")
        proxy = pod.start([machine.tool("nghttpx"), "--conf=/dev/null", "--workers=1", "-f127.0.0.1,8081;no-tls",
                           f"-b127.0.0.1,{PORT};;proto=h2", f"--errorlog-file={pod.folder}/nghttpx.log"])
        pod.wait_port(8081, process=proxy)
        tap = pod.sidecar("--mode=all")
        pod.run([machine.tool("nghttp"), "-nu", "http://127.0.0.1:8081/a"], where="outside")
        pod.run([machine.tool("curl"), "-sS", "--http2", "http://127.0.0.1:8081/a", "http://127.0.0.1:8081/a?2"],
                where="outside")
        tap.wait_events(8)
        seen = tap.final_events()
        inside = [(e["http"]["protocol"], e["http"]["url"], e["http"]["status"], e["http"].get("http2", {}).get("stream_id"))
                  for e in seen if e["podtap"]["role"] == "ingress"]
        equal(sorted(inside, key=str), sorted([("HTTP/1.1", "/a", 101, None), ("HTTP/2", "/a", 200, 1)] * 2 +
                                              [("HTTP/2", "/a?2", 200, 3)], key=str), "the clients' exchanges")
        # And those of the proxy with the server behind it, which it asks in HTTP/2 on one connection.
        behind = [e for e in seen if e["podtap"]["role"] == "egress"]
        equal([e["http"]["status"] for e in behind], [200] * 3, "the proxy's exchanges")
        for event in seen:
            equal(event["podtap"]["complete"], True, "complete")


@case
def node_with_push_trailers_interim_responses_resets_and_extended_connect():
    for inside in ("server", "client"):
        with Pod() as pod:
            node = [machine.tool("node"), os.path.join(SUPPORT, "node_http2.js")]
            server = pod.start([*node, "server", "127.0.0.1", str(PORT)], "app" if inside == "server" else "outside")
            pod.wait_port(PORT, process=server)
            tap = pod.sidecar("--mode=all")
            pod.run([*node, "client", "127.0.0.1", str(PORT)], "outside" if inside == "server" else "app")
            tap.wait_events(7)
            seen = events.by_url(tap.final_events())
            equal(sorted(seen), ["/chat", "/early", "/large", "/page", "/plain", "/reset", "/style"], "streams")
            equal(events.body(seen["/plain"], "response"), b"hello", "echo")
            check(("x-end", "yes") in events.fields(seen["/plain"], "response"), "trailers")
            equal(seen["/early"]["podtap"]["informational"], [103], "interim responses")
            equal(seen["/style"]["podtap"]["tags"], ["pushed"], "the pushed stream")
            equal(seen["/style"]["http"]["http2"]["stream_id"] % 2, 0, "its number")
            check("reset" in seen["/reset"]["podtap"]["tags"], "the reset stream")
            equal(seen["/reset"]["http"]["http2"]["response"], {"error_code": "INTERNAL_ERROR"}, "why")
            equal((seen["/chat"]["podtap"]["protocol"], seen["/chat"]["podtap"]["tags"]), ("websocket", ["upgrade"]), "CONNECT")
            equal(seen["/chat"]["http"]["hostname"], "a", "the host of an extended CONNECT")
            events.check_message(seen["/large"], "request", b"x" * 300000)
            events.check_message(seen["/large"], "response", b"x" * 300000)
            for url in ("/plain", "/early", "/page"):
                exact(seen[url])


@case
def grpc_calls_of_every_kind_say_what_they_were():
    for inside in ("server", "client"):
        with Pod() as pod:
            grpc_server(pod, "app" if inside == "server" else "outside")
            tap = pod.sidecar("--mode=all")
            said = grpc_client(pod, "client", where="outside" if inside == "server" else "app")
            tap.wait_events(9)
            seen = tap.final_events()
            equal(len(seen), 9, "number of events")
            calls = [event["podtap"]["grpc"] for event in seen]

            def one(method, found=calls, **wanted):
                hits = [c for c in found if c["method"] == method and all(c.get(k) == v for k, v in wanted.items())]
                equal(len(hits), 1, f"calls of {method} with {wanted} in {found}")
                return hits[0]

            equal({c["service"] for c in calls}, {"shop.v1.Cart"}, "service")
            equal(said["unary"], [0, "", "re:hello"], "the client's own view")
            one("Unary", status=0, messages_request=1, messages_response=1, compressed=False)
            one("Unary", status=5, message=said["error"][1], messages_response=0)
            equal(said["unknown"][0], 12, "the client's own view")
            one("Nothing", status=12)
            one("ClientStream", status=0, messages_request=50, messages_response=1)
            one("ServerStream", status=0, messages_request=1, messages_response=70)
            both = one("Both", status=0, messages_request=30, messages_response=30)
            check(both["response_first_message"] <= both["response_last_message"], "times of messages")
            one("Unary", status=0, compressed=True)
            equal(said["deadline"][0], 4, "the client's own view")
            deadline = [c for c in calls if "timeout" in c]
            equal(len(deadline), 1, "calls with a deadline")
            check(deadline[0].get("status") in (None, 1, 4), f"a call past its deadline: {deadline[0]}")
            cancelled = [e for e in seen if e["podtap"]["grpc"]["method"] == "ServerStream" and "reset" in e["podtap"]["tags"]]
            equal(len(cancelled), 1, "cancelled streams")
            check(cancelled[0]["podtap"]["grpc"]["messages_response"] >= 3, "messages before the cancellation")
            equal(cancelled[0]["http"]["http2"]["request"], {"error_code": "CANCEL"}, "why")


@case
def long_streams_are_reported_while_they_last():
    with Pod() as pod:
        grpc_server(pod)
        tap = pod.sidecar("--stream_interval_s=1")
        client = pod.start([python_with_grpc(), "-c", f"""
import grpc, time
channel = grpc.insecure_channel("127.0.0.1:{PORT}")
stream = channel.unary_stream("/shop.v1.Cart/ServerStream")(b"1001")
for _ in stream: pass
"""], "outside")
        equal(client.wait(timeout=60), 0, "the client's end")
        wait_for(lambda: any("interim" not in e["podtap"]["tags"] for e in tap.events()), "the last event")
        *interim, last = tap.final_events()
        check(len(interim) >= 2, f"{len(interim)} interim events")
        counts = [e["podtap"]["grpc"]["messages_response"] for e in interim]
        equal(counts, sorted(counts), "messages grow")
        for event in interim:
            check("interim" in event["podtap"]["tags"] and "http_response_body" not in event["http"], "an interim event")
            equal(event["http"]["http2"]["stream_id"], last["http"]["http2"]["stream_id"], "stream")
        equal(last["podtap"]["grpc"]["messages_response"], 1001, "messages in all")
        exact(last)


# What nghttpd logs in its verbose mode: each request's path and each response's status, by connection and stream.
def served(log):
    """{(connection, stream): path} of every stream that nghttpd answered whole."""
    with open(log, encoding="utf-8", errors="replace") as file:
        text = file.read()
    paths = re.findall(r"\[id=(\d+)\].*?recv \(stream_id=(\d+)\) :path: (\S+)", re.sub(r"\x1b\[[0-9;]*m", "", text))
    return {(int(connection), int(stream)): path for connection, stream, path in paths}


def run_numbered(pod, count, connections, streams, while_running):
    """h2load with a number in each path and in a header field; `while_running` is called in the middle."""
    uris = os.path.join(pod.folder, "uris")
    with open(uris, "w", encoding="utf-8") as file:
        file.writelines(f"http://127.0.0.1:{PORT}/a?n={i}\n" for i in range(997))
    load = pod.start([machine.tool("h2load"), "-n", str(count), "-c", str(connections), "-m", str(streams), "-i", uris,
                      "--rps", str(count // connections // 6)], "outside", stdout=-1, stderr=-2)
    time.sleep(2)
    result = while_running()
    out = load.communicate(timeout=120)[0].decode()
    check(f"{count} succeeded, 0 failed" in out, f"h2load: {out[-500:]}")
    return result


def check_none_wrong(seen, paths):
    """Every event is exact, or says what it lacks; compared by connection and stream with the server's log."""
    # The server numbers connections in the order it accepted them: find which is which by the paths of all streams.
    by_port = collections.defaultdict(list)
    for event in seen:
        by_port[event["src_port"]].append(event)
    by_connection = collections.defaultdict(dict)
    for (connection, stream), path in paths.items():
        by_connection[connection][stream] = path
    whole = 0
    for port, of_port in by_port.items():
        known = {e["http"]["http2"]["stream_id"]: e["http"]["url"] for e in of_port if e["http"].get("url")}
        candidates = [c for c, streams in by_connection.items() if all(streams.get(s) == p for s, p in known.items())]
        check(candidates, f"a path on port {port} is not what the server read")
        for event in of_port:
            tags = event["podtap"]["tags"]
            if event["podtap"]["complete"]:
                whole += 1
                equal((event["http"]["status"], event["http"]["length"]), (200, 5), "status and length")
                equal(event["http"]["http_response_body"], "aGVsbG8=", "body")
                equal(event["http"]["hostname"], "127.0.0.1", "host")
            else:
                check(set(tags) & {"headers_unknown", "lost", "unrequested", "unanswered", "timeout"}, f"tags {tags}")
        streams = [e["http"]["http2"]["stream_id"] for e in of_port]
        equal(len(streams), len(set(streams)), "one event per stream")
    return whole


@case
def joined_in_the_middle_every_event_is_exact_or_tagged():
    with Pod() as pod:
        log = os.path.join(pod.folder, "nghttpd.log")
        with open(log, "wb") as out:
            nghttpd(pod, options=["-v"], stdout=out)
            tap = run_numbered(pod, 24000, 8, 20, pod.sidecar)
            seen = tap.final_events()
        paths = served(log)
        equal(len(paths), 24000, "requests in the server's log")
        check(8000 < len(seen) < 24000, f"{len(seen)} events")
        for event in seen:
            check("joined_late" in event["podtap"]["tags"], "every event says that it joined late")
        whole = check_none_wrong(seen, paths)
        say(f"{len(seen)} events after the join, {whole} of them complete")
        check(len({e["src_port"] for e in seen}) == 8, "every connection was found")


@case
def a_small_ring_that_overflows_makes_no_event_wrong():
    with Pod() as pod:
        log = os.path.join(pod.folder, "nghttpd.log")
        with open(log, "wb") as out:
            nghttpd(pod, {"a": b"hello", "b": os.urandom(1 << 20)}, options=["-v"], stdout=out)
            tap = pod.sidecar("--ring_bytes=262144")

            def bulk():
                return h2load(pod, 3000, 4, 10, "/b")

            run_numbered(pod, 12000, 8, 20, bulk)
            seen = tap.final_events()
        small = [e for e in seen if e["http"].get("url") != "/b"]
        paths = {key: path for key, path in served(log).items()}
        for event in seen:
            if event["http"].get("url") == "/b" and event["podtap"]["complete"]:
                equal(event["http"]["length"], 1 << 20, "length")
        ports = {e["src_port"] for e in seen if e["http"].get("url") == "/b"}
        whole = check_none_wrong([e for e in small if e["src_port"] not in ports], paths)
        say(f"{len(seen)} events, {whole} of the small ones complete")


@case
def records_dropped_at_random_make_no_event_wrong():
    """The worker is held up now and then, so that a small ring is full and loses what it loses."""
    with Pod() as pod:
        log = os.path.join(pod.folder, "nghttpd.log")
        with open(log, "wb") as out:
            nghttpd(pod, options=["-v"], stdout=out)
            tap = pod.sidecar("--ring_bytes=262144")

            def hold_up():
                chance = random.Random(7)
                worker = tap.worker_pid()
                for _ in range(8):
                    os.kill(worker, signal.SIGSTOP)
                    time.sleep(chance.uniform(0.1, 0.5))
                    os.kill(worker, signal.SIGCONT)
                    time.sleep(chance.uniform(0.05, 0.2))

            run_numbered(pod, 24000, 8, 20, hold_up)
            seen = tap.final_events()
        check(len(seen) < 24000 or any(e["podtap"]["tags"] for e in seen), "nothing was lost: this proves nothing")
        whole = check_none_wrong(seen, served(log))
        say(f"{len(seen)} of 24000 events, {whole} complete")


def go_program(pod, name, needs):
    """Built with Debian's packages, without the network."""
    program = os.path.join(pod.folder, name)
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "", "CGO_ENABLED": "0"}
    if not os.path.isdir(f"/usr/share/gocode/src/{needs}"):
        raise Skip(f"needs Debian's package of {needs}; scripts/setup installs it")
    subprocess.run([machine.tool("go"), "build", "-o", program, os.path.join(SUPPORT, name + ".go")], check=True,
                   env=environment, cwd=pod.folder)
    return program


@case
def grpc_of_go_as_client_and_as_server():
    for inside in ("server", "client"):
        with Pod() as pod:
            program = go_program(pod, "go_grpc", "google.golang.org/grpc")
            address = f"127.0.0.1:{PORT}"
            server = pod.start([program, "server", address], "app" if inside == "server" else "outside")
            pod.wait_port(PORT, process=server)
            tap = pod.sidecar("--mode=all")
            said = json.loads(pod.run([program, "client", address], "outside" if inside == "server" else "app"))
            equal({name: code for name, (code, _, _) in said.items()},
                  {"unary": 0, "error": 5, "unknown": 12, "client_stream": 0, "server_stream": 0, "both": 0, "compressed": 0,
                   "large": 0, "deadline": 4, "cancelled": 1}, "the client's own view")
            tap.wait_events(10)
            seen = tap.final_events()
            equal(len(seen), 10, "number of events")
            calls = sorted((call["method"], call.get("status"), call.get("message", ""), call["messages_request"],
                            call["messages_response"], call["compressed"], "timeout" in call)
                           for call in (event["podtap"]["grpc"] for event in seen) if call.get("status") in (0, 5, 12))
            equal(calls, [("Both", 0, "", 30, 30, False, False), ("ClientStream", 0, "", 50, 1, False, False),
                          ("Nothing", 12, "unknown method", 1, 0, False, False), ("ServerStream", 0, "", 1, 70, False, False),
                          ("Unary", 0, "", 1, 1, False, False), ("Unary", 0, "", 1, 1, False, False),
                          ("Unary", 0, "", 1, 1, True, False), ("Unary", 5, said["error"][1], 1, 0, False, False)], "calls")
            late = [event for event in seen if "timeout" in event["podtap"]["grpc"]]
            equal(len(late), 1, "calls with a deadline")
            reset = [event["podtap"]["grpc"]["method"] for event in seen if "reset" in event["podtap"]["tags"]]
            check("ServerStream" in reset, f"the cancelled call: {reset}")
            for event in seen:
                equal(event["podtap"]["grpc"]["service"], "shop.v1.Cart", "service")
                wanted = event["podtap"]["grpc"].get("status") in (0, 5, 12)
                check(event["podtap"]["complete"] or not wanted, f"complete: {event['podtap']}")


@case
def header_fields_of_any_length_are_left_out_and_nothing_after_them_is_lost():
    with Pod() as pod:
        program = go_program(pod, "go_http2", "golang.org/x/net/http2/h2c")
        server = pod.start([program, "server", f"127.0.0.1:{PORT}"])
        pod.wait_port(PORT, process=server)
        tap = pod.sidecar()
        said = pod.run([program, "client", f"127.0.0.1:{PORT}"], where="outside").decode().split("\n")
        equal(said[:5], ["/before 200 10 0", "/giant 200 200000 0", "/after 200 10 0", "/answer?size=300000 200 10 300000",
                         "/last 200 10 0"], "what the client saw")
        tap.wait_events(5)
        seen = events.by_url(tap.final_events())
        equal(len(seen), 5, "exchanges")
        for url, event in seen.items():
            cut = {"/giant": "request", "/answer?size=300000": "response"}.get(url)
            equal((event["podtap"]["complete"], event["podtap"]["tags"]), (True, ["headers_truncated"] if cut else []), url)
            equal(event["http"]["status"], 200, "status")
            events.check_message(event, "request", b"data")
            events.check_message(event, "response", b"hello")
            for direction, size in (("request", 10), ("response", 0)):
                fields = dict(events.fields(event, direction))
                if direction != cut:
                    equal(len(fields.get("x-giant", "")), size, f"x-giant of the {direction} of {url}")
                    check(fields["x-same"].startswith("each time"), f"x-same of the {direction} of {url}")
                check("user-agent" in fields or "date" in fields or direction == cut, f"{fields}")


@case
def header_tables_of_hostile_connections_are_part_of_the_memory_limit():
    """Each connection agrees to nothing, takes a table of 64 KiB, fills it with the smallest entries, and never ends the block."""
    def frame(kind, stream, payload=b""):
        return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + stream.to_bytes(4, "big") + payload

    block = b"\x3f\xe1\xff\x03" + b"\x40\x00\x00" * 2048
    attack = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0) + frame(1, 1, block)
    with Pod() as pod:
        server = pod.start([sys.executable, os.path.join(SUPPORT, "load.py"), "discard", "127.0.0.1", str(PORT)])
        pod.wait_port(PORT, process=server)
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag)
        connections = []
        for i in range(700):
            connections.append(pod.connect(PORT))
            connections[-1].sendall(attack)
        seen = ("podtap_payload_bytes_total", 'podtap_payload_bytes_skipped_total{reason="ring_three_quarters_full"}')
        wait_for(lambda: sum(map(admin.counter, seen)) >= 700 * len(attack), "all is read")
        pss = memory_of(tap.worker_pid())[2]
        check(admin.counter('podtap_http2_tables_lost_total{reason="lost"}') > 0, "tables were let go")
        for connection in connections:
            connection.close()
        say(f"700 tables of 2,048 entries: {pss:.1f} MiB in the worker")
        check(pss < 60, f"the worker holds {pss:.1f} MiB")
