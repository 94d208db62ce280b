# SPDX-License-Identifier: Apache-2.0
"""The admin endpoint: pages, health, live control, what flows to /tail, and the commands of podtap that talk to it."""

import json
import os
import signal
import socket
import subprocess
import time

from support import servers
from support.admin import Admin, answers_at, parse_metrics
from support.case import case, case_for, check, contains, equal, wait_for
from support.pod import Pod, program
from support.wire import Client
from test_life import STATS
from test_two_processes import attached

PORT = servers.PORT
ADDRESS = ("127.0.0.1", 9096)


def podtap(*arguments, **options):
    return subprocess.run([program("podtap"), *arguments], capture_output=True, timeout=20, check=False, text=True,
                          stdin=subprocess.DEVNULL, **options)


def urls(tap):
    return [event["http"]["url"] for event in tap.events()]


def attachments(pod):
    return sorted((program["id"], program["attach_type"]) for program in attached(pod.cgroup))


@case_for("unix", "TCP", "TCP over IPv6")
def every_page_is_served(over):
    with Pod() as pod:
        servers.nginx(pod)
        if over == "unix":
            flag, admin = answers_at(pod)
        else:
            host = "::1" if "6" in over else "127.0.0.1"
            flag = f"--admin_address=[{host}]:9096" if ":" in host else f"--admin_address={host}:9096"
            admin = Admin(pod=pod, address=(host, 9096))
        tap = pod.sidecar(flag, "--mode=all")
        with Client(pod.connect(PORT)) as client:
            for i in range(10):
                client.ask("GET", f"/page?i={i}")
        tap.wait_events(10)

        page = admin.get("/metrics")
        equal(page.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8", "content type of /metrics")
        metrics = parse_metrics(page.text)
        value = {name: metrics.get((name, labels)) for name, labels in metrics}
        equal(metrics["podtap_events_total", ()], 10, "podtap_events_total")
        equal(metrics["podtap_messages_total", (("kind", "request"),)], 10, "requests")
        equal(metrics["podtap_capture_state", (("reason", "attached"),)], 1, "capture state")
        equal(sum(v for (name, _), v in metrics.items() if name == "podtap_capture_state"), 1, "exactly one state holds")
        equal(metrics["podtap_mode", (("mode", "all"),)], 1, "mode")
        check(metrics["podtap_probe_runs_total", (("program", "cap_skb_ingress"),)] > 10, "runs of a program")
        for name in ("podtap_records_lost_total", "podtap_events_lost_total", "podtap_gaps_total", "podtap_worker_restarts_total",
                     "podtap_payload_bytes_total", "podtap_connections_by_protocol_total", "podtap_memory_used_bytes"):
            check(name in value, f"{name} is among the metrics")

        health = admin.get("/healthz").json()
        equal((health["attacher"], health["capture"], health["worker"]["restarts"]), ("alive", "attached", 0), "/healthz")
        equal(health["worker"]["state"], "capturing", "the worker's state")
        check(health["worker"]["pid"] > 0 and health["worker"]["uptime_s"] < 60, f"the worker: {health['worker']}")
        equal(admin.get("/readyz").text, "attached\n", "/readyz")

        stats = admin.get("/stats").json()
        equal(list(stats)[:len(STATS)], STATS, "the first keys of /stats are those of the log")
        equal((stats["TotalRequestsParsed"], stats["TotalRequestsSent"], stats["EventLost"]), (10, 10, 0), "numbers of /stats")
        equal((stats["capture"], stats["mode"], stats["worker_restarts"]), ("attached", "all", 0), "state in /stats")
        check(stats["counters"]["podtap_payload_bytes_total"] > 1000, f"counters of /stats: {stats['counters']}")
        equal(stats["reason"], "", "nothing is wrong")

        config = admin.get("/config").json()
        equal((config["mode"], config["max_body_bytes"], config["pod"]), ("all", 131072, "cart-0"), "/config")

        equal(admin.ask("HEAD", "/metrics").status, 200, "HEAD /metrics")
        unknown = admin.ask("GET", "/else")
        equal(unknown.status, 404, "a page that is not there")
        contains(unknown.text, "/metrics", "which pages there are")
        equal(admin.ask("POST", "/stats", body="x").status, 405, "POST /stats")
        # What is served here changes nothing in what was captured.
        equal(len(tap.final_events()), 10, "events")


@case
def control_and_payload_are_for_the_unix_socket_only():
    with Pod() as pod:
        servers.nginx(pod)
        flag, unix = answers_at(pod)
        tap = pod.sidecar(flag + ",127.0.0.1:9096")
        tcp = Admin(pod=pod, address=ADDRESS)
        for method, target in (("GET", "/tail"), ("GET", "/tail?format=text"), ("PUT", "/mode"), ("GET", "/mode")):
            answer = tcp.ask(method, target, body="off" if method == "PUT" else None)
            equal(answer.status, 403, f"{method} {target} over TCP")
            contains(answer.text, "unix socket", "why")
        equal(unix.get("/mode").text, "ingress\n", "the mode has not changed")
        with Client(pod.connect(PORT)) as client:
            client.ask("GET", "/still")
        equal(tap.wait_events(1)[0]["http"]["url"], "/still", "url")


@case
def another_mode_counts_from_the_next_exchange():
    with Pod() as pod:
        servers.nginx(pod)
        servers.nginx(pod, port=8081, where="outside")
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag)
        inner = servers.LineClient(pod, port=8081)
        wanted = []
        with Client(pod.connect(PORT)) as outer:
            modes = [None, "egress", "all", "ingress", "off", "all", "egress", "off", "ingress"]
            for i, mode in enumerate(modes):
                if mode is not None:
                    admin.put_mode(mode)
                    equal(admin.get("/mode").text, mode + "\n", "GET /mode")
                for j in range(3):
                    outer.ask("GET", f"/in?{i}.{j}")
                    inner.get(f"/out?{i}.{j}")
                if mode in (None, "ingress", "all"):
                    wanted += [f"/in?{i}.{j}" for j in range(3)]
                if mode in ("egress", "all"):
                    wanted += [f"/out?{i}.{j}" for j in range(3)]
                wait_for(lambda: len(tap.events()) >= len(wanted), f"the exchanges of mode {mode} (saw {urls(tap)})", 5)
            # A connection made now, too.
            with Client(pod.connect(PORT)) as fresh:
                fresh.ask("GET", "/in?fresh")
            wanted.append("/in?fresh")
            wait_for(lambda: len(tap.events()) >= len(wanted), "the last exchange", 5)
        inner.close()
        seen = tap.final_events()
        equal(sorted(event["http"].get("url") for event in seen), sorted(wanted), "exchanges told")
        incomplete = [(e["http"]["url"], e["podtap"]["tags"]) for e in seen if not e["podtap"]["complete"]]
        equal(incomplete, [], "incomplete exchanges")
        logged = [line.split("mode is now ")[1] for line in tap.log().splitlines() if "mode is now " in line]
        equal(logged, modes[1:], "modes in the log")


