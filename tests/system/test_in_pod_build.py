# SPDX-License-Identifier: Apache-2.0
"""podtap-sidecar as it is built for the image: whoever may exec into its privileged container gets nothing out of it."""

import os
import shutil
import signal
import subprocess
import time

from support import pod as pods
from support import servers
from support.admin import answers_at
from support.case import Skip, case, check, contains, equal, wait_for
from support.pod import Pod
from support.wire import Client

PORT = servers.PORT
REFUSED = "an instance runs already"


class Image:
    """A pod with a copy of the program of its own, as each container has its own file system."""

    def __init__(self):
        if pods.IN_POD_BIN is None:
            raise Skip("needs a build with -DPODTAP_IN_POD=ON; name it with --in-pod-build")
        self.pod = Pod()

    def __enter__(self):
        self.pod.__enter__()
        self.program = os.path.join(self.pod.folder, "podtap-sidecar")
        shutil.copy(os.path.join(pods.IN_POD_BIN, "podtap-sidecar"), self.program)
        return self

    def __exit__(self, *exception):
        self.pod.__exit__(*exception)

    def sidecar(self, *flags, **options):
        return self.pod.sidecar(*flags, binary=self.program, environment={"POD_UID": self.pod.uid}, **options)

    def _command(self, arguments):
        return {"args": [self.program, *arguments], "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE, "env": {"POD_UID": self.pod.uid}, "text": True}

    def exec(self, *arguments, seconds=10):
        """What `kubectl exec` would start in the container. Ended after `seconds`, then its status is that of the signal."""
        with subprocess.Popen(**self._command(arguments)) as process:
            start = time.monotonic()
            try:
                out, err = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                out, err = process.communicate()
            return process.returncode, out, err, time.monotonic() - start

    def begin(self, *arguments):
        return subprocess.Popen(**self._command(arguments))


@case
def in_the_image_the_target_is_the_pod_of_pod_uid():
    with Image() as image:
        servers.nginx(image.pod)
        tap = image.sidecar()
        with Client(image.pod.connect(PORT)) as client:
            client.ask("GET", "/in-pod")
        equal(tap.wait_events(1)[0]["http"]["url"], "/in-pod", "url")
        equal(tap.stop(), 0, "exit status")


@case
def in_the_image_no_other_target_and_no_file_can_be_named():
    with Image() as image:
        for flag, part in ((f"--cgroup={image.pod.cgroup}", "POD_UID"), (f"--pod_uid={image.pod.uid}", "POD_UID"),
                           (f"--sink=file:{image.pod.volume}/out", "file:"),
                           ("--flagfile=/etc/hostname", "flagfile"), ("--logmailer=/bin/true", "logmailer"),
                           ("--log_dir=/tmp", "log_dir"), ("--fromenv=mode", "fromenv")):
            status, out, err, _ = image.exec(flag)
            equal((status, out), (2, ""), f"{flag}: exit status and standard output")
            contains(err, part, f"{flag}: message")
            equal(err.count("\n"), 1, f"{flag}: lines")
        check(not os.path.exists(f"{image.pod.volume}/out"), "a file was made")


@case
def a_second_instance_is_refused_while_one_runs():
    with Image() as image:
        flag, admin = answers_at(image.pod)
        tap = image.sidecar(flag)
        for arguments in ((), ("--mode=all",), ("--sink=stdout",), (f"--sink=unix:{image.pod.volume}/x",), ("--keep_running",),
                          ("--check_config",), ("--help",), ("--annotation_file=/etc/hostname",), ("--admin_address=",)):
            status, out, err, _ = image.exec(*arguments)
            equal((status, out), (2, ""), f"{arguments}: exit status and standard output")
            contains(err, REFUSED, f"{arguments}: message")
        for arguments in (("--keep_running", "--bogus"), ("--keep_running", "--annotation_file=/etc/shadow", "word")):
            status, out, err, _ = image.exec(*arguments)
            equal((status, out), (2, ""), f"{arguments}: exit status and standard output")
        status, out, err, _ = image.exec("--version")
        equal((status, err), (0, ""), "--version")
        contains(out, "podtap-sidecar ", "--version")
        # The one that runs has not been disturbed, and a new one may start when it has ended.
        equal(admin.get("/readyz").status, 200, "the instance that runs")
        equal(tap.stop(), 0, "exit status")
        equal(image.sidecar(flag).stop(), 0, "exit status of the next instance")


@case
def waiting_until_attached_returns_at_once_when_it_is():
    with Image() as image:
        tap = image.sidecar()
        status, out, err, seconds = image.exec("--wait_until_attached_ms=8000")
        equal((status, out, err), (0, "", ""), "exit status and output")
        check(seconds < 1, f"returned after {seconds:.2f} s")
        # Nor does a worker's end matter.
        worker = tap.worker_pid()
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: tap.worker_pid() not in (None, worker), "another worker")
        check(image.exec("--wait_until_attached_ms=8000")[3] < 1, "returned late after a restart of the worker")


