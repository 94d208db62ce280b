# SPDX-License-Identifier: Apache-2.0
"""OTLP over HTTP against a receiver that fails on command."""

import os
import pathlib
import re
import ssl
import subprocess
import time

from support import independent_otlp, otlp_receiver, servers
from support.admin import Admin, parse_metrics
from support.case import case, check, contains, equal, wait_for
from support.dns_server import NameServer
from support.load import memory_of
from support.otlp_receiver import Receiver, status
from support.pod import Pod
from support.wire import Client

FAST = ("--otlp_batch_ms=50", "--stats_interval_s=1")


def ask(pod, urls, headers=()):
    with Client(pod.connect(servers.PORT)) as client:
        for url in urls:
            client.ask("GET", url, headers=list(headers))


def numbered(name, count, start=0):
    return [f"/{name}?i={i}" for i in range(start, start + count)]


def queries(spans):
    return [span.attributes["url.path"] + "?" + span.attributes["url.query"] for span in spans]


class Tap:
    """A sidecar with an otlp: sink and its admin endpoint."""

    def __init__(self, pod, *flags, endpoint="http://127.0.0.1:4318"):
        self.path = os.path.join(pod.volume, f"admin-{len(pod.processes)}.sock")
        self.sidecar = pod.sidecar(f"--sink=otlp:{endpoint}", f"--admin_address=unix:{self.path}", *FAST, *flags)

    def counter(self, name):
        return Admin(self.path).counter(name)

    def stats(self):
        return Admin(self.path).stats()

    def lost(self, reason):
        return self.counter(f'podtap_events_lost_total{{reason="{reason}"}}')


@case
def spans_arrive_and_say_what_curl_and_nginx_did():
    with Pod() as pod, Receiver(pod) as receiver:
        servers.nginx(pod)
        tap = Tap(pod, "--mode=all")
        trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
        pod.run(["curl", "-sS", "-A", "probe/1", "-H", f"traceparent: 00-{trace}-{parent}-01", "-H", "tracestate: a=b",
                 f"http://127.0.0.1:{servers.PORT}/joined?x=1"])
        wait_for(lambda: len(receiver.spans()) == 2, "a span for each role")
        spans = {span.kind: span for span in receiver.spans()}
        for span in spans.values():
            equal([span.trace_id, span.parent_id, span.trace_state], [trace, parent, "a=b"], "trace context")
            equal(span.attributes["http.request.method"], "GET", "method")
            equal(span.attributes["http.response.status_code"], 200, "status")
            equal(span.attributes["server.port"], servers.PORT, "port")
            equal(span.attributes["user_agent.original"], "probe/1", "user agent")
            equal(span.resource["service.name"], "cart", "service.name")
            equal(span.resource["k8s.pod.name"], "cart-0", "k8s.pod.name")
            check(abs(span.start / 1e9 - time.time()) < 60 and span.start < span.end, "times are now")
        equal(spans["SERVER"].attributes["url.path"], "/joined", "url.path")
        equal(spans["SERVER"].attributes["url.query"], "x=1", "url.query")
        equal(spans["CLIENT"].attributes["url.full"], f"http://127.0.0.1:{servers.PORT}/joined?x=1", "url.full")
        check(spans["SERVER"].span_id != spans["CLIENT"].span_id, "spans of their own")
        equal(receiver.requests[0].path, "/v1/traces", "path")
        equal(tap.stats()["refused_system_calls"], 0, "refused system calls")
        equal(tap.sidecar.stop(), 0, "exit status")
        contains(tap.sidecar.log().splitlines()[-1], "took everything", "last log line")


