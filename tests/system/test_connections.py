# SPDX-License-Identifier: Apache-2.0
"""How connections begin and end: accepted late, opened early, older than the capture, reset, half closed, not HTTP at all."""

import json
import os
import socket
import struct
import sys
import time

from support import events, machine, servers
from support.case import Failure, case, case_for, check, equal, wait_for
from support.pod import Pod
from support.wire import Client, request

PORT = servers.PORT


def check_in_order(seen, asked):
    """`asked`: (url, response) in the order of one connection, or of connections one after the other."""
    equal([event["http"].get("url") for event in seen], [url for url, _ in asked], "URLs in order")
    for event, (url, response) in zip(seen, asked):
        events.check_exchange(event, "GET", url, response)


@case_for("127.0.0.1", "::1")
def a_listener_with_deferred_accept_loses_no_first_request(address):
    with Pod() as pod:
        servers.nginx(pod, address=address, options="deferred")
        tap = pod.sidecar()
        asked = []
        for i in range(100):
            with Client(pod.connect(PORT, address)) as client:
                for j in range(3):
                    asked.append((f"/d?i={i}.{j}", client.ask("GET", f"/d?i={i}.{j}")))
        tap.wait_events(300)
        seen = tap.final_events()
        equal(len(seen), 300, "number of events")
        check_in_order(seen, asked)


@case_for("127.0.0.1", "::1")
def a_listener_with_fast_open_loses_no_first_request(address):
    with Pod() as pod:
        servers.nginx(pod, address=address, options="fastopen=64")
        tap = pod.sidecar()
        asked, with_syn = [], 0
        for i in range(50):
            with pod.network():
                client = Client(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET))
            with client:
                client.socket.sendto(request("GET", f"/f?i={i}.0"), socket.MSG_FASTOPEN, (address, PORT))
                asked.append((f"/f?i={i}.0", client.read()))
                asked.append((f"/f?i={i}.1", client.ask("GET", f"/f?i={i}.1")))
                with_syn += client.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[5] >> 5 & 1
        check(with_syn >= 40, f"only {with_syn} of 50 requests travelled with the SYN, so this shows nothing")
        tap.wait_events(100)
        seen = tap.final_events()
        equal(len(seen), 100, "number of events")
        check_in_order(seen, asked)


@case_for("127.0.0.1", "::1")
def a_client_with_fast_open_loses_no_request(address):
    with Pod() as pod:
        servers.nginx(pod, address=address, options="fastopen=64", where="outside")
        tap = pod.sidecar("--mode=egress")
        script = os.path.join(servers.HERE, "line_client.py")
        out = pod.run([sys.executable, script, address, str(PORT), "fastopen", "50"]).decode()
        answers = [json.loads(line) for line in out.splitlines()]
        with_syn = sum(answer["syn_data"] for answer in answers)
        check(with_syn >= 40, f"only {with_syn} of 50 requests travelled with the SYN, so this shows nothing")
        tap.wait_events(50)
        seen = tap.final_events()
        equal([(e["http"].get("url"), e["http"].get("status"), events.sha256(events.body(e, "response")),
                e["podtap"]["complete"], e["podtap"]["role"]) for e in seen],
              [(a["url"], a["status"], a["sha256"], True, "egress") for a in answers], "events")


@case
def a_request_that_comes_with_the_last_packet_of_the_handshake_is_seen():
    with Pod() as pod:
        servers.nginx(pod)
        tap = pod.sidecar()
        asked = []
        for i in range(50):
            with pod.network():
                client = Client(socket.socket())
            with client:
                # Without a quick acknowledgement the client's third packet carries the request.
                client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
                client.socket.connect(("127.0.0.1", PORT))
                for j in range(2):
                    asked.append((f"/a?i={i}.{j}", client.ask("GET", f"/a?i={i}.{j}")))
        tap.wait_events(100)
        seen = tap.final_events()
        equal(len(seen), 100, "number of events")
        check_in_order(seen, asked)


