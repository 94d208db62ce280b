# SPDX-License-Identifier: Apache-2.0
"""N requests give exactly N events, byte for byte: nginx, Python's http.server, Node's http, and curl as the client."""

import json
import os
import random
import threading

from support import events, machine, servers
from support.case import case, case_for, check, equal
from support.pod import Pod
from support.wire import Client, chunked, request

KINDS = ("nginx", "python", "node")
LIMIT = 131072


def body_of(size, seed=1):
    return random.Random(seed).randbytes(size)


@case_for(*KINDS)
def ten_thousand_requests_on_one_connection_give_ten_thousand_events(kind):
    with Pod() as pod:
        servers.start(kind, pod)
        tap = pod.sidecar()
        responses = []
        with Client(pod.connect(servers.PORT)) as client:
            for i in range(10000):
                responses.append(client.ask("GET", f"/k?i={i}"))
        tap.wait_events(10000)
        seen = tap.final_events()
        equal(len(seen), 10000, "number of events")
        for i, event in enumerate(seen):
            events.check_exchange(event, "GET", f"/k?i={i}", responses[i], sent_headers=[("Host", "test")])
        equal(len({event["podtap"]["event_id"] for event in seen}), 10000, "distinct event ids")


@case_for(*KINDS)
def two_hundred_connections_at_once_are_kept_apart(kind):
    with Pod() as pod:
        servers.start(kind, pod)
        tap = pod.sidecar()
        clients = [Client(pod.connect(servers.PORT)) for _ in range(200)]
        responses = {}
        for turn in range(5):
            for number, client in enumerate(clients):
                client.send(request("GET", f"/c?client={number}&turn={turn}"))
            for number, client in enumerate(clients):
                responses[f"/c?client={number}&turn={turn}"] = client.read()
        ports = {number: client.socket.getsockname()[1] for number, client in enumerate(clients)}
        for client in clients:
            client.close()
        tap.wait_events(1000)
        table = events.by_url(tap.final_events())
        equal(len(table), 1000, "number of events")
        for url, response in responses.items():
            events.check_exchange(table[url], "GET", url, response)
        for number, port in ports.items():
            for turn in range(5):
                event = table[f"/c?client={number}&turn={turn}"]
                equal(event["src_port"], port, "src_port")
                equal(event["tx_id"], turn, "tx_id")


@case_for(*KINDS)
def pipelined_requests_are_paired_in_order(kind):
    with Pod() as pod:
        servers.start(kind, pod)
        tap = pod.sidecar()
        asked = []
        for i in range(100):
            method = ("GET", "HEAD", "GET", "POST")[i % 4]
            if kind == "nginx" and method == "POST":
                method = "GET"
            body = body_of(i * 7, i) if method == "POST" else None
            asked.append((method, f"/p?i={i}", body))
        with Client(pod.connect(servers.PORT)) as client:
            client.send(b"".join(request(method, url, (), body) for method, url, body in asked))
            responses = [client.read(method) for method, _, _ in asked]
        tap.wait_events(100)
        seen = tap.final_events()
        equal(len(seen), 100, "number of events")
        for event, (method, url, body), response in zip(seen, asked, responses):
            events.check_exchange(event, method, url, response, sent=body or b"")


@case
def thousands_of_requests_before_the_first_response_are_paired():
    with Pod() as pod:
        servers.python(pod)
        tap = pod.sidecar()
        # More than any socket buffer of the server takes while it answers: a thread sends, this one reads.
        with Client(pod.connect(servers.PORT)) as client:
            sender = threading.Thread(target=client.send, args=(b"".join(request("GET", f"/p?i={i}") for i in range(5000)),))
            sender.start()
            responses = [client.read("GET") for _ in range(5000)]
            sender.join()
        tap.wait_events(5000)
        seen = tap.final_events()
        equal(len(seen), 5000, "number of events")
        for i, (event, response) in enumerate(zip(seen, responses)):
            events.check_exchange(event, "GET", f"/p?i={i}", response)