@case
def an_implementation_that_is_not_ours_reads_the_same():
    independent_otlp.install()
    with Pod() as pod, Receiver(pod) as receiver:
        servers.nginx(pod)
        Tap(pod, "--mode=all")
        trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
        pod.run(["curl", "-sS", "-o", "/dev/null", "-X", "DELETE", "-A", "probe/2", "-d", "0123456789",
                 "-H", f"traceparent: 00-{trace}-{parent}-01", f"http://127.0.0.1:{servers.PORT}/none/such?q=1"])
        size = int(pod.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{size_download}",
                            f"http://127.0.0.1:{servers.PORT}/fresh"]))
        wait_for(lambda: len(receiver.spans()) == 4, "a span for each role of both")
        found = {}
        for request in receiver.requests:
            for group in independent_otlp.decode(request.body)["resourceSpans"]:
                resource = independent_otlp.attributes(group["resource"]["attributes"])
                for scope in group["scopeSpans"]:
                    equal(scope["scope"]["name"], "podtap", "scope")
                    for span in scope["spans"]:
                        span["resource"] = resource
                        span["attributes"] = independent_otlp.attributes(span["attributes"])
                        found[(span["name"], span["kind"])] = span
        equal(set(found), {("DELETE", "SPAN_KIND_SERVER"), ("DELETE", "SPAN_KIND_CLIENT"), ("GET", "SPAN_KIND_SERVER"),
                           ("GET", "SPAN_KIND_CLIENT")}, "names and kinds")
        common = {"network.protocol.version": "1.1", "server.address": "127.0.0.1", "server.port": servers.PORT,
                  "network.peer.address": "127.0.0.1", "podtap.complete": True}
        deleted = {**common, "http.request.method": "DELETE", "http.request.body.size": 10, "user_agent.original": "probe/2"}
        expected = {
            ("DELETE", "SPAN_KIND_SERVER"): {**deleted, "url.path": "/none/such", "url.query": "q=1", "url.scheme": "http",
                                             "client.address": "127.0.0.1"},
            ("DELETE", "SPAN_KIND_CLIENT"): {**deleted, "url.full": f"http://127.0.0.1:{servers.PORT}/none/such?q=1"},
            ("GET", "SPAN_KIND_SERVER"): {**common, "http.request.method": "GET", "url.path": "/fresh",
                                          "http.response.body.size": size, "http.request.body.size": 0},
            ("GET", "SPAN_KIND_CLIENT"): {**common, "url.full": f"http://127.0.0.1:{servers.PORT}/fresh",
                                          "http.response.body.size": size}}
        for key, wanted in expected.items():
            span = found[key]
            for name, value in wanted.items():
                equal(span["attributes"].get(name), value, f"{name} of {key}")
            equal(len(independent_otlp.hexadecimal(span["traceId"])), 32, "length of the trace id")
            equal(len(independent_otlp.hexadecimal(span["spanId"])), 16, "length of the span id")
            check(0 < int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) < 10_000_000_000, "a duration")
            equal(span["resource"]["service.name"], "cart", "service.name")
            status_code = span["attributes"]["http.response.status_code"]
            failed = status_code >= (400 if key[1].endswith("CLIENT") else 500)
            equal(span.get("status", {}).get("code") == "STATUS_CODE_ERROR", failed, f"status with {status_code}")
            equal(span["attributes"].get("error.type"), str(status_code) if failed else None, "error.type")
        joined = found[("DELETE", "SPAN_KIND_SERVER")]
        equal([independent_otlp.hexadecimal(joined[name]) for name in ("traceId", "parentSpanId")], [trace, parent], "trace")
        check("parentSpanId" not in found[("GET", "SPAN_KIND_SERVER")], "a fresh trace has no parent")


@case
def podtaps_own_requests_are_not_captured():
    with Pod() as pod, Receiver(pod) as receiver:
        servers.nginx(pod)
        tap = Tap(pod, "--mode=all")
        ask(pod, numbered("own", 20))
        wait_for(lambda: len(receiver.spans()) == 20, "20 spans")
        time.sleep(0.5)
        equal(len(receiver.spans()), 20, "nothing but the 20 spans")
        tap.sidecar.stop()