@case_for("nginx", "python", "node")
def connections_accepted_before_the_attach_are_captured(kind):
    with Pod() as pod:
        servers.start(kind, pod)
        clients = [Client(pod.connect(PORT)) for _ in range(20)]
        for i, client in enumerate(clients[:10]):
            client.ask("GET", f"/before?i={i}")
        tap = pod.sidecar()
        asked = []
        for j in range(5):
            for i, client in enumerate(clients):
                asked.append((f"/after?i={i}.{j}", client.ask("GET", f"/after?i={i}.{j}")))
        tap.wait_events(100)
        seen = tap.final_events()
        equal(len(seen), 100, "number of events")
        table = events.by_url(seen)
        for url, response in asked:
            event = table[url]
            equal(event["http"].get("status"), response.status, f"{url}: status")
            events.check_message(event, "response", response.body)
            equal(event["podtap"]["complete"], True, f"{url}: complete")
            equal(event["podtap"]["role"], "ingress", f"{url}: role")
            check(set(event["podtap"]["tags"]) <= {"joined_late"}, f"{url}: tags {event['podtap']['tags']}")
        for client in clients:
            client.close()


@case
def an_old_connection_of_ipv4_to_a_listener_for_both_families_is_captured():
    with Pod() as pod:
        servers.python(pod, address="::")
        with Client(pod.connect(PORT)) as client:
            tap = pod.sidecar()
            asked = [(f"/mapped?i={i}", client.ask("GET", f"/mapped?i={i}")) for i in range(10)]
            tap.wait_events(10)
            seen = tap.final_events()
        equal([event["http"].get("url") for event in seen], [url for url, _ in asked], "URLs in order")
        equal({(e["podtap"]["role"], e["src_ip"], e["dest_ip"], e["podtap"]["complete"]) for e in seen},
              {("ingress", "127.0.0.1", "127.0.0.1", True)}, "role, addresses, complete")


@case
def connections_inside_the_pod_that_are_older_than_the_attach_have_both_roles():
    with Pod() as pod:
        servers.nginx(pod)
        clients = [servers.LineClient(pod) for _ in range(3)]
        clients[0].get("/before")
        tap = pod.sidecar("--mode=all")
        for j in range(5):
            for i, client in enumerate(clients):
                client.get(f"/after?i={i}.{j}")
        tap.wait_events(30)
        seen = tap.final_events()
        equal(sorted((e["podtap"]["role"], e["http"].get("url")) for e in seen),
              sorted((role, f"/after?i={i}.{j}") for role in ("ingress", "egress") for i in range(3) for j in range(5)),
              "roles and URLs")
        equal({(e["podtap"]["complete"], e["podtap"]["loopback"]) for e in seen}, {(True, True)}, "complete and loopback")


@case_for("deferred", "fastopen=64")
def early_payload_between_two_processes_of_the_pod_has_both_roles(option):
    with Pod() as pod:
        servers.nginx(pod, options=option)
        tap = pod.sidecar("--mode=all")
        out = pod.run([sys.executable, os.path.join(servers.HERE, "line_client.py"), "127.0.0.1", str(PORT), "fastopen", "30"])
        answers = [json.loads(line) for line in out.decode().splitlines()]
        tap.wait_events(60)
        seen = tap.final_events()
        for role in ("ingress", "egress"):
            equal([(e["http"].get("url"), events.sha256(events.body(e, "response")), e["podtap"]["complete"],
                    e["podtap"]["tags"], e["podtap"]["loopback"]) for e in seen if e["podtap"]["role"] == role],
                  [(a["url"], a["sha256"], True, [], True) for a in answers], role)