@case
def what_ended_just_before_another_mode_is_told():
    with Pod() as pod:
        servers.nginx(pod)
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag)
        wanted = []
        with Client(pod.connect(PORT)) as client:
            for i in range(10):
                # The records of these may still wait in the ring when the mode changes.
                for j in range(5):
                    client.ask("GET", f"/in?{i}.{j}")
                    wanted.append(f"/in?{i}.{j}")
                admin.put_mode("off" if i % 2 else "egress")
                client.ask("GET", f"/not?{i}")
                admin.put_mode("ingress")
        seen = tap.final_events()
        equal([event["http"].get("url") for event in seen], wanted, "exchanges told")
        equal([e["http"]["url"] for e in seen if not e["podtap"]["complete"]], [], "incomplete exchanges")


@case
def a_change_of_mode_attaches_nothing_anew():
    with Pod() as pod:
        flag, admin = answers_at(pod)
        pod.sidecar(flag)
        before = attachments(pod)
        check(len(before) >= 4, f"programs: {before}")
        for mode in ("off", "all", "egress", "off", "ingress"):
            admin.put_mode(mode)
            equal(attachments(pod), before, f"programs after {mode}")


@case
def off_copies_nothing():
    with Pod() as pod:
        servers.nginx(pod)
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag)
        with Client(pod.connect(PORT)) as client:
            client.ask("GET", "/on")
            tap.wait_events(1)
            admin.put_mode("off")
            time.sleep(0.1)
            names = ("podtap_kernel_records_total", "podtap_payload_bytes_total", "podtap_records_total", "podtap_messages_total")
            before = [admin.counter(name) for name in names]
            for i in range(1000):
                client.ask("GET", f"/off?i={i}")
            with Client(pod.connect(PORT)) as other:
                other.ask("GET", "/off")
            time.sleep(0.1)
            after = [admin.counter(name) for name in names]
        equal(after[1:2] + after[3:], before[1:2] + before[3:], "payload and messages that were read")
        # A connection that opens or closes may be told of, a packet may not.
        check(after[0] - before[0] <= 4, f"records: {before[0]} before, {after[0]} after 1,001 exchanges")
        equal([event["http"]["url"] for event in tap.final_events()], ["/on"], "events")