@case
def headers_token_gzip_and_hypertrace_bodies():
    with Pod() as pod, Receiver(pod) as receiver:
        servers.python(pod)
        token = os.path.join(pod.folder, "token")
        with open(token, "w", encoding="utf-8") as file:
            file.write("first\n")
        Tap(pod, "--otlp_headers=x-tenant=a%2Cb,x-two=2", f"--token_file={token}", "--otlp_gzip", "--otlp_bodies=hypertrace")
        with Client(pod.connect(servers.PORT)) as client:
            client.ask("POST", "/echo", body=b'{"a":1}', headers=[("Content-Type", "application/json")])
        wait_for(lambda: len(receiver.spans()) == 1, "a span")
        request = receiver.requests[0]
        equal([request.headers[name] for name in ("x-tenant", "x-two", "authorization", "content-encoding")],
              ["a,b", "2", "Bearer first", "gzip"], "headers")
        attributes = receiver.spans()[0].attributes
        equal(attributes["http.request.body"], '{"a":1}', "body")
        equal(attributes["http.request.header.content-type"], "application/json", "header")
        equal(attributes["traceableai.module.name"], "ebpf", "module")
        with open(token + ".new", "w", encoding="utf-8") as file:
            file.write("second\n")
        os.rename(token + ".new", token)
        time.sleep(1.1)
        with Client(pod.connect(servers.PORT)) as client:
            client.ask("POST", "/echo", body=b"x")
        wait_for(lambda: len(receiver.spans()) == 2, "another span")
        equal(receiver.requests[-1].headers["authorization"], "Bearer second", "the token of the new file")


@case
def a_collector_that_is_killed_and_restarted_under_load_gets_what_waited():
    with Pod() as pod, Receiver(pod) as receiver:
        servers.nginx(pod)
        tap = Tap(pod)
        ask(pod, numbered("before", 50))
        wait_for(lambda: len(receiver.spans()) == 50, "50 spans")
        receiver.stop()
        ask(pod, numbered("meanwhile", 200))
        wait_for(lambda: tap.counter("podtap_sink_write_errors_total") >= 3, "attempts")
        equal(tap.sidecar.log().count("is tried again"), 1, "lines about the failure")
        receiver.start()
        ask(pod, numbered("after", 50))
        wait_for(lambda: set(numbered("before", 50) + numbered("meanwhile", 200) + numbered("after", 50)) ==
                 set(queries(receiver.spans())), "all spans", 20)
        wait_for(lambda: "takes exchanges now" in tap.sidecar.log(), "a line when it is over")
        equal(tap.sidecar.stop(), 0, "exit status")


@case
def a_name_is_looked_up_again_when_its_address_fails_and_what_dns_answers_harms_nobody():
    with Pod() as pod, NameServer(pod, {"collector.test": "127.0.0.2"}) as names:
        servers.nginx(pod)
        with Receiver(pod, address="127.0.0.2") as old:
            tap = Tap(pod, endpoint="http://collector.test:4318")
            worker = tap.sidecar.worker_pid()
            ask(pod, numbered("before", 20))
            wait_for(lambda: len(old.spans()) == 20, "spans at the first address")
            asked = names.asked
            ask(pod, numbered("kept", 20))
            wait_for(lambda: len(old.spans()) == 40, "spans on the same connection")
            equal(names.asked, asked, "a connection that works needs no name")
        # The collector's pod is replaced: another address, which DNS knows a moment later.
        with Receiver(pod, address="127.0.0.3") as new:
            ask(pod, numbered("meanwhile", 20))
            wait_for(lambda: tap.counter("podtap_sink_write_errors_total") >= 1, "an attempt")
            names.names["collector.test"] = "127.0.0.3"
            wait_for(lambda: len(new.spans()) == 20, "spans at the second address", 20)
        for broken in ("garbage", "no such name", "nobody answers"):
            if broken == "garbage":
                names.garbage = True
            elif broken == "no such name":
                names.garbage = False
                del names.names["collector.test"]
            else:
                names.__exit__()
            before = tap.counter("podtap_sink_write_errors_total")
            ask(pod, numbered(broken[:2], 5))
            wait_for(lambda b=before: tap.counter("podtap_sink_write_errors_total") > b, f"an attempt with {broken}", 20)
        contains(tap.sidecar.log(), "cannot find the address of collector.test", "the log")
        with NameServer(pod, {"collector.test": "127.0.0.4"}), Receiver(pod, address="127.0.0.4") as newest:
            wait_for(lambda: len(newest.spans()) == 15, "what waited arrives", 40)
        equal(tap.sidecar.worker_pid(), worker, "the worker of the beginning")
        equal(tap.stats()["refused_system_calls"], 0, "refused system calls")
        equal(tap.sidecar.stop(), 0, "exit status")