@case
def http_1_0_ends_each_exchange_with_its_connection():
    with Pod() as pod:
        servers.nginx(pod)
        tap = pod.sidecar()
        pod.run([machine.tool("ab"), "-q", "-n", "200", "-c", "5", f"http://127.0.0.1:{PORT}/old"], "outside")
        tap.wait_events(200)
        seen = tap.final_events()
        equal(len(seen), 200, "number of events")
        equal({(e["http"]["protocol"], e["http"]["status"], events.body(e, "response"), e["podtap"]["complete"],
                tuple(e["podtap"]["tags"])) for e in seen}, {("HTTP/1.0", 200, b"hello /old\n", True, ())}, "events")


@case
def connections_opened_before_the_attach_are_captured():
    with Pod() as pod:
        servers.nginx(pod, where="outside")
        clients = [servers.LineClient(pod) for _ in range(4)]
        clients[0].get("/before")
        tap = pod.sidecar("--mode=egress")
        answers = [client.get(f"/after?i={i}.{j}") for j in range(10) for i, client in enumerate(clients)]
        tap.wait_events(40)
        table = events.by_url(tap.final_events())
        equal(len(table), 40, "number of events")
        for answer in answers:
            event = table[answer["url"]]
            equal((event["http"]["status"], events.sha256(events.body(event, "response"))),
                  (answer["status"], answer["sha256"]), answer["url"])
            equal((event["podtap"]["role"], event["podtap"]["complete"]), ("egress", True), answer["url"])


@case
def an_old_connection_whose_listener_is_gone_is_known_by_its_first_request():
    with Pod() as pod:
        servers.python(pod, arguments=["once"])
        with Client(pod.connect(PORT)) as client:
            client.ask("GET", "/before")
            tap = pod.sidecar()
            asked = [(f"/after?i={i}", client.ask("GET", f"/after?i={i}")) for i in range(10)]
            tap.wait_events(10)
            seen = tap.final_events()
        equal([event["http"].get("url") for event in seen], [url for url, _ in asked], "URLs in order")
        equal({event["podtap"]["role"] for event in seen}, {"ingress"}, "role")
        equal({event["podtap"]["complete"] for event in seen}, {True}, "complete")


@case
def an_attach_in_the_middle_of_a_body_harms_nothing_that_follows():
    with Pod() as pod:
        servers.python(pod)
        with Client(pod.connect(PORT)) as client:
            client.send(request("GET", "/bytes?n=30000000"))
            begun = client._take(1 << 20)
            tap = pod.sidecar()
            client._take(begun.index(b"\r\n\r\n") + 4 + 30000000 - len(begun))
            client.ask("GET", "/next")
            response = client.ask("GET", "/after")
            wait_for(lambda: any(e["http"].get("url") == "/after" for e in tap.events()), "the event after the body")
            seen = tap.final_events()
        for event in seen:
            if event["http"].get("url") == "/after":
                events.check_message(event, "response", response.body)
            elif event["http"].get("url") != "/next":
                check(not event["podtap"]["complete"] and "joined_late" in event["podtap"]["tags"],
                      f"an event of the interrupted exchange does not say so: {event['podtap']}")
        check(len(seen) <= 3, f"{len(seen)} events")


@case
def five_hundred_short_connections_give_five_hundred_events():
    with Pod() as pod:
        servers.nginx(pod)
        tap = pod.sidecar()
        asked = []
        for i in range(500):
            with Client(pod.connect(PORT)) as client:
                asked.append((f"/s?i={i}", client.ask("GET", f"/s?i={i}", [("Connection", "close")])))
        tap.wait_events(500)
        seen = tap.final_events()
        equal(len(seen), 500, "number of events")
        check_in_order(seen, asked)


@case
def a_reset_in_the_middle_of_a_body_is_told():
    with Pod() as pod:
        servers.python(pod)
        tap = pod.sidecar()
        with Client(pod.connect(PORT)) as client:
            client.send(request("GET", "/hang"))
            while len(client.buffer) < 1000:
                client._more()
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        tap.wait_events(1)
        event, = tap.final_events()
        equal((event["http"]["url"], event["http"]["status"]), ("/hang", 200), "the exchange")
        equal(event["podtap"]["complete"], False, "complete")
        check({"reset", "body_incomplete"} & set(event["podtap"]["tags"]), f"tags: {event['podtap']['tags']}")
        check("reset" in event["podtap"]["tags"], f"tags: {event['podtap']['tags']}")
        equal(event["podtap"]["response"]["body_captured_bytes"], 1000, "what came")


