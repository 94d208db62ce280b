# SPDX-License-Identifier: Apache-2.0
"""The life of the sidecar: what it says at its start and every minute, how it finds its pod, and how it ends."""

import json
import os
import re
import signal
import subprocess
import time

from support import events, machine, servers
from support.case import case, check, contains, equal, wait_for
from support.pod import Pod, program
from support.wire import Client, request

PORT = servers.PORT
STATS = ["ControlEventReceived", "DataEventReceived", "TotalRequestsParsed", "ReqParsingErrors", "ResParsingErrors",
         "EventLost", "TotalRequestsSent", "TotalEventsDroppedAtEventQueueLimit", "TotalEventsDroppedAtParsing",
         "KprobeEventMaxQueueSizeTillNow"]


def json_after(text, mark):
    """The JSON objects that follow `mark` in a log."""
    return [json.loads(line.split(mark, 1)[1]) for line in text.splitlines() if mark in line]


def json_lines(text):
    """Log lines that end in a JSON object, whatever the log puts before it."""
    found = []
    for line in text.splitlines():
        at = line.find("{")
        if at >= 0:
            try:
                found.append(json.loads(line[at:]))
            except ValueError:
                pass
    return found


@case
def the_start_is_logged_with_configuration_system_and_pod():
    with Pod() as pod:
        tap = pod.sidecar("--mode=all", "--max_body_bytes=1234")
        equal(tap.stop(), 0, "exit status")
        log = tap.log()
        added, = json_after(log, "Added pod to maps. ")
        equal(added, {"Name": "cart-0", "Namespace": "shop", "Service": "cart", "Enabled": True, "Mode": 2}, "the pod")
        equal(list(added), ["Name", "Namespace", "Service", "Enabled", "Mode"], "order of the keys")
        objects = json_lines(log)
        check(any(o.get("max_body_bytes") == 1234 and o.get("mode") == "all" for o in objects), f"configuration: {log}")
        release = os.uname().release
        system = [o for o in objects if release in o.values()]
        equal(len(system), 1, f"lines about the system in {log}")
        check(os.uname().machine in system[0].values(), f"architecture in {system[0]}")
        check(any("btf" in key.lower() for key in system[0]), f"BTF in {system[0]}")
        equal(tap.raw(), b"", "standard output carries exchanges only")


@case
def modes_are_numbered_as_the_log_says():
    for mode, number in (("ingress", 0), ("egress", 1), ("all", 2)):
        with Pod() as pod:
            tap = pod.sidecar(f"--mode={mode}")
            added, = json_after(tap.log(), "Added pod to maps. ")
            equal(added["Mode"], number, mode)


@case
def stats_lines_count_what_happened():
    with Pod() as pod:
        servers.nginx(pod)
        tap = pod.sidecar("--stats_interval_s=1")
        with Client(pod.connect(PORT)) as client:
            for i in range(100):
                client.ask("GET", f"/s?i={i}")
        tap.wait_events(100)
        lines = len(json_after(tap.log(), "] stats "))
        wait_for(lambda: len(json_after(tap.log(), "] stats ")) > lines, "a stats line", 5)
        equal(tap.stop(), 0, "exit status")
        stats = json_after(tap.log(), "] stats ")[-1]
        equal(list(stats), STATS, "keys")
        equal((stats["TotalRequestsParsed"], stats["TotalRequestsSent"], stats["EventLost"]), (100, 100, 0), "counts")
        equal((stats["ReqParsingErrors"], stats["ResParsingErrors"]), (0, 0), "errors")
        check(stats["DataEventReceived"] >= 200, f"DataEventReceived {stats['DataEventReceived']}")
        check(stats["ControlEventReceived"] >= 1, f"ControlEventReceived {stats['ControlEventReceived']}")
        probes = json_after(tap.log(), "probe stat ")[-1]
        check(sum(probes.values()) >= 200, f"runs of the programs: {probes}")


@case
def the_pod_is_found_by_the_uid_in_the_environment():
    with Pod() as pod:
        servers.nginx(pod)
        tap = pod.sidecar(environment={"POD_UID": pod.uid})
        with Client(pod.connect(PORT)) as client:
            client.ask("GET", "/env")
        equal(tap.wait_events(1)[0]["http"]["url"], "/env", "url")
        contains(tap.log(), f"pod{pod.uid}", "log")


