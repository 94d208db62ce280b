# SPDX-License-Identifier: Apache-2.0
"""--config_file: what it sets, how it is followed while podtap runs, and what a mistake in it does."""

import os
import shutil
import subprocess
import threading

from support import pod as pods
from support import servers
from support.admin import answers_at, parse_metrics
from support.case import Skip, case, check, contains, equal, wait_for
from support.pod import Pod
from support.wire import Client

PORT = servers.PORT


class File:
    """A file that is replaced as editors and configuration tools do: by a rename."""

    def __init__(self, folder, text):
        self.path = os.path.join(folder, "podtap.yaml")
        self.write(text)

    def write(self, text):
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.path + ".new", self.path)


class ConfigMap:
    """A ConfigMap's volume as the kubelet keeps it: one rename of ..data replaces everything at once."""

    def __init__(self, folder, text):
        self.folder = os.path.join(folder, "config")
        self.number = 0
        os.mkdir(self.folder)
        self.path = os.path.join(self.folder, "podtap.yaml")
        os.symlink("..data/podtap.yaml", self.path)
        self.write(text)

    def write(self, text):
        old = os.path.join(self.folder, f"..{self.number}")
        self.number += 1
        new = os.path.join(self.folder, f"..{self.number}")
        os.mkdir(new)
        with open(os.path.join(new, "podtap.yaml"), "w", encoding="utf-8") as file:
            file.write(text)
        os.symlink(os.path.basename(new), os.path.join(self.folder, "..data_tmp"))
        os.rename(os.path.join(self.folder, "..data_tmp"), os.path.join(self.folder, "..data"))
        shutil.rmtree(old, ignore_errors=True)


def reloads(admin, result):
    labels = ("podtap_config_reloads_total", (("result", result),))
    return parse_metrics(admin.get("/metrics").text)[labels]


class Asking:
    """Numbered requests, one after the other on one connection, until it is left."""

    def __init__(self, pod):
        self.count = 0
        self.ending = False
        self.client = Client(pod.connect(PORT))
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.ending:
            self.client.ask("GET", f"/n?i={self.count}&token=secret-{self.count}")
            self.count += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending = True
        self.thread.join()
        self.client.close()


@case
def a_new_rule_holds_under_traffic_and_loses_nothing():
    for kind in (File, ConfigMap):
        with Pod() as pod:
            servers.nginx(pod)
            file = kind(pod.volume, "redact_query: [other]\n")
            flag, admin = answers_at(pod)
            tap = pod.sidecar(flag, f"--config_file={file.path}")
            worker = tap.worker_pid()
            with Asking(pod) as asking:
                wait_for(lambda: asking.count > 100, "traffic")
                file.write("redact_query:\n- token\n")
                wait_for(lambda: reloads(admin, "ok") == 1, "the new file is read", 5)
                seen = asking.count
                wait_for(lambda: asking.count > seen + 200, "more traffic")
                equal(admin.get("/config").json()["redact_query"], ["token"], "/config")
            equal(tap.worker_pid(), worker, "the same worker")
            events = tap.final_events()
            urls = [event["http"]["url"] for event in events]
            equal([int(url.split("i=")[1].split("&")[0]) for url in urls], list(range(asking.count)), "each once, in order")
            masked = ["secret" not in url for url in urls]
            equal(masked, sorted(masked), "from one exchange on, for good")
            check(not masked[0] and masked[-1], "before and after")
            equal([event for event in events if event.get("podtap", {}).get("tags")], [], "no exchange is incomplete")
            contains(tap.log(), "the configuration file was read again", "the log")