@case_for("server", "client")
def a_reset_is_told_at_both_ends_whoever_sends_it(who):
    with Pod() as pod:
        tap = pod.sidecar("--mode=all")
        pod.run([machine.tool("python3"), os.path.join(os.path.dirname(events.__file__), "resets.py"), who, str(PORT)], "app")
        tap.wait_events(2)
        for event in tap.final_events():
            equal((event["http"]["url"], event["http"]["status"]), ("/cut", 200), "the exchange")
            equal((event["podtap"]["complete"], event["podtap"]["tags"]), (False, ["body_incomplete", "reset"]),
                  f"what became of it, {event['podtap']['role']}")


@case
def a_client_that_has_closed_its_half_still_gets_its_event():
    with Pod() as pod:
        servers.python(pod)
        tap = pod.sidecar()
        with Client(pod.connect(PORT)) as client:
            client.send(request("GET", "/bytes?n=50000"))
            client.socket.shutdown(socket.SHUT_WR)
            response = client.read()
        tap.wait_events(1)
        event, = tap.final_events()
        events.check_exchange(event, "GET", "/bytes?n=50000", response)


NOT_HTTP = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection, _ = listener.accept()
    while data := connection.recv(65536):
        connection.sendall(bytes(byte ^ 0x80 for byte in data))
    connection.close()
"""


@case
def what_is_not_http_gives_no_event_and_hides_none():
    with Pod() as pod:
        servers.nginx(pod)
        pod.start([sys.executable, "-c", NOT_HTTP, "8081"])
        pod.wait_port(8081)
        tap = pod.sidecar()
        with Client(pod.connect(8081)) as other, Client(pod.connect(PORT)) as client:
            for i in range(20):
                noise = bytes((i * 37 + j) & 0x7F | 0x01 for j in range(3000))
                other.send(noise)
                other._take(len(noise))
                client.ask("GET", f"/between?i={i}")
        tap.wait_events(20)
        seen = tap.final_events()
        equal([event["http"].get("url") for event in seen], [f"/between?i={i}" for i in range(20)], "events")


@case
def tls_and_http2_are_never_reported_as_broken_http1():
    with Pod() as pod:
        key, certificate = (os.path.join(pod.folder, name) for name in ("key.pem", "certificate.pem"))
        pod.run([machine.tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                 "-nodes", "-subj", "/CN=test", "-days", "1", "-keyout", key, "-out", certificate], "outside")
        servers.nginx(pod, 8443, options=f"ssl; ssl_certificate {certificate}; ssl_certificate_key {key}")
        servers.nginx(pod, 8082, options="http2")
        servers.nginx(pod)
        tap = pod.sidecar()
        curl = [machine.tool("curl"), "-sS"]
        secret = pod.run([*curl, "-k", "--http1.1", "https://127.0.0.1:8443/secret"], "outside")
        plain2 = pod.run([*curl, "--http2-prior-knowledge", "http://127.0.0.1:8082/h2"], "outside")
        pod.run([*curl, f"http://127.0.0.1:{PORT}/plain"], "outside")
        equal((secret, plain2), (b"hello /secret\n", b"hello /h2\n"), "what curl read")
        wait_for(lambda: any(e["http"].get("url") == "/plain" for e in tap.events()), "the plain request")
        # HTTP/2 may be decoded by a later version: then as such, never as HTTP/1.
        for event in tap.final_events():
            if event["http"].get("url") != "/plain":
                check(event["http"].get("version") == "2" or event["http"].get("protocol") == "HTTP/2",
                      f"an event that is none: {event['http']}")


@case
def early_and_late_answers_to_an_upload_are_both_one_exchange():
    with Pod() as pod:
        servers.nginx(pod)
        tap = pod.sidecar()
        sent = b"u" * 300000
        with Client(pod.connect(PORT)) as client:
            # nginx answers `return` at once and reads the body later.
            client.send(request("POST", "/early", [("Content-Length", str(len(sent)))]))
            response = client.read()
            client.send(sent)
            after = client.ask("GET", "/after")
        tap.wait_events(2)
        seen = tap.final_events()
        equal(len(seen), 2, "number of events")
        check("early_response" in seen[0]["podtap"]["tags"], f"tags: {seen[0]['podtap']['tags']}")
        events.check_exchange(seen[0], "POST", "/early", response, sent=sent, tags=["early_response"])
        events.check_exchange(seen[1], "GET", "/after", after)


@case
def an_unanswered_request_is_emitted_when_its_connection_ends():
    with Pod() as pod:
        pod.start([sys.executable, "-c", """