@case
def a_slow_collector_has_two_requests_in_flight():
    with Pod() as pod, Receiver(pod, delay=0.1) as receiver:
        servers.nginx(pod)
        Tap(pod, "--otlp_batch_spans=10")
        ask(pod, numbered("slow", 200))
        wait_for(lambda: len(receiver.spans()) == 200, "200 spans", 20)
        equal(receiver.most_in_flight, 2, "requests in flight")
        check(receiver.connections <= 3, f"connections are kept: {receiver.connections}")


@case
def statuses_that_say_later_are_tried_again_and_no_others():
    with Pod() as pod, Receiver(pod) as receiver:
        servers.nginx(pod)
        tap = Tap(pod)
        sent = 0
        for code in (429, 502, 503, 504):
            receiver.behave = status(code, Retry_After="1")
            before = len(receiver.attempts)
            ask(pod, [f"/later?i={code}"])
            wait_for(lambda: len(receiver.attempts) > before, "an attempt")  # pylint: disable=cell-var-from-loop
            first = receiver.attempts[before].time
            receiver.behave = otlp_receiver.OK
            sent += 1
            wait_for(lambda: len(receiver.spans()) == sent, f"it is sent again after {code}")  # pylint: disable=cell-var-from-loop
            check(receiver.requests[-1].time - first >= 0.95, "Retry-After is honoured")
        refused = 0
        for code in (400, 401, 413, 500, 404):
            receiver.behave = status(code, b"\x12\x08too much")
            before = len(receiver.attempts)
            ask(pod, [f"/never?i={code}"])
            refused += 1
            wait_for(lambda: tap.lost("refused") == refused, f"it is counted after {code}")  # pylint: disable=cell-var-from-loop
            equal(len(receiver.attempts), before + 1, "attempts")
        contains(tap.sidecar.log(), "answered 400: too much", "the log says why")
        equal(tap.sidecar.log().count("what it refuses is dropped"), 1, "lines about it")


@case
def without_a_token_nothing_is_sent():
    with Pod() as pod, Receiver(pod) as receiver:
        servers.nginx(pod)
        receiver.behave = lambda request: otlp_receiver.OK if request.headers.get("authorization") == "Bearer good" else status(401)
        token = os.path.join(pod.folder, "token")
        with open(token, "w", encoding="utf-8"):
            pass
        tap = Tap(pod, f"--token_file={token}")
        wait_for(lambda: "the token file holds no single line" in tap.sidecar.log(), "a line about it at the start")
        ask(pod, numbered("token", 20))
        wait_for(lambda: tap.counter("podtap_sink_write_errors_total") >= 3, "attempts")
        equal(receiver.attempts, [], "requests without a token")
        with open(token, "w", encoding="utf-8") as file:
            file.write("good\n")
        wait_for(lambda: len(receiver.spans()) == 20, "20 spans")
        equal(tap.lost("refused"), 0, "refused")