@case
def a_bad_new_file_keeps_the_old_settings_and_is_counted():
    with Pod() as pod:
        servers.nginx(pod)
        file = ConfigMap(pod.volume, "redact_query: token\nsample_rate: 1\n")
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag, f"--config_file={file.path}")

        def ask(number):
            with Client(pod.connect(PORT)) as client:
                client.ask("GET", f"/?n={number}&token=secret")
            equal(tap.wait_events(number)[-1]["http"]["url"], f"/?n={number}&token=***", "the url")

        ask(1)
        file.write("redact_query: []\n\nsample_rate: often\nmodee: off\n")
        wait_for(lambda: reloads(admin, "failed") == 1, "the bad file is counted", 5)
        contains(tap.log(), f"{file.path}:3: sample_rate is not valid; use a number", "the log")
        contains(tap.log(), f"{file.path}:4: modee is not known; was mode meant?", "the log")
        ask(2)
        os.remove(os.path.join(file.folder, "..data"))
        wait_for(lambda: reloads(admin, "failed") == 2, "a file that is gone is counted", 5)
        contains(tap.log(), f"cannot read {file.path}", "the log")
        ask(3)
        file.write("sink: file:/nonexistent/folder/x\n")
        wait_for(lambda: reloads(admin, "failed") == 3, "a sink that cannot be opened is counted", 5)
        ask(4)
        file.write("sample_rate: 0\n")
        wait_for(lambda: reloads(admin, "ok") == 1, "a good file is taken over", 5)
        with Client(pod.connect(PORT)) as client:
            client.ask("GET", "/left-out")
        wait_for(lambda: admin.counter('podtap_events_skipped_total{reason="sample_rate"}') == 1, "it is left out")
        equal(reloads(admin, "failed"), 3, "failures")
        equal(len(tap.final_events()), 4, "events")


@case
def sinks_change_with_another_worker_and_the_connection_goes_on():
    with Pod() as pod:
        servers.nginx(pod)
        other = os.path.join(pod.volume, "other")
        file = File(pod.volume, "mode: ingress\n")
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag, f"--config_file={file.path}")
        before = tap.worker_pid()
        with Asking(pod) as asking:
            wait_for(lambda: asking.count > 100, "traffic")
            file.write(f"sink: ['stdout', 'file:{other}?format=eve']\nring_bytes: 524288\n")
            wait_for(lambda: tap.worker_pid() not in (before, None) and os.path.exists(other) and os.path.getsize(other) > 0,
                     "another worker writes to both", 10)
        equal(reloads(admin, "ok"), 1, "reloads")
        equal(admin.stats()["worker_restarts"], 0, "no worker ended by itself")
        contains(tap.log(), "a new ring_bytes holds from the next start on", "the log")
        events = tap.final_events()
        numbers = [int(event["http"]["url"].split("i=")[1].split("&")[0]) for event in events if "url" in event["http"]]
        equal(len(set(numbers)), len(numbers), "none twice")
        missing = asking.count - len(numbers)
        check(missing <= 1, f"{missing} of {asking.count} are missing: at most the one that both workers saw a part of")
        runs = {event["flow_id"] for event in events}
        check(len(runs) == 2, f"the connection has an id in each worker: {runs}")


@case
def the_mode_of_the_file_is_followed_below_the_annotation():
    with Pod() as pod:
        servers.nginx(pod)
        annotation = os.path.join(pod.volume, "mode")
        file = File(pod.volume, "mode: egress\n")
        flag, admin = answers_at(pod)
        pod.sidecar(flag, f"--config_file={file.path}", f"--annotation_file={annotation}")
        equal(admin.get("/mode").text, "egress\n", "the file's mode")
        file.write("mode: all\n")
        wait_for(lambda: admin.get("/mode").text == "all\n", "the new file's mode", 5)
        with open(annotation, "w", encoding="utf-8") as out:
            out.write("off")
        wait_for(lambda: admin.get("/mode").text == "off\n", "the annotation's mode", 5)
        file.write("mode: ingress\n")
        wait_for(lambda: reloads(admin, "ok") == 2, "the file is read", 5)
        equal(admin.get("/mode").text, "off\n", "the annotation counts for more")
        os.remove(annotation)
        wait_for(lambda: admin.get("/mode").text == "ingress\n", "without it, the file's", 5)