import socket, sys
listener = socket.create_server(("127.0.0.1", 8083))
while True:
    connection, _ = listener.accept()
    connection.recv(65536)
    connection.close()
"""])
        pod.wait_port(8083)
        tap = pod.sidecar()
        with Client(pod.connect(8083)) as client:
            client.send(request("GET", "/nobody-answers"))
            try:
                client.read()
            except (Failure, ConnectionError):
                pass
        tap.wait_events(1)
        event, = tap.final_events()
        equal(event["http"]["url"], "/nobody-answers", "url")
        check("status" not in event["http"], "no status was seen")
        equal(event["podtap"]["complete"], False, "complete")
        check("unanswered" in event["podtap"]["tags"], f"tags: {event['podtap']['tags']}")


@case
def an_upgraded_connection_is_told_once_and_then_left_alone():
    with Pod() as pod:
        servers.python(pod)
        tap = pod.sidecar()
        with Client(pod.connect(PORT)) as client:
            before = client.ask("GET", "/before")
            response = client.ask("GET", "/upgrade", [("Connection", "Upgrade"), ("Upgrade", "complement")])
            for i in range(20):
                # What follows is not HTTP any more, whatever it looks like.
                said = bytes(byte ^ 0xFF for byte in b"frame %d " % i) + bytes(100)
                client.send(said)
                equal(client._take(len(said)), bytes(byte ^ 0xFF for byte in said), "the echo")
        with Client(pod.connect(PORT)) as client:
            after = client.ask("GET", "/after")
        tap.wait_events(3)
        seen = tap.final_events()
        equal(len(seen), 3, "number of events")
        events.check_exchange(seen[0], "GET", "/before", before)
        events.check_exchange(seen[1], "GET", "/upgrade", response, tags=["upgrade"])
        events.check_exchange(seen[2], "GET", "/after", after)


@case
def the_proxy_header_of_a_load_balancer_hides_no_exchange():
    with Pod() as pod:
        servers.nginx(pod, options="proxy_protocol")
        tap = pod.sidecar()
        asked = []
        line = b"PROXY TCP4 203.0.113.7 10.0.0.1 51234 80\r\n"
        binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes([203, 0, 113, 7, 10, 0, 0, 1, 0xC8, 0x22, 0, 80])
        for i, header in enumerate((line, binary)):
            with Client(pod.connect(PORT)) as client:
                client.send(header + request("GET", f"/p?i={i}.0"))
                asked.append((f"/p?i={i}.0", client.read()))
                asked.append((f"/p?i={i}.1", client.ask("GET", f"/p?i={i}.1")))
        url = f"http://127.0.0.1:{PORT}/p?curl"
        pod.run([machine.tool("curl"), "-sS", "--haproxy-protocol", url], where="outside")
        tap.wait_events(5)
        seen = tap.final_events()
        check_in_order(seen[:4], asked)
        equal([(event["http"].get("url"), event["http"].get("status")) for event in seen[4:]], [("/p?curl", 200)], "curl's")


@case
def http_inside_a_connect_tunnel_is_found_again():
    with Pod() as pod:
        servers.python(pod)
        tap = pod.sidecar()
        with Client(pod.connect(PORT)) as client:
            client.send(b"CONNECT inner.example:80 HTTP/1.1\r\nHost: inner.example:80\r\n\r\n")
            client._head()
            asked = [(f"/inside?i={i}", client.ask("GET", f"/inside?i={i}")) for i in range(10)]
        tap.wait_events(11)
        seen = tap.final_events()
        equal(len(seen), 11, "number of events")
        equal((seen[0]["http"]["http_method"], seen[0]["http"]["url"], seen[0]["http"]["status"], seen[0]["podtap"]["tags"]),
              ("CONNECT", "inner.example:80", 200, ["upgrade"]), "the tunnel")
        equal([event["http"].get("url") for event in seen[1:]], [url for url, _ in asked], "URLs inside")
        for event, (_, response) in zip(seen[1:], asked):
            events.check_message(event, "response", response.body)
            equal(event["podtap"]["complete"], True, "complete")


@case
def http_after_another_protocol_on_the_same_connection_is_found():
    with Pod() as pod:
        pod.start([sys.executable, "-c", """