@case
def a_mode_that_is_none_is_refused_with_the_ones_there_are():
    with Pod() as pod:
        flag, admin = answers_at(pod)
        pod.sidecar(flag)
        for mode in ("sideways", "", "INGRESS", "in gress", "ingress,egress", "0", "\0", "off" * 5000):
            answer = admin.ask("PUT", "/mode", body=mode)
            equal(answer.status, 400, f"status of {mode[:20]!r}")
            contains(answer.text, "ingress, egress, all, off", "text")
            equal(admin.get("/mode").text, "ingress\n", "mode")


@case
def tail_streams_exchanges_as_they_come():
    with Pod() as pod:
        servers.nginx(pod)
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag)
        with Client(pod.connect(PORT)) as client:
            client.ask("GET", "/before")
            tap.wait_events(1)
            eve, eve_connection = admin.tail()
            text, text_connection = admin.tail("/tail?format=text")
            time.sleep(0.1)
            for i in range(50):
                client.ask("GET", f"/tail?i={i}")
                equal(json.loads(next(eve))["http"]["url"], f"/tail?i={i}", "the next record of /tail")
            lines = [next(text) for _ in range(50)]
            for i, line in enumerate(lines):
                contains(line, f" ◀ GET /tail?i={i} 200 ", "a line of /tail?format=text")
            # Those who leave disturb nobody.
            eve_connection.close()
            for i in range(10):
                client.ask("GET", f"/later?i={i}")
            contains([next(text) for _ in range(10)][-1], "/later?i=9", "the other tail goes on")
            text_connection.close()
        equal(len(tap.final_events()), 61, "events at the sink")


@case
def a_tail_that_nobody_reads_holds_up_nothing():
    with Pod() as pod:
        servers.nginx(pod)
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag)
        www = os.path.join(pod.folder, f"nginx-{PORT}", "www/static/body")
        with open(www, "wb") as file:
            file.write(os.urandom(100000))
        unread, connection = admin.tail()
        with Client(pod.connect(PORT)) as client:
            for _ in range(100):
                client.ask("GET", "/static/body")
        equal(len(tap.wait_events(100)), 100, "events at the sink")
        check(admin.counter("podtap_tail_dropped_total") > 0, f"what {unread} did not take is counted")
        connection.close()
        equal(len(tap.final_events()), 100, "events at the sink")


@case
def a_call_waits_while_the_worker_is_replaced():
    with Pod() as pod:
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag)
        restarts = 0
        for _ in range(5):  # each time a little later than the time before
            worker = tap.worker_pid()
            os.kill(worker, signal.SIGKILL)
            restarts += 1
            wait_for(lambda dead=worker: tap.worker_pid() != dead, "the worker has gone", 5, 0.001)
            health = admin.get("/healthz").json()
            equal((health["attacher"], health["worker"]["restarts"]), ("alive", restarts), "health")
        metrics = parse_metrics(admin.get("/metrics").text)
        equal(metrics["podtap_worker_restarts_total", ()], restarts, "podtap_worker_restarts_total")


@case
def a_socket_that_cannot_be_made_is_warned_of_and_capture_goes_on():
    with Pod() as pod:
        servers.nginx(pod)
        for address in ("unix:/proc/no/such/folder/admin.sock", None, "unix:" + "x" * 200, "localhost:http", "127.0.0.1:1:2"):
            # None: the default, in a folder that the read-only root does not have.
            tap = pod.sidecar(*([f"--admin_address={address}"] if address else []))
            warnings = [line for line in tap.log().splitlines() if line.startswith("W")]
            equal(len(warnings), 1, f"warnings: {tap.log()}")
            contains(warnings[0], address or "unix:/run/podtap/admin.sock", "warning")
            with Client(pod.connect(PORT)) as client:
                client.ask("GET", "/captured")
            tap.wait_events(1)
            equal(len(tap.final_events()), 1, "events")