@case
def what_retry_after_asks_for_holds_for_all_that_waits():
    with Pod() as pod, Receiver(pod) as receiver:
        servers.nginx(pod)
        receiver.behave = status(429, Retry_After="3")
        tap = Tap(pod, "--otlp_batch_spans=10", "--otlp_max_retry_ms=1000")
        ask(pod, numbered("later", 100))
        wait_for(lambda: len(receiver.attempts) >= 1, "an attempt")
        first = receiver.attempts[0].time
        time.sleep(1)
        # Of the second thread, which may have begun before the answer came.
        check(len(receiver.attempts) <= 2, f"{len(receiver.attempts)} attempts in the first second")
        receiver.behave = otlp_receiver.OK
        wait_for(lambda: len(receiver.spans()) == 100, "100 spans", 20)
        check(min(request.time for request in receiver.requests) >= first + 2.9, "nothing came before the time")
        equal((tap.lost("write_failed"), tap.lost("refused")), (0, 0), "lost")


@case
def a_queue_smaller_than_a_batch_loses_nothing():
    for flag in ("--sink_queue_events=100", "--sink_queue_bytes=262144"):
        with Pod() as pod, Receiver(pod) as receiver:
            servers.nginx(pod)
            tap = Tap(pod, flag, "--otlp_batch_ms=1000")
            for part in range(10):
                ask(pod, numbered(f"small{part}", 40))
                time.sleep(0.1)
            wait_for(lambda: len(receiver.spans()) == 400, "400 spans")
            equal(tap.lost("queue_full"), 0, "dropped")