import socket, sys
sys.path.insert(0, sys.argv[1])
from http_server import Handler, Server
listener = socket.create_server(("127.0.0.1", 8084))
server = Server(("127.0.0.1", 0), Handler)
while True:
    connection, peer = listener.accept()
    for _ in range(10):
        line = connection.recv(100)
        connection.sendall(b"+OK " + line)
    Handler(connection, peer, server)
    connection.close()
""", servers.HERE])
        pod.wait_port(8084)
        tap = pod.sidecar()
        with Client(pod.connect(8084)) as client:
            for i in range(10):
                client.send(b"NOOP %d\r\n" % i)
                client._line()
            # The first turn of HTTP is seen by its first bytes; from then on everything is wanted again.
            client.ask("GET", "/first")
            time.sleep(0.5)
            asked = [(f"/later?i={i}", client.ask("GET", f"/later?i={i}")) for i in range(10)]
        wait_for(lambda: any(event["http"].get("url") == "/later?i=9" for event in tap.events()), "the last event")
        seen = [event for event in tap.final_events() if event["http"].get("url", "").startswith("/later")]
        equal([event["http"].get("url") for event in seen], [url for url, _ in asked], "URLs")
        for event, (_, response) in zip(seen, asked):
            events.check_message(event, "response", response.body)
            equal(event["podtap"]["complete"], True, "complete")


@case
def a_head_longer_than_the_limit_is_cut_and_the_next_is_whole():
    with Pod() as pod:
        servers.python(pod)
        tap = pod.sidecar("--max_header_bytes=10000")
        asked = []
        with Client(pod.connect(PORT)) as client:
            for url in ("/headers?n=5&size=1000", "/headers?n=90&size=1000", "/headers?n=5&size=1001"):
                asked.append((url, client.ask("GET", url)))
        tap.wait_events(3)
        seen = tap.final_events()
        equal([event["http"].get("url") for event in seen], [url for url, _ in asked], "URLs")
        events.check_exchange(seen[0], "GET", *asked[0])
        events.check_exchange(seen[2], "GET", *asked[2])
        check("headers_truncated" in seen[1]["podtap"]["tags"], f"tags: {seen[1]['podtap']['tags']}")
        equal(seen[1]["http"]["status"], 200, "status")
        # Whole fields up to the limit; the one that says how long the body is belongs to them wherever it stands.
        kept, sent = events.fields(seen[1], "response"), asked[1][1].headers
        equal(kept, [*sent[:len(kept) - 1], ("Content-Length", "0")], "the fields that were kept")
        check(9000 < sum(len(name) + len(value) + 4 for name, value in kept) <= 10000, f"{len(kept)} fields were kept")
        check(seen[1]["podtap"]["response"]["header_bytes"] > 90000, "header_bytes counts the whole head")