@case
def no_address_means_no_endpoint_and_no_warning():
    with Pod() as pod:
        tap = pod.sidecar("--admin_address=")
        check(not any(line.startswith("W") for line in tap.log().splitlines()), tap.log())
        held = [os.readlink(f"/proc/{tap.pid()}/fd/{fd}") for fd in os.listdir(f"/proc/{tap.pid()}/fd")]
        with open(f"/proc/{tap.pid()}/net/unix", encoding="utf-8") as table:
            listening = {f"socket:[{line.split()[6]}]" for line in table if line.split()[3] == "00010000"}
        equal(listening & set(held), set(), "listening sockets")


@case
def an_old_socket_is_replaced_and_nobody_but_root_may_connect():
    with Pod() as pod:
        flag, admin = answers_at(pod)
        for _ in range(2):
            tap = pod.sidecar(flag)
            equal(admin.get("/readyz").status, 200, "status")
            equal(os.stat(admin.path).st_mode & 0o777, 0o600, "mode of the socket")
            tap.signal(signal.SIGKILL)  # leaves its socket behind
            tap.process.wait(timeout=10)
            check(os.path.exists(admin.path), "the socket is left")


@case
def the_environment_stays_out_of_every_page_and_the_log():
    with Pod() as pod:
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag, environment={"API_TOKEN": "canary-5a1b9c", "AWS_SECRET_ACCESS_KEY": "canary-5a1b9c"})
        for page in ("/metrics", "/healthz", "/readyz", "/stats", "/config", "/mode"):
            check("canary" not in admin.get(page).text, f"{page} shows the environment")
        equal(tap.stop(), 0, "exit status")
        check("canary" not in tap.log(), "the log shows the environment")


@case
def the_endpoint_survives_what_is_not_http():
    with Pod() as pod:
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag)
        worker = tap.worker_pid()
        idle = []
        for data in (b"", b"\r\n\r\n", b"\0" * 4096, b"GET /metrics", b"GET " + b"/a" * 8000 + b" HTTP/1.1\r\n\r\n",
                     b"PUT /mode HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                     b"PUT /mode HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"):
            for _ in range(5):
                connection = socket.socket(socket.AF_UNIX)
                connection.connect(admin.path)
                connection.sendall(data)
                idle.append(connection)
        # 40 of them wait; there is still room.
        equal(admin.get("/healthz").json()["worker"]["restarts"], 0, "restarts")
        for connection in idle:
            connection.close()
        equal((admin.get("/mode").text, tap.worker_pid()), ("ingress\n", worker), "mode and worker")


@case
def podtap_stats_shows_state_and_counters():
    with Pod() as pod:
        servers.nginx(pod)
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag)
        with Client(pod.connect(PORT)) as client:
            for i in range(7):
                client.ask("GET", f"/seven?i={i}")
        tap.wait_events(7)
        shown = podtap("stats", f"--admin={admin.path}")
        equal((shown.returncode, shown.stderr), (0, ""), "exit status and standard error")
        for line in ("capture: attached", "mode: ingress", "TotalRequestsParsed: 7", "TotalRequestsSent: 7"):
            contains(shown.stdout, line + "\n", "podtap stats")
        as_json = podtap("stats", "--json", f"--admin=unix:{admin.path}")
        equal(json.loads(as_json.stdout)["TotalRequestsSent"], 7, "podtap stats --json")


@case
def podtap_mode_shows_and_changes_it():
    with Pod() as pod:
        flag, admin = answers_at(pod)
        pod.sidecar(flag)
        here = f"--admin={admin.path}"
        shown = podtap("mode", here)
        equal((shown.returncode, shown.stdout, shown.stderr), (0, "ingress\n", ""), "podtap mode")
        changed = podtap("mode", here, "egress")
        equal((changed.returncode, changed.stderr), (0, ""), "podtap mode egress")
        equal(admin.get("/mode").text, "egress\n", "the mode")
        refused = podtap("mode", here, "sideways")
        equal(refused.returncode, 2, "exit status of a mode that is none")
        contains(refused.stderr, "ingress, egress, all", "message")
        equal(refused.stderr.count("\n"), 1, "lines of the message")


