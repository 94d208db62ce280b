# SPDX-License-Identifier: Apache-2.0
"""Whose traffic it is: roles and modes, both ends in one pod, neighbours that are never seen, and what an event says."""

import calendar
import json
import os
import re
import time

from support import events, machine, servers
from support.case import case, case_for, check, contains, equal, wait_for
from support.pod import Pod, program
from support.wire import Client

PORT = servers.PORT
CANARY = "canary-5e1f-never-to-be-seen"


@case_for("ingress", "egress", "all", "off")
def the_mode_decides_which_exchanges_are_reported(mode):
    with Pod() as pod:
        servers.nginx(pod)                              # the pod accepts here
        servers.nginx(pod, 8081, where="outside")       # and opens connections to this one
        tap = pod.sidecar(f"--mode={mode}")
        for i in range(10):
            with Client(pod.connect(PORT)) as client:
                client.ask("GET", f"/in?i={i}")
        opened = servers.LineClient(pod, 8081)
        for i in range(10):
            opened.get(f"/out?i={i}")
        opened.close()
        wanted = {"ingress": 10, "egress": 10, "all": 20, "off": 0}[mode]
        if wanted:
            tap.wait_events(wanted)
        else:
            time.sleep(0.3)
        seen = tap.final_events()
        roles = {event["http"]["url"]: event["podtap"]["role"] for event in seen}
        equal(len(seen), wanted, "number of events")
        equal(roles, {**({f"/in?i={i}": "ingress" for i in range(10)} if mode in ("ingress", "all") else {}),
                      **({f"/out?i={i}": "egress" for i in range(10)} if mode in ("egress", "all") else {})}, "roles")
        equal({event["podtap"]["loopback"] for event in seen} - {False}, set(), "loopback")


@case_for("all", "ingress", "egress")
def an_exchange_inside_the_pod_appears_once_per_role(mode):
    with Pod() as pod:
        servers.nginx(pod)
        tap = pod.sidecar(f"--mode={mode}")
        client = servers.LineClient(pod)
        for i in range(50):
            client.get(f"/inside?i={i}")
        client.close()
        wanted = ["ingress", "egress"] if mode == "all" else [mode]
        tap.wait_events(50 * len(wanted))
        seen = tap.final_events()
        equal(len(seen), 50 * len(wanted), "number of events")
        for role in wanted:
            mine = [event for event in seen if event["podtap"]["role"] == role]
            equal([event["http"]["url"] for event in mine], [f"/inside?i={i}" for i in range(50)], f"URLs as {role}")
            for event, answer in zip(mine, client.asked):
                equal(events.sha256(events.body(event, "response")), answer["sha256"], "body")
                equal(event["podtap"]["complete"], True, "complete")
        equal({event["podtap"]["loopback"] for event in seen}, {True}, "loopback")
        equal(len({event["podtap"]["event_id"] for event in seen}), len(seen), "distinct event ids")
        equal({(event["src_port"], event["dest_port"]) for event in seen}, {(seen[0]["src_port"], PORT)}, "the client is src")


@case
def a_neighbours_canary_is_in_nothing_that_is_emitted():
    with Pod() as pod, Pod() as other:
        # Neighbours in every place: another pod with a network of its own, and strangers inside this pod's network (as with
        # hostNetwork), who talk to each other on the same ports and at the same time as the pod.
        servers.nginx(pod)
        servers.nginx(pod, 8081, where="outside")
        servers.nginx(other)
        path = os.path.join(pod.volume, "events.json")
        tap = pod.sidecar("--mode=all", f"--sink=file:{path}", "--log_level=debug", "--stats_interval_s=1")
        stranger = servers.LineClient(pod, 8081, where="outside")
        elsewhere = servers.LineClient(other)
        mine = servers.LineClient(pod)
        with Client(pod.connect(PORT)) as client:
            for i in range(200):
                stranger.get(f"/{CANARY}?i={i}")
                elsewhere.get(f"/{CANARY}?i={i}")
                mine.get(f"/mine?i={i}")
                client.ask("GET", f"/theirs?i={i}")
        wait_for(lambda: _text(path).count("\n") >= 600, "the pod's own events")
        time.sleep(1.2)  # a stats line
        equal(tap.stop(), 0, "exit status")
        text = _text(path)
        equal(text.count("\n"), 600, "number of events")
        equal(text.count('"url":"/mine?'), 400, "events of the exchange inside the pod")
        for emitted in (text, tap.log(), tap.raw().decode()):
            check(CANARY not in emitted, "the canary was emitted")
        contains(tap.log(), "stats {", "log")


