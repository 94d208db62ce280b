# SPDX-License-Identifier: Apache-2.0
"""A pod as a pod lives, on one machine without Kubernetes.

    <cgroup2>/podtap-test-<runner's pid>-<random>/
        kubepods/burstable/pod<uid>/{pause,app,sidecar}     the pod
        outside                                             everything that is not in the pod

The processes of a pod share one network namespace, which the pause process holds. The sidecar has a PID, mount and cgroup
namespace of its own and a read-only root; it finds its pod by uid in the node's cgroup tree, mounted read-only in its place,
while its own /sys/fs/cgroup shows its own cgroup only, as a container runtime does it.

Everything is removed at the end of the `with` block, whatever happened inside.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid

from support import machine
from support.case import Failure, wait_for

PREFIX = "podtap-test-"
ENTER = 'echo $$ >"$0" && exec "$@"'  # a shell that moves into a cgroup and becomes the command

# The inside of the sidecar's container. $1 its folder, $2 the node's cgroup2 mount.
CONTAINER = """
set -e
folder=$1 node=$2
shift 2
mount -t proc proc /proc
mount --bind "$node" "$folder/node-cgroup"
mount -o remount,bind,ro "$folder/node-cgroup"
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --bind "$folder/volume" "$folder/volume"
if [ -e "$folder/resolv.conf" ]; then mount --bind "$folder/resolv.conf" /etc/resolv.conf; fi
mount -o remount,bind,ro /
exec "$@"
"""

BIN = "build/bin"
IN_POD_BIN = None  # of the build for the image, if there is one


def set_build(folder, in_pod_folder=None):
    global BIN, IN_POD_BIN
    BIN = os.path.join(os.path.abspath(folder), "bin")
    IN_POD_BIN = os.path.join(os.path.abspath(in_pod_folder), "bin") if in_pod_folder else None


def program(name):
    return os.path.join(BIN, name)


def remove_cgroup(path):
    """Ends every process in a cgroup that a test made, and removes it and those below."""
    if not os.path.isdir(path):
        return
    deadline = time.monotonic() + 10
    while True:
        folders = [folder for folder, _, _ in os.walk(path, topdown=False)]
        for folder in folders:
            try:
                with open(f"{folder}/cgroup.procs", encoding="utf-8") as file:
                    pids = [int(pid) for pid in file.read().split()]
            except OSError:
                pids = []
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        try:
            for folder in folders:
                os.rmdir(folder)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def remove_stale():
    """Removes what runners that were killed have left behind."""
    top = machine.cgroup2_mount()
    for name in os.listdir(top):
        owner = name.removeprefix(PREFIX).split("-")[0]
        if name.startswith(PREFIX) and owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
            remove_cgroup(os.path.join(top, name))


class Pod:
    def __init__(self):
        self.uid = str(uuid.uuid4())
        self.node = machine.cgroup2_mount()
        self.top = os.path.join(self.node, f"{PREFIX}{os.getpid()}-{uuid.uuid4().hex[:8]}")
        self.cgroup = os.path.join(self.top, "kubepods/burstable", f"pod{self.uid}")
        self.outside = os.path.join(self.top, "outside")
        self.folder = tempfile.mkdtemp(prefix=PREFIX)
        self.volume = os.path.join(self.folder, "volume")
        self.processes = []
        self.pause = None

    def __enter__(self):
        try:
            os.chmod(self.folder, 0o755)
            os.mkdir(self.volume)
            os.mkdir(os.path.join(self.folder, "node-cgroup"))
            for name in ("pause", "app", "sidecar"):
                os.makedirs(os.path.join(self.cgroup, name))
            os.mkdir(self.outside)
            ready = os.path.join(self.folder, "pause-ready")
            self.pause = self._start("pause", [
                machine.tool("unshare"), "--net", "--", "sh", "-c",
                f"{machine.tool('ip')} link set lo up && echo 3 >/proc/sys/net/ipv4/tcp_fastopen;"
                f" touch {ready}; exec sleep 3600"])
            wait_for(lambda: os.path.exists(ready), "the pod's network")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
        remove_cgroup(self.top)
        for process in self.processes:
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, where, command, **options):
        cgroup = self.outside if where == "outside" else os.path.join(self.cgroup, where)
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(["sh", "-c", ENTER, f"{cgroup}/cgroup.procs", *command], **options)
        self.processes.append(process)
        return process

    def network(self):
        """In a `with` block: this thread makes its sockets in the pod's network, but outside the pod's cgroup."""
        return machine.network_of(self.pause.pid)

    def start(self, command, where="app", **options):
        """Starts a process in the pod's network: in a container of the pod, or "outside" of its cgroup."""
        enter = [machine.tool("nsenter"), f"--net=/proc/{self.pause.pid}/ns/net", "--"]
        return self._start(where, [*enter, *command], **options)

    def run(self, command, where="app", timeout=60, **options):
        """Runs a command to its end and returns what it wrote to standard output."""
        process = self.start(command, where, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        out, err = process.communicate(timeout=timeout)
        if process.returncode != 0:
            raise Failure(f"{command[0]} ended with {process.returncode}: {err.decode(errors='replace')}")
        return out

    def wait_port(self, port, address="127.0.0.1", process=None):
        """Waits until somebody listens, without connecting (which would be one connection more to capture)."""
        family = "tcp6" if ":" in address else "tcp"

        def listening():
            if process is not None and process.poll() is not None:
                raise Failure(f"the server ended with status {process.returncode}")
            with open(f"/proc/{self.pause.pid}/net/{family}", encoding="utf-8") as table:
                return any(line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
                           for line in table.readlines()[1:])

        wait_for(listening, f"a listener on {address}:{port}")

    def connect(self, port, address="127.0.0.1"):
        """A client outside the pod's cgroup, such as the kubelet or another pod."""
        with self.network():
            connection = socket.create_connection((address, port), timeout=20)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def sidecar(self, *flags, **options):
        return Sidecar(self, flags, **options)


class Sidecar:
    """podtap-sidecar in its container. Its standard output is a file unless `stdout` says otherwise."""

    def __init__(self, pod, flags, environment=None, stdout=None, wait=True, binary=None):
        self.pod = pod
        number = len(pod.processes)
        self.out_path = os.path.join(pod.folder, f"sidecar-{number}.out")
        self.err_path = os.path.join(pod.folder, f"sidecar-{number}.err")
        self.read_to = 0
        self.seen = []
        self.rest = b""
        values = {"PATH": os.environ["PATH"], "POD_NAMESPACE": "shop", "POD_NAME": "cart-0", "NODE_NAME": "node-1",
                  "PODTAP_SERVICE": "cart"}
        values.update(environment or {})
        command = [binary or program("podtap-sidecar"), *flags]
        if not any(flag.startswith(("--cgroup=", "--pod_uid=")) for flag in flags) and "POD_UID" not in values:
            command.append(f"--pod_uid={pod.uid}")
        if not any(flag.startswith("--cgroup_root=") for flag in flags):
            command.append(f"--cgroup_root={pod.folder}/node-cgroup")
        with open(self.out_path, "ab") as out, open(self.err_path, "ab") as err:
            self.process = pod.start(
                [machine.tool("unshare"), "--pid", "--fork", "--kill-child", "--mount", "--cgroup", "--propagation",
                 "private", "--", "sh", "-c", CONTAINER, "container", pod.folder, pod.node, *command],
                where="sidecar", stdout=stdout if stdout is not None else out, stderr=err, env=values)
        if wait:
            self.wait_attached()

    def log(self):
        with open(self.err_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_attached(self):
        def attached():
            if self.process.poll() is not None:
                raise Failure(f"podtap-sidecar ended with {self.process.returncode}: {self.log()}")
            return "Added pod to maps." in self.log()

        wait_for(attached, "podtap-sidecar attaches", seconds=15)
        wait_for(self.worker_pid, "podtap-sidecar's worker runs")
        return self

    def pid(self):
        """The sidecar's first process, as the node numbers it: the child of unshare."""
        children = machine.children_of(self.process.pid)
        return children[0] if children else None

    def worker_pid(self):
        pid = self.pid()
        children = machine.children_of(pid) if pid else []
        return children[0] if children else None

    def raw(self):
        with open(self.out_path, "rb") as file:
            return file.read()

    def events(self):
        """Everything written to standard output so far, as EVE records."""
        with open(self.out_path, "rb") as file:
            file.seek(self.read_to)
            data = self.rest + file.read()
            self.read_to = file.tell()
        lines = data.split(b"\n")
        self.rest = lines.pop()
        self.seen += [json.loads(line) for line in lines]
        return self.seen

    def wait_events(self, count, seconds=15.0):
        """Waits for `count` events. More than that are a failure, of which a moment later would tell; see stop()."""
        deadline = time.monotonic() + seconds
        while len(self.events()) < count:
            if self.process.poll() is not None:
                raise Failure(f"podtap-sidecar ended with {self.process.returncode}: {self.log()}")
            if time.monotonic() > deadline:
                raise Failure(f"{len(self.seen)} of {count} events within {seconds:g} s; log: {self.log()}")
            time.sleep(0.02)
        return self.seen

    def signal(self, number):
        pid = self.pid()
        if pid is not None:
            os.kill(pid, number)

    def stop(self, seconds=15.0):
        """Ends the sidecar as a kubelet does and returns its exit status; all events are then in events()."""
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"podtap-sidecar did not end within {seconds:g} s; log: {self.log()}") from None

    def final_events(self):
        """Stops the sidecar, which must end with 0, and returns every event that it wrote."""
        status = self.stop()
        if status != 0:
            raise Failure(f"podtap-sidecar ended with {status}: {self.log()}")
        events = self.events()
        if self.rest:
            raise Failure(f"half a line at the end of standard output: {self.rest[:200]!r}")
        return events