@case
def podtap_tail_prints_exchanges_until_it_is_interrupted():
    with Pod() as pod:
        servers.nginx(pod)
        flag, admin = answers_at(pod)
        pod.sidecar(flag)
        for kind in ("text", "eve"):
            tail = subprocess.Popen([program("podtap"), "tail", f"--admin={admin.path}", f"--format={kind}"],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            try:
                time.sleep(0.3)
                with Client(pod.connect(PORT)) as client:
                    client.ask("GET", f"/{kind}")
                    line = tail.stdout.readline()
                    if kind == "eve":
                        equal(json.loads(line)["http"]["url"], "/eve", "url")
                    else:
                        contains(line, " ◀ GET /text 200 ", "line")
                tail.send_signal(signal.SIGINT)
                tail.wait(timeout=10)
                equal(tail.stderr.read(), "", "standard error")
            finally:
                tail.kill()
                tail.wait()
                tail.stdout.close()
                tail.stderr.close()


@case
def podtap_says_in_one_line_that_nobody_answers():
    for command in (("stats",), ("mode",), ("mode", "off"), ("tail",)):
        for path in ("/nowhere/admin.sock", "/" + "x" * 200):
            result = podtap(*command, f"--admin={path}")
            equal((result.returncode, result.stdout), (1, ""), f"{command}: exit status and standard output")
            equal(result.stderr.count("\n"), 1, f"lines in {result.stderr!r}")
            contains(result.stderr, path, "message")


class Annotations:
    """A downward-API volume as the kubelet keeps it: one rename of ..data replaces everything at once."""

    def __init__(self, folder):
        self.folder = folder
        self.number = 0
        os.mkdir(folder)
        self.path = os.path.join(folder, "mode")
        os.symlink("..data/mode", self.path)

    def write(self, value):
        self.number += 1
        name = f"..2026_01_01_00_00_{self.number:02}.1"
        os.mkdir(os.path.join(self.folder, name))
        with open(os.path.join(self.folder, name, "mode"), "w", encoding="utf-8") as file:
            file.write(value)
        os.symlink(name, os.path.join(self.folder, "..data_tmp"))
        os.rename(os.path.join(self.folder, "..data_tmp"), os.path.join(self.folder, "..data"))


@case
def the_annotation_overrides_the_flag_while_it_is_valid():
    with Pod() as pod:
        servers.nginx(pod)
        annotations = Annotations(os.path.join(pod.volume, "annotations"))
        annotations.write("off")
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag, "--mode=all", f"--annotation_file={annotations.path}")
        before = attachments(pod)
        equal(admin.get("/mode").text, "off\n", "the mode at the start")
        added = next(line for line in tap.log().splitlines() if "Added pod to maps. " in line)
        contains(added, '"Enabled":false', "the start's line about the pod")
        for value, mode in (("egress", "egress"), ("sideways", "all"), ("ingress\n", "ingress"), ("", "all"), ("off", "off")):
            annotations.write(value)
            wait_for(lambda m=mode: admin.get("/mode").text == m + "\n", f"annotation {value!r} means {mode}", 4)
        contains(tap.log(), "'sideways' is not known", "a warning")
        # A change by hand stays until the annotation changes again.
        admin.put_mode("ingress")
        time.sleep(1.2)
        equal(admin.get("/mode").text, "ingress\n", "the mode set by hand")
        with Client(pod.connect(PORT)) as client:
            client.ask("GET", "/by-hand")
        equal(tap.wait_events(1)[0]["http"]["url"], "/by-hand", "url")
        os.remove(os.path.join(annotations.folder, "..data"))
        wait_for(lambda: admin.get("/mode").text == "all\n", "an annotation that has gone restores the flag", 4)
        equal(attachments(pod), before, "nothing was attached again")


@case
def ready_comes_with_the_pod_s_cgroup_while_health_is_there_all_the_time():
    with Pod() as pod:
        servers.nginx(pod)
        uid = "aaaaaaaa-bbbb-cccc-dddd-000000000001"
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag, "--keep_running", f"--pod_uid={uid}", wait=False)
        wait_for(lambda: os.path.exists(admin.path), "the socket")
        ready = admin.ask("GET", "/readyz")
        equal(ready.status, 503, "/readyz before")
        contains(ready.text, uid, "why it is not ready")
        equal(admin.get("/healthz").json()["capture"], "no_cgroup", "/healthz before")
        os.makedirs(os.path.join(pod.top, f"kubepods.slice/kubepods-pod{uid.replace('-', '_')}.slice"))
        wait_for(lambda: admin.ask("GET", "/readyz").status == 200, "/readyz after the cgroup is there", 10)
        equal(admin.get("/healthz").json()["capture"], "attached", "/healthz after")
        equal(tap.stop(), 0, "exit status")
