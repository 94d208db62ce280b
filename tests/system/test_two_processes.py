# SPDX-License-Identifier: Apache-2.0
"""The attacher keeps privilege and never parses, the worker parses without privilege; either may die, and nobody notices."""

import json
import os
import re
import signal
import statistics
import subprocess
import time

from support import events, load, machine, servers
from support.admin import answers_at, parse_metrics
from support.case import Skip, case, check, contains, equal, wait_for
from support.pod import Pod, program
from support.wire import Client, request

PORT = servers.PORT
URL = f"http://127.0.0.1:{PORT}/load"
WORKER_UID = "65521"
SECCOMP_FILTER = "2"
EVENT_ID = re.compile(rb'"event_id":"([^"]+)"')


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return {name: value.split() for name, value in (line.split(":", 1) for line in file)}


def data_limit_of(pid):
    with open(f"/proc/{pid}/limits", encoding="utf-8") as file:
        return next(int(line[26:].split()[0]) for line in file if line.startswith("Max data size"))


def descriptors_of(pid):
    """What each descriptor of a process is, and what the kernel tells about it."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with open(f"/proc/{pid}/fdinfo/{fd}", encoding="utf-8") as file:
            found[int(fd)] = (os.readlink(f"/proc/{pid}/fd/{fd}"), file.read())
    return found


def is_program_or_link(descriptor):
    name, info = descriptor
    return "bpf-prog" in name or "bpf_link" in name or "bpf-link" in name or "prog_id:" in info or "link_id:" in info


def attached(cgroup):
    """The programs attached to a cgroup or below, as bpftool lists them."""
    found = []
    for folder, _, _ in os.walk(cgroup):
        out = subprocess.run([machine.tool("bpftool"), "--json", "cgroup", "show", folder], check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        found += json.loads(out.strip() or b"[]")
    return found


def program_ids(cgroup):
    return sorted(program["id"] for program in attached(cgroup))


def bare_sidecar(pod, *flags):
    """podtap-sidecar without a PID namespace of its own, whose end would hide what podtap itself does."""
    with open(os.path.join(pod.folder, "bare.err"), "wb") as log:
        process = pod.start([program("podtap-sidecar"), f"--cgroup={pod.cgroup}", *flags], "sidecar", stderr=log)
    wait_for(lambda: machine.children_of(process.pid) and attached(pod.cgroup), "podtap-sidecar attaches")
    return process


@case
def a_worker_killed_under_load_is_replaced_and_the_application_does_not_notice():
    with Pod() as pod, load.Collector(os.path.join(pod.volume, "sink")) as sink:
        servers.nginx(pod)
        admin_flag, admin = answers_at(pod)
        tap = pod.sidecar(f"--sink=unix:{pod.volume}/sink", admin_flag)
        before = program_ids(pod.cgroup)
        with Client(pod.connect(PORT)) as older:
            older.ask("GET", "/older?i=0")
            paced = load.Paced(pod, URL, 20000, 5)
            wait_for(lambda: sink.lines > 1000, "exchanges under load")
            gaps = []
            for number in range(1, 4):
                time.sleep(0.5)
                worker, connection = tap.worker_pid(), sink.connections
                killed = time.monotonic()
                os.kill(worker, signal.SIGKILL)
                resumed = wait_for(lambda at=killed, n=connection: sink.first_after(at, n + 1), "exchanges resume", 10, 0.002)
                gaps.append((resumed - killed) * 1000)
                equal(admin.stats()["worker_restarts"], number, "restarts counted")
                check(tap.worker_pid() != worker, "another process works")
            rate = paced.finish()
            load.say(f"{rate:.0f} exchanges/s, 0 failures; exchanges resumed after " +
                     ", ".join(f"{gap:.0f} ms" for gap in gaps))
            # The rule is 200 ms; a busy test machine may stretch one of three.
            check(statistics.median(gaps) < 200, f"exchanges resumed after {gaps} ms")
            response = older.ask("GET", "/older?i=1")
        equal(program_ids(pod.cgroup), before, "the programs stayed attached as they were")
        equal(tap.stop(), 0, "exit status")
        last = sink.records(b'"url":"/older')
        equal([e["http"]["url"] for e in last], ["/older?i=0", "/older?i=1"], "exchanges of the older connection")
        events.check_exchange(last[1], "GET", "/older?i=1", response, tags=["joined_late"])
        equal(tap.log().count("the worker was ended by signal 9"), 3, "lines in the log about a dead worker")
        equal(len(set(EVENT_ID.findall(b"\n".join(sink.kept)))), len(sink.kept), "distinct event ids over four workers")
        told = sum(b'"url":"/load"' in line for line in sink.kept)
        load.say(f"{told} of {paced.total} exchanges were told")
        check(told > paced.total * 0.8, f"only {told} of {paced.total} exchanges were told")


@case
def an_exchange_that_was_open_when_the_worker_died_is_told_as_joined_late():
    with Pod() as pod:
        servers.python(pod)
        tap = pod.sidecar()
        with Client(pod.connect(PORT)) as client:
            client.send(request("POST", "/open", [("Content-Length", "10")]) + b"01234")
            time.sleep(0.2)
            worker = tap.worker_pid()
            os.kill(worker, signal.SIGKILL)
            wait_for(lambda: tap.worker_pid() not in (None, worker), "another worker")
            time.sleep(0.2)
            client.send(b"56789")
            equal(client.read().status, 200, "the application answers")
            response = client.ask("GET", "/next")
            tap.wait_events(2)
        seen = tap.final_events()
        equal(len(seen), 2, "number of events")
        equal((seen[0]["http"].get("status"), "url" in seen[0]["http"]), (200, False), "the answer without its request")
        check({"joined_late", "unrequested"} <= set(seen[0]["podtap"]["tags"]), f"tags: {seen[0]['podtap']['tags']}")
        equal(seen[0]["podtap"]["complete"], False, "complete")
        events.check_exchange(seen[1], "GET", "/next", response, tags=["joined_late"])


@case
def an_attacher_killed_under_load_leaves_nothing_behind():
    with Pod() as pod:
        servers.nginx(pod)
        check(not attached(pod.cgroup), "nothing is attached before")
        process = bare_sidecar(pod, "--sink=file:/dev/null", "--admin_address=")
        worker, = machine.children_of(process.pid)
        paced = load.Paced(pod, URL, 20000, 2)
        time.sleep(0.8)
        os.kill(process.pid, signal.SIGKILL)
        killed = time.monotonic()
        process.wait(timeout=10)
        wait_for(lambda: not machine.is_running(worker), "the worker ends", 5, 0.002)
        wait_for(lambda: not attached(pod.cgroup), "everything is detached", 5, 0.002)
        gone = (time.monotonic() - killed) * 1000
        load.say(f"{paced.finish():.0f} exchanges/s, 0 failures; worker gone and all detached after {gone:.0f} ms")


@case
def a_worker_that_outlives_its_attacher_would_hold_nothing_attached():
    with Pod() as pod:
        process = bare_sidecar(pod, "--sink=file:/dev/null", "--admin_address=")
        worker, = machine.children_of(process.pid)
        check(sum(map(is_program_or_link, descriptors_of(process.pid).values())) >= 4, "the attacher holds the links")
        for _ in range(2):
            held = descriptors_of(worker)
            equal([fd for fd, what in held.items() if is_program_or_link(what)], [], f"programs and links among {held}")
            os.kill(worker, signal.SIGKILL)
            wait_for(lambda dead=worker: machine.children_of(process.pid) not in ([], [dead]), "another worker")
            worker, = machine.children_of(process.pid)
            wait_for(lambda pid=worker: status_of(pid)["Uid"][0] == WORKER_UID, "the worker gives up privilege")


@case
def the_worker_has_no_privilege_and_the_attacher_one_thread():
    with Pod() as pod:
        servers.nginx(pod)
        tap = pod.sidecar(answers_at(pod)[0])
        with Client(pod.connect(PORT)) as client:
            client.ask("GET", "/once")
        tap.wait_events(1)
        pid = tap.worker_pid()
        worker, attacher = status_of(pid), status_of(tap.pid())
        equal(worker["Uid"], [WORKER_UID] * 4, "user")
        equal(worker["Gid"], [WORKER_UID] * 4, "group")
        equal(worker["Groups"], [], "further groups")
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            equal(int(worker[kind][0], 16), 0, kind)
        equal((worker["NoNewPrivs"], worker["Seccomp"]), (["1"], [SECCOMP_FILTER]), "no new privileges, seccomp")
        check(int(worker["Seccomp_filters"][0]) > int(attacher["Seccomp_filters"][0]), "a filter of the worker's own")
        # The kernel gives the files of a process that cannot be dumped (or traced) to root.
        equal(os.stat(f"/proc/{pid}/environ").st_uid, 0, "owner of the worker's /proc files")
        with open(f"/proc/{pid}/limits", encoding="utf-8") as file:
            limits = {line[:26].strip(): line[26:].split()[0] for line in file}
        check(limits["Max data size"].isdigit() and int(limits["Max data size"]) < 1 << 30, f"memory: {limits}")
        equal(limits["Max core file size"], "0", "core files")
        equal(attacher["Threads"], ["1"], "threads of the attacher")
        equal(attacher["Seccomp"], [SECCOMP_FILTER], "the attacher refuses execve, too")
        check(int(attacher["CapEff"][0], 16) != 0, "the attacher keeps its capabilities")
        equal(tap.stop(), 0, "exit status")


@case
def the_worker_can_write_to_nothing_that_the_attacher_or_the_kernel_trusts():
    with Pod() as pod:
        tap = pod.sidecar()
        pid = tap.worker_pid()
        wait_for(lambda: status_of(pid)["Uid"][0] == WORKER_UID, "the worker gives up privilege")
        with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
            shared = [(line.split()[1], int(line.split()[2], 16), line.split(None, 5)[5].strip())
                      for line in file if line.split()[1].endswith("s")]
        # Writable: the ring's consumer page, the reader's page, the wishes. The settings are not there at all.
        equal(sorted(rights for rights, _, name in shared if "bpf-map" in name), ["r--s", "r--s", "rw-s", "rw-s", "rw-s"],
              f"rights to BPF maps: {shared}")
        equal([(rights, offset > 0) for rights, offset, name in shared if "memfd:podtap" in name],
              [("r--s", False), ("rw-s", True)], "the attacher's half of the shared memory, and the worker's own")
        equal(tap.stop(), 0, "exit status")


@case
def the_worker_makes_no_call_that_its_filter_refuses():
    with Pod() as pod:
        servers.nginx(pod)
        admin_flag, admin = answers_at(pod)
        tap = pod.sidecar("--mode=all", admin_flag, "--stats_interval_s=1", "--format=text", f"--sink=file:{pod.volume}/log")
        with Client(pod.connect(PORT)) as client:
            for i in range(200):
                client.ask("GET", f"/calls?i={i}")
        tap.signal(signal.SIGHUP)
        for page in ("/metrics", "/healthz", "/readyz", "/config"):
            admin.get(page)
        time.sleep(1.2)
        equal(admin.stats()["refused_system_calls"], 0, f"refused system calls; log: {tap.log()}")
        equal(tap.stop(), 0, "exit status")
        check("refused system call" not in tap.log(), tap.log())


@case
def flags_of_libraries_are_unknown():
    for flag in ("--logmailer=/bin/true", "--flagfile=/etc/hostname", "--fromenv=mode", "--tryfromenv=mode", "--undefok=mode",
                 "--log_dir=/tmp", "--log_link=/tmp", "--vmodule=a=1", "--log_backtrace_at=a:1", "--tab_completion_word=x",
                 "--alsologtoemail=x", "--helpmatch=main"):
        result = subprocess.run([program("podtap-sidecar"), flag, "--check_config", "--cgroup=/x"], capture_output=True,
                                timeout=10, stdin=subprocess.DEVNULL, check=False)
        equal((result.returncode, result.stdout), (2, b""), f"{flag}: exit status and standard output")
        contains(result.stderr.decode(), f"unknown flag --{flag[2:].split('=')[0]}", "message")


@case
def execve_is_refused_before_the_flags_are_read():
    # The filter is there before the first flag is complained about, and it is inherited by whatever comes later.
    trace = subprocess.run([machine.tool("strace"), "-f", "-e", "trace=seccomp,execve,write", program("podtap-sidecar"), "--bogus"],
                           capture_output=True, timeout=20, stdin=subprocess.DEVNULL, check=False).stderr.decode()
    calls = [line for line in trace.splitlines() if "(" in line]
    filters = [i for i, line in enumerate(calls) if "seccomp(" in line and "SET_MODE_FILTER" in line and line.endswith("= 0")]
    complaint = [i for i, line in enumerate(calls) if "write(2" in line and "unknown flag" in line]
    check(filters and complaint and filters[0] < complaint[0], f"a filter, then the complaint: {trace}")
    equal(sum("execve(" in line for line in calls), 1, "execve calls, strace's own included")


# ---- --keep_running: whatever is wrong, the process stays


class MemoryLimit:
    """A cgroup that lets its processes have so much memory: of the version of cgroups that has the controller here."""

    def __init__(self, limit):
        mounts = [point for point in machine.mounts("cgroup") if os.path.basename(point) == "memory"]
        self.path = None
        if mounts:
            self.path, name = os.path.join(mounts[0], f"podtap-test-{os.getpid()}"), "memory.limit_in_bytes"
        else:
            top = machine.cgroup2_mount()
            with open(f"{top}/cgroup.subtree_control", encoding="utf-8") as file:
                if "memory" not in file.read().split():
                    raise Skip("no memory controller for a cgroup made here")
            self.path, name = os.path.join(top, f"podtap-test-{os.getpid()}-memory"), "memory.max"
        os.mkdir(self.path)
        self.file = os.path.join(self.path, name)
        self.set(limit)

    def set(self, limit):
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(str(limit))

    def enter(self, command):
        """The command, in a shell that has moved into the cgroup."""
        return ["sh", "-c", 'echo $$ >"$0" && exec "$@"', f"{self.path}/cgroup.procs", *command]

    def remove(self):
        wait_for(lambda: self._removed(), "the memory cgroup empties")

    def _removed(self):
        try:
            os.rmdir(self.path)
            return True
        except OSError:
            return False


class Stayer:
    """podtap-sidecar --keep_running, started so that something is wrong. Never in a container: its cgroups are the test's."""

    def __init__(self, pod, name, reason, text, *flags, prefix=()):
        self.name, self.reason, self.text = name, reason, text
        self.flag, self.admin = answers_at(pod, f"{name}.sock")
        self.log_path = os.path.join(pod.folder, f"{name}.err")
        with open(self.log_path, "wb") as log:
            self.process = pod.start([*prefix, program("podtap-sidecar"), "--keep_running", self.flag, *flags], "sidecar",
                                     stdout=subprocess.DEVNULL, stderr=log)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def check_says_why(self):
        check(self.process.poll() is None, f"{self.name} ended with {self.process.returncode}: {self.log()}")
        lines = [line for line in self.log().splitlines() if "not capturing" in line]
        equal(len(lines), 1, f"{self.name}: lines in the log that say why: {self.log()}")
        contains(lines[0], self.text, f"{self.name}: log")
        stats = self.admin.stats()
        equal(stats["capture"], self.reason, f"{self.name}: capture in /stats")
        contains(stats["reason"], self.text, f"{self.name}: reason in /stats")
        metrics = parse_metrics(self.admin.get("/metrics").text)
        states = {labels[0][1]: value for (name, labels), value in metrics.items() if name == "podtap_capture_state"}
        equal([state for state, value in states.items() if value], [self.reason], f"{self.name}: podtap_capture_state")
        equal(self.admin.get("/healthz").json()["attacher"], "alive", f"{self.name}: /healthz")
        equal(self.admin.ask("GET", "/readyz").status, 503, f"{self.name}: /readyz")