@case
def a_sink_that_refuses_everything_is_failing_and_one_that_takes_its_place_is_not():
    with Pod() as pod, Receiver(pod) as receiver, Receiver(pod, port=4319) as other:
        servers.nginx(pod)
        receiver.behave = status(401)
        path, config = os.path.join(pod.volume, "admin.sock"), os.path.join(pod.folder, "podtap.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("sink: otlp:http://127.0.0.1:4318\n")
        tap = pod.sidecar(f"--config_file={config}", f"--admin_address=unix:{path}", *FAST)

        def at(port, metric, **labels):
            """One of a sink's own numbers; None while it is not shown."""
            labels["sink"] = f"otlp:http://127.0.0.1:{port}/v1/traces"
            return parse_metrics(Admin(path).get("/metrics").text).get((metric, tuple(sorted(labels.items()))))

        def ended(port, outcome):
            return at(port, "podtap_sink_exchanges_total", outcome=outcome)

        ask(pod, numbered("no", 5))
        wait_for(lambda: ended(4318, "refused") == 5, "refused exchanges")
        equal(at(4318, "podtap_sink_failing"), 1, "failing")
        with open(config + ".new", "w", encoding="utf-8") as file:
            file.write("sink: [otlp:http://127.0.0.1:4319, otlp:http://127.0.0.1:4318]\n")
        os.rename(config + ".new", config)
        wait_for(lambda: "was read again" in tap.log(), "the new file")
        receiver.behave = otlp_receiver.OK
        ask(pod, numbered("yes", 5))
        wait_for(lambda: len(other.spans()) == 5 and len(receiver.spans()) == 5, "the exchanges at both")
        wait_for(lambda: ended(4319, "written") == 5, "written exchanges")
        equal([ended(port, "refused") for port in (4318, 4319)], [5, 0], "each sink's own numbers")
        wait_for(lambda: [at(port, "podtap_sink_failing") for port in (4318, 4319)] == [0, 0], "none is failing")


@case
def a_slow_collector_holds_up_neither_another_sink_nor_the_mode_nor_the_end():
    with Pod() as pod, Receiver(pod, delay=0.2):
        servers.nginx(pod)
        file = os.path.join(pod.volume, "events")
        path = os.path.join(pod.volume, "admin.sock")
        flags = ("--sink_queue_events=1024", "--otlp_batch_spans=8", "--otlp_batch_ms=100", "--shutdown_timeout_ms=1500")
        both = pod.sidecar(f"--sink=otlp:http://127.0.0.1:4318,file:{file}", f"--admin_address=unix:{path}", *flags)
        for part in range(5):
            ask(pod, numbered(f"both{part}", 200))
        wait_for(lambda: pathlib.Path(file).read_text(encoding="utf-8").count("\n") == 1000, "all exchanges in the file", 3)
        equal(Admin(path).ask("PUT", "/mode", "all", timeout=3).status, 204, "a change of mode")
        equal(both.stop(), 0, "exit status")
        contains(both.log().splitlines()[-1], "exchanges could not be sent in time", "the last line")
        alone = Tap(pod, *flags)
        for part in range(5):
            ask(pod, numbered(f"alone{part}", 200))
        equal(Admin(alone.path).ask("PUT", "/mode", "all", timeout=3).status, 204, "a change of mode")
        equal(alone.sidecar.stop(), 0, "exit status")
        contains(alone.sidecar.log().splitlines()[-1], "exchanges could not be sent in time", "the last line")


@case
def what_a_partial_success_rejects_is_counted_and_not_sent_again():
    with Pod() as pod, Receiver(pod) as receiver:
        servers.nginx(pod)
        tap = Tap(pod, "--otlp_batch_ms=500")
        receiver.behave = status(200, b"\x0a\x08\x08\x03\x12\x04nope")
        ask(pod, numbered("partial", 10))
        wait_for(lambda: tap.lost("rejected") >= 3, "rejected spans")
        contains(tap.sidecar.log(), "spans: nope", "the log says why")
        wait_for(lambda: tap.lost("rejected") + tap.counter("podtap_sink_events_total") == 10, "each is counted once")


@case
def a_collector_that_never_answers_costs_counted_exchanges_and_bounded_memory():
    with Pod() as pod, Receiver(pod) as receiver:
        servers.nginx(pod)
        receiver.behave = "hang"
        tap = Tap(pod, "--sink_queue_events=2000", "--otlp_timeout_ms=60000", "--shutdown_timeout_ms=500")
        ask(pod, numbered("warm", 3))
        for _ in range(4):
            pod.run(["ab", "-q", "-k", "-n", "2000", "-c", "4", f"http://127.0.0.1:{servers.PORT}/x?y"], where="outside")
        wait_for(lambda: tap.lost("queue_full") > 4000, "the oldest are dropped")
        equal(tap.sidecar.log().count("its queue is full"), 1, "lines about it")
        check(memory_of(tap.sidecar.worker_pid())[1] < 100, "memory stays bounded")
        equal(tap.sidecar.stop(), 0, "exit status")
        lost = int(re.search(r"end: (\d+) exchanges could not be sent", tap.sidecar.log().splitlines()[-1]).group(1))
        check(2000 <= lost <= 2000 + 2 * 512, f"{lost} are told in the last log line")
        receiver.behave = otlp_receiver.OK


@case
def what_waits_is_flushed_on_sigterm():
    with Pod() as pod, Receiver(pod, delay=0.1) as receiver:
        servers.nginx(pod)
        tap = Tap(pod, "--otlp_batch_ms=60000")
        ask(pod, numbered("flush", 100))
        equal(tap.sidecar.stop(), 0, "exit status")
        equal(len(receiver.spans()), 100, "spans")


def certificates(folder, name):
    """A CA and a server certificate for `name`; paths of CA, certificate and key."""
    ca, key, request, certificate = (os.path.join(folder, file) for file in ("ca.pem", "key.pem", "req.pem", "cert.pem"))

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            os.path.join(folder, "ca.key"), "-out", ca, "-subj", "/CN=test CA", "-days", "2")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request,
            "-subj", "/CN=collector")
    with open(os.path.join(folder, "ext"), "w", encoding="utf-8") as file:
        file.write(f"subjectAltName={name}\n")
    openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", os.path.join(folder, "ca.key"), "-CAcreateserial",
            "-out", certificate, "-days", "2", "-extfile", os.path.join(folder, "ext"))
    return ca, certificate, key