@case_for(*KINDS)
def chunked_bodies_are_put_together_both_ways(kind):
    with Pod() as pod:
        server = servers.start(kind, pod)
        tap = pod.sidecar()
        asked = []
        with Client(pod.connect(servers.PORT)) as client:
            for i, size in enumerate((0, 1, 1000, 70000, LIMIT, LIMIT + 1, 400000)):
                data = body_of(size, i)
                pieces = [data[at:at + 1 + 977 * i] for at in range(0, size, 1 + 977 * i)]
                url = f"/put/up{i}"
                client.send(request("PUT", url, [("Transfer-Encoding", "chunked")]) + chunked(pieces))
                asked.append(("PUT", url, client.read(), data))
                if kind == "nginx":
                    with open(f"{server.www}/gzip/{i}", "wb") as file:
                        file.write(data)
                    url = f"/gzip/{i}"
                    response = client.ask("GET", url, [("Accept-Encoding", "gzip")])
                else:
                    url = f"/chunked?n={size}&seed={i}"
                    response = client.ask("GET", url)
                if size:
                    equal(response.header("transfer-encoding"), "chunked", "the server's coding")
                asked.append(("GET", url, response, b""))
        tap.wait_events(len(asked))
        seen = tap.final_events()
        equal(len(seen), len(asked), "number of events")
        for event, (method, url, response, sent) in zip(seen, asked):
            events.check_exchange(event, method, url, response, sent=sent)


@case_for(*KINDS)
def methods_statuses_and_header_fields_are_what_was_on_the_wire(kind):
    with Pod() as pod:
        servers.start(kind, pod)
        tap = pod.sidecar()
        fields = [("X-Mixed-CASE", "a,b"), ("x-mixed-case", "second"), ("X-Empty", ""), ("X-Long", "v" * 4000),
                  ("X-Utf8", "gr\u00fc\u00df".encode().decode("latin-1"))]
        urls = ["/plain", "/q?a=1&b=%20%C3%A9&c=[x]", "//double/../slash", "/long?" + "x" * 3000]
        urls += ["/gone", "/moved"] if kind == "nginx" else ["/status?code=204", "/status?code=404", "/status?code=500"]
        asked = []
        with Client(pod.connect(servers.PORT)) as client:
            for url in urls:
                for method in ("GET", "HEAD"):
                    asked.append((method, url, client.ask(method, url, fields)))
        tap.wait_events(len(asked))
        seen = tap.final_events()
        equal(len(seen), len(asked), "number of events")
        wanted = [("Host", "test")] + [(name, value.encode("latin-1").decode()) for name, value in fields]
        for event, (method, url, response) in zip(seen, asked):
            events.check_exchange(event, method, url, response, sent_headers=wanted)


@case_for("python", "node")
def interim_responses_are_listed_and_do_not_end_the_exchange(kind):
    with Pod() as pod:
        servers.start(kind, pod)
        tap = pod.sidecar()
        data = body_of(5000)
        with Client(pod.connect(servers.PORT)) as client:
            client.send(request("POST", "/continue", [("Expect", "100-continue"), ("Content-Length", "5000")]))
            # The body follows once the server has said 100.
            while b"100" not in client.buffer:
                client._more()
            client.send(data)
            response = client.read()
        equal(response.informational, [100], "what the server sent first")
        tap.wait_events(1)
        seen = tap.final_events()
        equal(len(seen), 1, "number of events")
        events.check_exchange(seen[0], "POST", "/continue", response, sent=data)


@case
def a_file_of_64_MiB_by_sendfile_is_counted_whole_and_kept_up_to_the_limit():
    size = 64 << 20
    with Pod() as pod:
        server = servers.nginx(pod)
        data = body_of(1 << 20, 64) * 64
        with open(f"{server.www}/static/big", "wb") as file:
            file.write(data)
        tap = pod.sidecar()
        responses = []
        with Client(pod.connect(servers.PORT)) as client:
            for i in range(2):  # the second one on the same connection is found exactly where it begins
                responses.append(client.ask("GET", f"/static/big?{i}"))
                equal(len(responses[i].body), size, "what the client read")
                equal(events.sha256(responses[i].body), events.sha256(data), "what the client read")
            last = client.ask("GET", "/after")
        tap.wait_events(3)
        seen = tap.final_events()
        equal(len(seen), 3, "number of events")
        for i in range(2):
            events.check_exchange(seen[i], "GET", f"/static/big?{i}", responses[i])
        events.check_exchange(seen[2], "GET", "/after", last)