@case
def a_pod_that_appears_later_is_waited_for():
    with Pod() as pod:
        uid = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
        late = os.path.join(pod.top, f"kubepods.slice/kubepods-pod{uid.replace('-', '_')}.slice")
        tap = pod.sidecar(f"--pod_uid={uid}", "--cgroup_wait_ms=10000", wait=False)
        time.sleep(0.3)
        check("Added pod to maps." not in tap.log(), "attached to a cgroup that does not exist")
        os.makedirs(late)
        tap.wait_attached()
        contains(tap.log(), os.path.basename(late), "log")


@case
def sigterm_emits_what_is_open_and_ends_with_0():
    with Pod() as pod:
        servers.python(pod)
        tap = pod.sidecar()
        with Client(pod.connect(PORT)) as client:
            done = client.ask("GET", "/done")
            client.send(request("GET", "/hang"))
            while len(client.buffer) < 1000:
                client._more()
            tap.wait_events(1)
            start = time.monotonic()
            seen = tap.final_events()
            check(time.monotonic() - start < 3, "the end took too long")
        equal(len(seen), 2, "number of events")
        events.check_exchange(seen[0], "GET", "/done", done)
        equal((seen[1]["http"]["url"], seen[1]["http"]["status"]), ("/hang", 200), "the open exchange")
        check("shutdown" in seen[1]["podtap"]["tags"], f"tags: {seen[1]['podtap']['tags']}")
        equal(seen[1]["podtap"]["complete"], False, "complete")


@case
def sigterm_loses_nothing_that_happened_before_it():
    with Pod() as pod:
        servers.nginx(pod)
        tap = pod.sidecar()
        with Client(pod.connect(PORT)) as client:
            for i in range(2000):
                client.ask("GET", f"/t?i={i}")
            # At once: the last exchanges are still in the ring.
            seen = tap.final_events()
        equal([event["http"]["url"] for event in seen], [f"/t?i={i}" for i in range(2000)], "events")


@case
def draining_goes_on_while_the_application_lives():
    with Pod() as pod:
        server = servers.nginx(pod)
        tap = pod.sidecar("--drain_ms=20000")
        tap.signal(signal.SIGTERM)
        time.sleep(0.3)
        with Client(pod.connect(PORT)) as client:
            client.ask("GET", "/during")
        tap.wait_events(1)
        check(tap.process.poll() is None, "ended while the application lived")
        # The pod's sandbox lives on: it is no application.
        server.send_signal(signal.SIGQUIT)
        equal(tap.process.wait(timeout=10), 0, "exit status")
        check(pod.pause.poll() is None, "the sandbox ended")
        equal([event["http"]["url"] for event in tap.events()], ["/during"], "events")


@case
def draining_takes_no_application_for_the_sandbox():
    # Some runtimes make no sandbox process. Then the oldest cgroup of the pod, with one process, is an application's.
    with Pod() as pod:
        with open(os.path.join(pod.outside, "cgroup.procs"), "w", encoding="utf-8") as file:
            file.write(str(pod.pause.pid))
        os.rmdir(os.path.join(pod.cgroup, "pause"))
        for talks in (False, True):
            server = servers.python(pod)
            tap = pod.sidecar("--drain_ms=20000")
            if talks:
                with Client(pod.connect(PORT)) as client:
                    client.ask("GET", "/before")
                tap.wait_events(1)
            tap.signal(signal.SIGTERM)
            time.sleep(0.3)
            check(tap.process.poll() is None, "ended while the application lived")
            with Client(pod.connect(PORT)) as client:
                client.ask("GET", "/during")
            server.kill()
            equal(tap.process.wait(timeout=10), 0, "exit status")
            equal(tap.events()[-1]["http"]["url"], "/during", "the last event")