@case
def an_event_says_which_pod_process_and_container_it_belongs_to():
    with Pod() as pod:
        container = "0123456789abcdef" * 4
        scope = f"cri-containerd-{container}.scope"
        os.mkdir(os.path.join(pod.cgroup, scope))
        before = time.time()
        tap = pod.sidecar()
        server = servers.nginx(pod, where=scope)  # as in a pod: the sidecar starts first and sees who makes the listener
        with Client(pod.connect(PORT)) as client:
            port = client.socket.getsockname()[1]
            client.ask("GET", "/who", [("User-Agent", "probe/1"), ("X-Forwarded-For", "10.9.8.7"), ("Referer", "/from")])
        tap.wait_events(1)
        event, = tap.final_events()
        after = time.time()
        podtap, http = event["podtap"], event["http"]
        equal({key: podtap.get(key) for key in ("namespace", "pod", "node", "service", "role", "loopback", "container_id")},
              {"namespace": "shop", "pod": "cart-0", "node": "node-1", "service": "cart", "role": "ingress",
               "loopback": False, "container_id": container}, "the podtap object")
        equal((podtap["pid"], podtap["comm"]), (server.pid, "nginx"), "the process that made the listener")
        equal((podtap["informational"], podtap["complete"], podtap["tags"]), ([], True, []), "completeness")
        times = [podtap[key] for key in ("request_start", "response_start", "response_end")]
        for text in times:
            check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", text), f"not RFC 3339 with nanoseconds: {text}")
            check(before - 1 < _seconds(text) < after + 1, f"{text} is not now")
        equal(sorted(times), times, "times in order")
        check(0 <= podtap["duration_us"] < 5e6, f"duration_us {podtap['duration_us']}")
        for side in ("request", "response"):
            equal(set(podtap[side]), {"header_bytes", "body_bytes", "body_captured_bytes", "missing_bytes"}, side)
        equal(podtap["request"]["header_bytes"],
              len("GET /who HTTP/1.1\r\nHost: test\r\nUser-Agent: probe/1\r\nX-Forwarded-For: 10.9.8.7\r\n"
                  "Referer: /from\r\n\r\n"), "header_bytes")
        equal((event["event_type"], event["proto"], event["src_ip"], event["src_port"], event["dest_ip"], event["dest_port"]),
              ("http", "TCP", "127.0.0.1", port, "127.0.0.1", PORT), "addresses")
        check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+0000", event["timestamp"]), event["timestamp"])
        equal({key: http.get(key) for key in ("hostname", "http_user_agent", "xff", "http_refer", "length")},
              {"hostname": "test", "http_user_agent": "probe/1", "xff": "10.9.8.7", "http_refer": "/from",
               "length": len("hello /who\n")}, "http fields")


def _text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def _seconds(text):
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


@case
def what_is_not_set_in_the_environment_is_left_out():
    with Pod() as pod:
        servers.nginx(pod)
        empty = {"POD_NAMESPACE": "", "POD_NAME": "", "NODE_NAME": "", "PODTAP_SERVICE": ""}
        tap = pod.sidecar(environment=empty)
        with Client(pod.connect(PORT)) as client:
            client.ask("GET", "/")
        tap.wait_events(1)
        event, = tap.final_events()
        equal({"namespace", "pod", "node", "service", "container_id"} & set(event["podtap"]), set(), "unset fields")


@case
def secrets_in_headers_become_stars():
    with Pod() as pod:
        servers.nginx(pod)
        tap = pod.sidecar()
        secrets = [("Authorization", "Bearer s3cr3t-1"), ("COOKIE", "s3cr3t-2"), ("X-Api-Key", "s3cr3t-3"),
                   ("Proxy-Authorization", "s3cr3t-4")]
        with Client(pod.connect(PORT)) as client:
            client.ask("GET", "/r", [*secrets, ("X-Other", "shown")])
        tap.wait_events(1)
        event, = tap.final_events()
        equal(events.fields(event, "request"),
              [("Host", "test"), *((name, "***") for name, _ in secrets), ("X-Other", "shown")], "request headers")
        check("s3cr3t" not in tap.raw().decode() + tap.log(), "a secret was written")