@case_for(*KINDS)
def ipv6_is_captured_like_ipv4(kind):
    with Pod() as pod:
        servers.start(kind, pod, address="::1")
        tap = pod.sidecar()
        asked = []
        with Client(pod.connect(servers.PORT, "::1")) as client:
            for i in range(50):
                asked.append((f"/six?i={i}", client.ask("GET", f"/six?i={i}")))
        tap.wait_events(50)
        seen = tap.final_events()
        equal(len(seen), 50, "number of events")
        for event, (url, response) in zip(seen, asked):
            events.check_exchange(event, "GET", url, response)
            equal((event["src_ip"], event["dest_ip"], event["ip_v"]), ("::1", "::1", 6), "addresses")


@case
def ipv4_on_a_listener_for_both_families_is_written_as_ipv4():
    with Pod() as pod:
        servers.python(pod, address="::")
        tap = pod.sidecar()
        with Client(pod.connect(servers.PORT, "127.0.0.1")) as client:
            response = client.ask("GET", "/mapped")
        tap.wait_events(1)
        event, = tap.final_events()
        events.check_exchange(event, "GET", "/mapped", response)
        equal((event["src_ip"], event["dest_ip"], event["ip_v"]), ("127.0.0.1", "127.0.0.1", 4), "addresses")


@case_for(*KINDS)
def one_byte_per_segment_changes_nothing(kind):
    with Pod() as pod:
        servers.start(kind, pod)
        tap = pod.sidecar()
        asked = []
        with Client(pod.connect(servers.PORT)) as client:
            for i in range(3):
                method, body = ("PUT", b"drop by drop" * 5) if i == 1 else ("GET", None)
                for byte in request(method, f"/put/drip{i}", [("X-Number", str(i))], body):
                    client.send(bytes([byte]))
                asked.append((method, f"/put/drip{i}", client.read(), body or b""))
            if kind == "python":
                asked.append(("GET", "/drip?n=300&seed=5", client.ask("GET", "/drip?n=300&seed=5"), b""))
        tap.wait_events(len(asked))
        seen = tap.final_events()
        equal(len(seen), len(asked), "number of events")
        for event, (method, url, response, sent) in zip(seen, asked):
            events.check_exchange(event, method, url, response, sent=sent)


@case_for("python", "node")
def bodies_are_kept_to_the_byte_around_the_limit(kind):
    with Pod() as pod:
        servers.start(kind, pod)
        tap = pod.sidecar("--max_body_bytes=10000")
        asked = []
        with Client(pod.connect(servers.PORT)) as client:
            for size in (0, 1, 9999, 10000, 10001, 250000):
                sent = body_of(size, size)
                asked.append(("POST", f"/up?{size}", client.ask("POST", f"/up?{size}", (), sent), sent))
                asked.append(("GET", f"/bytes?n={size}", client.ask("GET", f"/bytes?n={size}"), b""))
        tap.wait_events(len(asked))
        seen = tap.final_events()
        equal(len(seen), len(asked), "number of events")
        for event, (method, url, response, sent) in zip(seen, asked):
            events.check_exchange(event, method, url, response, sent=sent, limit=10000)


@case
def without_bodies_the_sizes_are_still_right():
    with Pod() as pod:
        servers.python(pod)
        tap = pod.sidecar("--max_body_bytes=0")
        sent = body_of(50000)
        with Client(pod.connect(servers.PORT)) as client:
            response = client.ask("POST", "/up", (), sent)
        tap.wait_events(1)
        event, = tap.final_events()
        events.check_exchange(event, "POST", "/up", response, sent=sent, limit=0)
        check("http_request_body" not in event["http"], "an empty body is left out")


@case_for("python", "node")
def a_body_until_close_ends_with_the_connection(kind):
    with Pod() as pod:
        servers.start(kind, pod)
        tap = pod.sidecar()
        responses = []
        for i in range(5):
            with Client(pod.connect(servers.PORT)) as client:
                responses.append(client.ask("GET", f"/close?n={i * 40000}&seed={i}"))
        tap.wait_events(5)
        table = events.by_url(tap.final_events())
        equal(len(table), 5, "number of events")
        for i, response in enumerate(responses):
            events.check_exchange(table[f"/close?n={i * 40000}&seed={i}"], "GET", f"/close?n={i * 40000}&seed={i}", response)