@case
def a_process_that_is_to_keep_running_stays_without_a_worker():
    with Pod() as pod:
        stayer = Stayer(pod, "no-worker", "no_worker", "", f"--cgroup={pod.cgroup}",
                        prefix=[machine.tool("setpriv"), "--bounding-set=-setuid,-setgid", "--inh-caps=-setuid,-setgid"])
        wait_for(lambda: stayer.log().count("the worker ended") >= 5, "it tries again and again", 20)
        equal(stayer.log().count("not capturing: the worker cannot run here"), 1, f"lines that say why: {stayer.log()}")
        check("Added pod to maps." not in stayer.log(), "said to be attached")
        check(stayer.process.poll() is None, "it stays")
        stayer.process.terminate()
        equal(stayer.process.wait(timeout=10), 0, "exit status after SIGTERM")


@case
def a_process_that_is_to_keep_running_stays_whatever_is_wrong():
    with Pod() as pod:
        servers.nginx(pod)
        uid = "aaaaaaaa-bbbb-cccc-dddd-000000000003"
        cgroups = " ".join(f"'{point}'" for point in reversed(machine.mounts("cgroup2")))
        target = f"--cgroup={pod.cgroup}"
        sink = f"--sink=unix:{pod.volume}/nobody"
        stayers = [
            Stayer(pod, "no-bpf", "bpf_refused", "CAP_BPF", target, sink,
                   prefix=[machine.tool("setpriv"), "--bounding-set=-bpf,-sys_admin,-net_admin,-perfmon"]),
            Stayer(pod, "no-cgroup2", "no_cgroup", "cgroup v2", f"--pod_uid={uid}", sink,
                   prefix=[machine.tool("unshare"), "--mount", "sh", "-c", f'umount -l {cgroups} && exec "$@"', "sh"]),
            Stayer(pod, "no-pod", "no_cgroup", uid, f"--pod_uid={uid}", f"--cgroup_root={pod.top}", sink),
            Stayer(pod, "flag", "configuration", "no_such_flag", "--no_such_flag=1", target, sink),
            Stayer(pod, "value", "configuration", "sideways", "--mode=sideways", target, sink),
            Stayer(pod, "word", "configuration", "'ingress' is not a flag", target, sink, "ingress"),
            Stayer(pod, "target", "configuration", "POD_UID", sink),
            Stayer(pod, "folder", "configuration", "/no/such/folder", target, "--sink=file:/no/such/folder/out"),
        ]
        limit = None
        try:
            limit = MemoryLimit(16 << 20)
            stayers.append(Stayer(pod, "memory", "no_memory", "16 MiB", target, sink, prefix=limit.enter([])))
        except Skip as reason:
            load.say(f"without the case of little memory: {reason}")
        try:
            started = time.monotonic()
            for stayer in stayers:
                wait_for(lambda s=stayer: "not capturing" in s.log() and os.path.exists(s.admin.path), f"{stayer.name} says why")
            time.sleep(max(0.0, started + 30 - time.monotonic()))
            for stayer in stayers:
                stayer.check_says_why()
            # What was missing appears.
            os.makedirs(os.path.join(pod.top, f"kubepods/pod{uid}"))
            if limit is not None:
                limit.set(64 << 20)
            for stayer in stayers:
                if stayer.name in ("no-pod", "memory"):
                    wait_for(lambda s=stayer: s.admin.ask("GET", "/readyz").status == 200, f"{stayer.name}: it captures", 40, 0.2)
                    equal(stayer.admin.stats()["reason"], "", f"{stayer.name}: no reason any more")
                if stayer.name == "memory":
                    worker, = machine.children_of(stayer.process.pid)
                    check(data_limit_of(worker) < 64 << 20, "the worker's own limit is below the container's")
            for stayer in stayers:
                stayer.process.terminate()
                equal(stayer.process.wait(timeout=10), 0, f"{stayer.name}: exit status after SIGTERM")
        finally:
            for stayer in stayers:
                stayer.process.kill()
                stayer.process.wait()
            if limit is not None:
                limit.remove()