@case
def probes_of_the_kubelet_are_left_out():
    with Pod() as pod:
        servers.nginx(pod)
        tap = pod.sidecar("--ignore_user_agents=kube-probe/,Health")
        with Client(pod.connect(PORT)) as client:
            for agent in ("kube-probe/1.30", "HealthCheck", "curl/8 kube-probe/", "kube-prober"):
                client.ask("GET", f"/{agent[:4]}", [("User-Agent", agent)])
        tap.wait_events(2)
        equal([event["http"]["http_user_agent"] for event in tap.final_events()], ["curl/8 kube-probe/", "kube-prober"],
              "events")


@case
def the_sidecars_own_traffic_is_left_out():
    with Pod() as pod:
        servers.nginx(pod)
        tap = pod.sidecar("--mode=all", "--admin_address=127.0.0.1:9095")
        wait_for(lambda: _admin(pod), "the admin address answers")
        with Client(pod.connect(PORT)) as client:
            client.ask("GET", "/app")
        tap.wait_events(1)
        for _ in range(5):
            _admin(pod)
        equal([event["http"]["url"] for event in tap.final_events()], ["/app"], "events")


@case
def a_sidecar_in_the_applications_own_cgroup_leaves_its_own_traffic_out():
    # Without a cgroup of its own below the target it is known by its sockets.
    with Pod() as pod:
        servers.nginx(pod)
        out, log = os.path.join(pod.folder, "bare.out"), os.path.join(pod.folder, "bare.err")
        with open(out, "wb") as file, open(log, "wb") as errors:
            tap = pod.start([program("podtap-sidecar"), f"--cgroup={pod.cgroup}/app", "--mode=all",
                             "--admin_address=127.0.0.1:9095"], stdout=file, stderr=errors)
        wait_for(lambda: "Added pod to maps." in _text(log), "podtap-sidecar attaches")
        wait_for(lambda: _admin(pod), "the admin address answers")
        with Client(pod.connect(PORT)) as client:
            client.ask("GET", "/app")
        for _ in range(5):
            _admin(pod)
        wait_for(lambda: _text(out).count("\n") >= 1, "the event")
        tap.terminate()
        equal(tap.wait(timeout=10), 0, "exit status")
        equal([json.loads(line)["http"]["url"] for line in _text(out).splitlines()], ["/app"], "events")


def _admin(pod):
    try:
        with Client(pod.connect(9095)) as client:
            return client.ask("GET", "/healthz", [("Connection", "close")]).status == 200
    except ConnectionError:
        return False


@case
def the_strict_format_has_nothing_but_eve():
    with Pod() as pod:
        servers.nginx(pod)
        tap = pod.sidecar("--format=eve-strict")
        with Client(pod.connect(PORT)) as client:
            response = client.ask("GET", "/strict")
        tap.wait_events(1)
        event, = tap.final_events()
        check("podtap" not in event, "no podtap object")
        check(set(event) <= {"timestamp", "flow_id", "event_type", "src_ip", "src_port", "dest_ip", "dest_port", "proto",
                             "ip_v", "app_proto", "tx_id", "http"}, f"keys: {sorted(event)}")
        equal((event["http"]["url"], event["http"]["status"], events.body(event, "response")),
              ("/strict", 200, response.body), "exchange")


@case
def the_text_format_is_one_line_per_exchange():
    with Pod() as pod:
        servers.nginx(pod)
        servers.nginx(pod, 8081, where="outside")
        tap = pod.sidecar("--format=text", "--mode=all")
        with Client(pod.connect(PORT)) as client:
            port = client.socket.getsockname()[1]
            client.ask("GET", "/api?x=1")
        pod.run([machine.tool("curl"), "-sS", "http://127.0.0.1:8081/out"])
        wait_for(lambda: tap.raw().count(b"\n") >= 2, "two lines")
        equal(tap.stop(), 0, "exit status")
        lines = tap.raw().decode().splitlines()
        equal(len(lines), 2, "lines")
        time_of_day, duration = r"\d\d:\d\d:\d\d\.\d{3}", r"\d+(\.\d+)?m?s"
        check(re.fullmatch(f"{time_of_day} \u25c0 GET /api\\?x=1 200 {duration} 0B/15B 127.0.0.1:{port}", lines[0]), lines[0])
        check(re.fullmatch(f"{time_of_day} \u25b6 GET /out 200 {duration} 0B/11B 127.0.0.1:8081", lines[1]), lines[1])