@case_for(*KINDS)
def curl_inside_the_pod_is_captured_as_the_client(kind):
    with Pod() as pod:
        servers.start(kind, pod, where="outside")
        tap = pod.sidecar("--mode=egress")
        upload = os.path.join(pod.folder, "upload")
        sent = body_of(90000, 3)
        with open(upload, "wb") as file:
            file.write(sent)
        base = f"http://127.0.0.1:{servers.PORT}"
        curl = [machine.tool("curl"), "-sS"]
        got = pod.run([*curl, f"{base}/put/one?x=1"])
        pod.run([*curl, "-T", upload, f"{base}/put/two"])
        pod.run([*curl, "-T", upload, "-H", "Transfer-Encoding: chunked", "-H", "Expect:", f"{base}/put/three"])
        pod.run([*curl, "-I", f"{base}/four"])
        tap.wait_events(4)
        seen = tap.final_events()
        equal([(e["http"]["http_method"], e["http"]["url"]) for e in seen],
              [("GET", "/put/one?x=1"), ("PUT", "/put/two"), ("PUT", "/put/three"), ("HEAD", "/four")], "requests")
        equal(events.sha256(events.body(seen[0], "response")), events.sha256(got), "what curl printed")
        events.check_message(seen[1], "request", sent)
        events.check_message(seen[2], "request", sent)
        for event in seen:
            equal(event["podtap"]["role"], "egress", "role")
            equal(event["podtap"]["comm"], "curl", "comm")
            equal(event["podtap"]["complete"], True, "complete")
            check(event["http"]["http_user_agent"].startswith("curl/"), "user agent")


@case
def curl_with_ten_thousand_requests_on_one_connection_gives_ten_thousand_events():
    with Pod() as pod:
        servers.nginx(pod, where="outside")
        tap = pod.sidecar("--mode=egress")
        out = pod.run([machine.tool("curl"), "-sS", f"http://127.0.0.1:{servers.PORT}/k?i=[0-9999]"])
        equal(out.count(b"\n"), 10000, "lines that curl printed")
        tap.wait_events(10000)
        seen = tap.final_events()
        equal(len(seen), 10000, "number of events")
        equal(b"".join(events.body(event, "response") for event in seen), out, "what curl printed")
        equal([event["http"]["url"] for event in seen], [f"/k?i={i}" for i in range(10000)], "URLs in order")
        equal({event["http"]["status"] for event in seen}, {200}, "statuses")
        equal({event["src_port"] for event in seen}, {seen[0]["src_port"]}, "connections")


@case
def ab_with_keep_alive_gives_one_event_per_request_it_counted():
    with Pod() as pod:
        servers.nginx(pod)
        tap = pod.sidecar()
        out = pod.run([machine.tool("ab"), "-q", "-k", "-n", "10000", "-c", "50",
                       f"http://127.0.0.1:{servers.PORT}/ab"], where="outside").decode()
        check("Complete requests:      10000" in out and "Failed requests:        0" in out, out)
        tap.wait_events(10000)
        seen = tap.final_events()
        equal(len(seen), 10000, "number of events")
        equal({(e["http"]["url"], e["http"]["status"], e["podtap"]["complete"]) for e in seen}, {("/ab", 200, True)},
              "events")


@case
def what_a_json_api_says_arrives_as_it_was_said():
    with Pod() as pod:
        servers.node(pod)
        tap = pod.sidecar()
        said = json.dumps({"name": "J\u00fcrgen \u2603", "quote": "\"\\\u0000\u001f"}).encode()
        with Client(pod.connect(servers.PORT)) as client:
            response = client.ask("POST", "/api", [("Content-Type", "application/json")], said)
        tap.wait_events(1)
        event, = tap.final_events()
        events.check_exchange(event, "POST", "/api", response, sent=said)
        equal(json.loads(events.body(event, "response"))["sha256"], events.sha256(said), "what the server read")