@case
def each_mistake_is_a_line_at_start_and_with_keep_running_it_is_waited_for():
    with Pod() as pod:
        servers.nginx(pod)
        file = File(pod.volume, "log_level: debug\nsink: ftp:/x\nredact: [a]\n")
        tap = pod.sidecar(f"--config_file={file.path}", wait=False)
        equal(tap.process.wait(timeout=10), 2, "exit status")
        lines = [line for line in tap.log().splitlines() if file.path in line]
        equal(len(lines), 2, f"lines of {tap.log()}")
        contains(lines[0], f'podtap-sidecar: {file.path}:2: sink "ftp:/x"', "the first line")
        contains(lines[1], f"{file.path}:3: redact is not known", "the second line")

        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag, "--keep_running", f"--config_file={file.path}", wait=False)
        wait_for(lambda: os.path.exists(admin.path), "the socket")
        health = admin.get("/healthz").json()
        equal(health["capture"], "configuration", "/healthz")
        contains(admin.ask("GET", "/readyz").text, f"{file.path}:2", "/readyz")
        file.write("log_level: debug\n")
        wait_for(lambda: "Added pod to maps." in tap.log(), "it captures once the file is mended", 10)
        wait_for(tap.worker_pid, "the worker")
        with Client(pod.connect(PORT)) as client:
            client.ask("GET", "/mended")
        equal(tap.wait_events(1)[0]["http"]["url"], "/mended", "url")
        equal(tap.stop(), 0, "exit status")

        # A ConfigMap that is mounted later, and is empty.
        os.remove(file.path)
        flag, admin = answers_at(pod, "later.sock")
        tap = pod.sidecar(flag, "--keep_running", f"--config_file={file.path}", wait=False)
        wait_for(lambda: os.path.exists(admin.path), "the socket")
        contains(admin.ask("GET", "/readyz").text, f"cannot read {file.path}", "/readyz")
        file.write("")
        tap.wait_attached()
        equal(tap.stop(), 0, "exit status")


@case
def the_command_line_counts_for_more_and_check_config_shows_the_sum():
    with Pod() as pod:
        file = File(pod.volume, "mode: egress\nmax-body-bytes: 7\nredact_json_fields: [a, b]\n")
        command = [pods.program("podtap-sidecar"), f"--config_file={file.path}", "--mode=all", "--check_config"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for part in ('"mode":"all"', '"max_body_bytes":7', '"redact_json_fields":["a","b"]'):
            contains(shown, part, "--check_config")
        for path, what in (("/nonexistent", "No such file"), ("/dev/zero", "no regular file")):
            seen = subprocess.run([command[0], f"--config_file={path}", "--check_config"], capture_output=True, text=True,
                                  check=False)
            equal(len(seen.stderr.splitlines()), 1, f"lines of {seen.stderr}")
            check(seen.returncode in (1, 2), f"exit status {seen.returncode}")
            contains(seen.stderr, what, "the complaint")


@case
def in_the_image_a_file_gives_no_more_than_flags_and_shows_nothing_to_a_second_instance():
    if pods.IN_POD_BIN is None:
        raise Skip("needs a build with -DPODTAP_IN_POD=ON; name it with --in-pod-build")
    with Pod() as pod:
        servers.nginx(pod)
        program = os.path.join(pod.folder, "podtap-sidecar")
        shutil.copy(os.path.join(pods.IN_POD_BIN, "podtap-sidecar"), program)
        environment = {"POD_UID": pod.uid}
        for text in (f"sink: file:{pod.volume}/out\n", "cgroup: /x\n", f"pod_uid: {pod.uid}\n"):
            file = File(pod.volume, text)
            tap = pod.sidecar(f"--config_file={file.path}", binary=program, environment=environment, wait=False)
            equal(tap.process.wait(timeout=10), 2, f"exit status with {text!r}")
            contains(tap.log(), f"{file.path}:1: ", "the complaint")
        file = File(pod.volume, "log_level: info\n")
        flag, admin = answers_at(pod)
        tap = pod.sidecar(flag, f"--config_file={file.path}", binary=program, environment=environment)
        secret = File(pod.folder, "top-secret\n")
        seen = subprocess.run([program, f"--config_file={secret.path}"], capture_output=True, text=True, env=environment,
                              check=False)
        equal(seen.returncode, 2, "a second instance's exit status")
        check("top-secret" not in seen.stderr + seen.stdout and secret.path not in seen.stderr, "it tells nothing of the file")
        file.write(f"sink: file:{pod.volume}/out\n")
        wait_for(lambda: reloads(admin, "failed") == 1, "a file sink is refused later, too", 5)
        check(not os.path.exists(f"{pod.volume}/out"), "no file was made")
        equal(tap.stop(), 0, "exit status")