@case
def waiting_until_attached_ends_after_its_time():
    with Image() as image:
        for ms in (0, 700):
            status, out, err, seconds = image.exec(f"--wait_until_attached_ms={ms}")
            equal((status, out, err), (0, "", ""), "exit status and output")
            check(ms / 1000 <= seconds < ms / 1000 + 1, f"{ms} ms: returned after {seconds:.2f} s")


@case
def a_process_that_waits_takes_no_lock_also_when_it_starts_first():
    with Image() as image:
        flag, admin = answers_at(image.pod)
        waiting = [image.begin("--wait_until_attached_ms=20000"), image.begin("--wait_until_attached_ms", "20000"),
                   image.begin("--wait-until-attached-ms=1000000000000000000")]
        time.sleep(0.3)
        for process in waiting:
            equal(process.poll(), None, "a process that waits goes on")
        # Nothing else stands beside it.
        for arguments in (("--keep_running",), ("--mode=all",), (f"--sink=unix:{image.pod.volume}/x",), ("--flag_of_later=1",),
                          ("word",), ("--annotation_file=/etc/shadow",), ("--help",)):
            for both in ((*arguments, "--wait_until_attached_ms=5000"), ("--wait_until_attached_ms=5000", *arguments)):
                status, out, err, _ = image.exec(*both, seconds=3)
                equal((status, out), (2, ""), f"{both}: exit status and standard output")
        # Wrong values do not make an instance of it either.
        status, out, err, _ = image.exec("--keep_running", "--wait_until_attached_ms=soon", seconds=3)
        equal((status, out), (2, ""), "a wrong number: exit status and standard output")
        contains(err, "wait_until_attached_ms", "message")
        image.sidecar(flag)
        attached = time.monotonic()
        for process in waiting:
            with process:
                out, err = process.communicate(timeout=5)
                equal((process.returncode, out, err), (0, "", ""), "exit status and output of one that waited")
        check(time.monotonic() - attached < 2, "returned late")
        equal(admin.get("/readyz").status, 200, "the instance")


@case
def an_instance_that_is_not_attached_yet_is_waited_for():
    with Image() as image:
        # Its pod's cgroup is not there: it stays up, unattached.
        uid = "aaaaaaaa-bbbb-cccc-dddd-000000000002"
        tap = image.pod.sidecar("--keep_running", binary=image.program, environment={"POD_UID": uid}, wait=False)
        wait_for(lambda: "not capturing" in tap.log(), "it says so")
        _, _, _, seconds = image.exec("--wait_until_attached_ms=500")
        check(0.5 <= seconds < 2, f"returned after {seconds:.2f} s")
        equal(image.exec()[0], 2, "a second instance is refused meanwhile")
        waiting = image.begin("--wait_until_attached_ms=20000")
        os.makedirs(os.path.join(image.pod.top, f"kubepods.slice/kubepods-pod{uid.replace('-', '_')}.slice"))
        with waiting:
            waiting.communicate(timeout=15)
        check("Added pod to maps." in tap.log(), "returned before the attach")