@case
def a_worker_that_dies_while_draining_is_replaced_and_a_second_sigterm_ends_it():
    with Pod() as pod:
        servers.nginx(pod)
        tap = pod.sidecar("--drain_ms=60000")
        tap.signal(signal.SIGTERM)
        time.sleep(0.2)
        worker = tap.worker_pid()
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: tap.worker_pid() not in (None, worker), "another worker")
        with Client(pod.connect(PORT)) as client:
            client.ask("GET", "/after")
        equal(tap.wait_events(1)[0]["http"]["url"], "/after", "url")
        tap.signal(signal.SIGTERM)
        equal(tap.process.wait(timeout=10), 0, "exit status")


@case
def draining_ends_after_its_time():
    with Pod() as pod:
        servers.nginx(pod)
        tap = pod.sidecar("--drain_ms=500")
        start = time.monotonic()
        equal(tap.stop(), 0, "exit status")
        check(0.4 < time.monotonic() - start < 4, f"ended after {time.monotonic() - start:.1f} s")


@case
def nothing_stays_attached_after_the_end():
    with Pod() as pod:
        for end in (signal.SIGTERM, signal.SIGKILL):
            tap = pod.sidecar()
            check(_attached(pod), "programs are attached while it runs")
            tap.signal(end)
            tap.process.wait(timeout=10)
            wait_for(lambda: not _attached(pod), f"programs are detached after signal {end}", 5)


def _attached(pod):
    out = subprocess.run([machine.tool("bpftool"), "--json", "cgroup", "show", pod.cgroup], check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return json.loads(out.strip() or b"[]")


@case
def an_idle_exchange_is_emitted_once_and_a_late_answer_is_not_another():
    with Pod() as pod:
        servers.python(pod)
        tap = pod.sidecar("--idle_timeout_ms=300")
        with Client(pod.connect(PORT)) as client:
            client.send(request("POST", "/slow", [("Content-Length", "10")]) + b"01234")
            event = tap.wait_events(1, 10)[0]
            client.send(b"56789")
            client.read()
            client.ask("GET", "/next")
            tap.wait_events(2)
            seen = tap.final_events()
        equal([event["http"]["url"] for event in seen], ["/slow", "/next"], "events")
        check("timeout" in event["podtap"]["tags"], f"tags: {event['podtap']['tags']}")
        equal((event["podtap"]["complete"], "status" in event["http"]), (False, False), "the event that timed out")
        equal((seen[1]["podtap"]["complete"], seen[1]["http"]["status"]), (True, 200), "the one after")


@case
def check_config_prints_the_configuration_and_ends():
    result = subprocess.run([program("podtap-sidecar"), "--check_config", "--mode=egress", "--max_body_bytes=77",
                             "--sink=file:/x/y", "--cgroup=/nowhere"], capture_output=True, check=False)
    equal((result.returncode, result.stderr), (0, b""), "exit status and standard error")
    config = json.loads(result.stdout)
    equal({key: config[key] for key in ("mode", "max_body_bytes", "sink", "cgroup", "idle_timeout_ms", "ring_bytes")},
          {"mode": "egress", "max_body_bytes": 77, "sink": "file:/x/y?format=eve", "cgroup": "/nowhere", "idle_timeout_ms": 300000,
           "ring_bytes": 8 << 20}, "configuration")


@case
def check_config_of_wrong_flags_ends_with_2():
    result = subprocess.run([program("podtap-sidecar"), "--check_config", "--mode=sideways"], capture_output=True, check=False)
    equal((result.returncode, result.stdout), (2, b""), "exit status and standard output")
    contains(result.stderr.decode(), "ingress, egress, all or off", "message")


@case
def a_cgroup_of_no_pod_is_taken_with_a_warning():
    with Pod() as pod:
        target = os.path.join(pod.top, "service")
        os.mkdir(target)
        process = subprocess.Popen([program("podtap-sidecar"), f"--cgroup={target}"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE)
        try:
            lines = []
            while not lines or b"Added pod to maps." not in lines[-1]:
                lines.append(process.stderr.readline())
                check(lines[-1], b"".join(lines).decode())
            warning = [line.decode() for line in lines if b"not a pod's cgroup" in line]
            equal(len(warning), 1, "warnings")
            check(re.match("W", warning[0]), warning[0])
            process.terminate()
            equal(process.wait(timeout=10), 0, "exit status")
        finally:
            process.kill()
            process.wait()
            process.stderr.close()