def server_tls(certificate, key, client_ca=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return context


@case
def https_with_its_own_ca_a_client_certificate_and_a_name():
    with Pod() as pod:
        ca, certificate, key = certificates(pod.folder, "DNS:localhost")
        with Receiver(pod, tls=server_tls(certificate, key, ca)) as receiver:
            servers.nginx(pod)
            tap = Tap(pod, f"--otlp_ca_file={ca}", f"--otlp_client_certificate_file={certificate}",
                      f"--otlp_client_key_file={key}", endpoint="https://localhost:4318")
            ask(pod, numbered("tls", 30))
            wait_for(lambda: len(receiver.spans()) == 30, "30 spans")
            equal(tap.stats()["refused_system_calls"], 0, "refused system calls")


@case
def a_client_certificate_that_is_missing_is_said_at_the_start():
    with Pod() as pod:
        ca, certificate, key = certificates(pod.folder, "DNS:localhost")
        with Receiver(pod, tls=server_tls(certificate, key, ca)) as receiver:
            servers.nginx(pod)
            tap = Tap(pod, f"--otlp_ca_file={ca}", endpoint="https://localhost:4318")
            wait_for(lambda: "it refuses TLS: tlsv13 alert certificate required" in tap.sidecar.log(), "a line about it")
            ask(pod, numbered("none", 5))
            wait_for(lambda: tap.counter("podtap_sink_write_errors_total") >= 2, "attempts")
            equal(receiver.attempts, [], "requests")
            equal(tap.sidecar.log().count("refuses TLS"), 1, "lines about it")


@case
def a_certificate_that_is_not_to_be_trusted_gets_no_exchange():
    with Pod() as pod:
        ca, certificate, key = certificates(pod.folder, "DNS:elsewhere.example")
        with Receiver(pod, tls=server_tls(certificate, key)) as receiver:
            servers.nginx(pod)
            for flags, why in (((), "not accepted"), ((f"--otlp_ca_file={ca}",), "ostname mismatch")):
                tap = Tap(pod, *flags, endpoint="https://localhost:4318")
                ask(pod, numbered("wrong", 5))
                wait_for(lambda: why in tap.sidecar.log(), f"a line with: {why}")  # pylint: disable=cell-var-from-loop
                wait_for(lambda: tap.counter("podtap_sink_write_errors_total") >= 2, "attempts")  # pylint: disable=cell-var-from-loop
                equal(tap.sidecar.log().count("is tried again"), 1, "lines about it")
                tap.sidecar.stop()
            equal(receiver.attempts, [], "requests")


@case
def what_is_wrong_at_the_start_is_one_line():
    with Pod() as pod:
        missing = os.path.join(pod.folder, "missing")
        junk = os.path.join(pod.folder, "junk")
        with open(junk, "w", encoding="utf-8") as file:
            file.write("no PEM\n")
        for flags, code, words in (
                (("--sink=otlp:h:4318",), 2, "http://"),
                (("--sink=otlp:http://h:99999",), 2, "port"),
                (("--sink=otlp:http://h", f"--token_file={missing}"), 1, "--token_file"),
                (("--sink=otlp:https://h", f"--otlp_ca_file={junk}"), 1, "CA file"),
                (("--sink=otlp:https://h", f"--otlp_client_key_file={junk}"), 2, "go together")):
            tap = pod.sidecar(*flags, wait=False)
            equal(tap.process.wait(20), code, f"exit status with {flags}")
            contains(tap.log().splitlines()[-1], words, "the last line")
        tap = pod.sidecar("--sink=otlp:http://127.0.0.1:9", "--shutdown_timeout_ms=200")
        wait_for(lambda: "cannot connect to 127.0.0.1:9: Connection refused" in tap.log(), "a line about it at the start")
        tap.stop()
