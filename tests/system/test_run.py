# SPDX-License-Identifier: Apache-2.0
"""podtap run: like strace for HTTP."""

import glob
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time

from support import events, machine, servers
from support.case import case, case_for, check, contains, equal, wait_for
from support.pod import Pod, program

PORT = servers.PORT

# A server and its client in one command.
BOTH = """
import http.client, http.server, threading
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = b"hello " + self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
connection = http.client.HTTPConnection(*server.server_address)
for i in range(20):
    connection.request("GET", f"/both?i={i}")
    connection.getresponse().read()
connection.close()
server.shutdown()
print("said by the command")
"""


def run(*arguments, **options):
    if "input" not in options:
        options["stdin"] = subprocess.DEVNULL
    return subprocess.run([program("podtap"), "run", *arguments], capture_output=True, timeout=60, check=False, **options)


def left_over():
    return glob.glob(os.path.join(machine.cgroup2_mount(), "**/podtap-run-*"), recursive=True)


@case
def a_command_is_captured_in_both_roles_and_its_output_goes_to_stderr():
    before = set(left_over())
    result = run("--format=eve", "--", sys.executable, "-c", BOTH)
    equal(result.returncode, 0, f"exit status ({result.stderr.decode()})")
    contains(result.stderr.decode(), "said by the command", "standard error")
    seen = [json.loads(line) for line in result.stdout.splitlines()]
    equal(len(seen), 40, "number of events")
    for role in ("ingress", "egress"):
        mine = [event for event in seen if event["podtap"]["role"] == role]
        equal([event["http"]["url"] for event in mine], [f"/both?i={i}" for i in range(20)], f"URLs as {role}")
        for i, event in enumerate(mine):
            equal(events.body(event, "response"), f"hello /both?i={i}".encode(), "body")
            equal((event["podtap"]["loopback"], event["podtap"]["complete"]), (True, True), "loopback and complete")
    equal(set(left_over()), before, "cgroups left over")


@case
def jq_reads_what_it_prints():
    with Pod() as pod:
        servers.nginx(pod, where="outside")
        line = (f"{program('podtap')} run --format=eve -- {machine.tool('curl')} -s http://127.0.0.1:{PORT}/jq | "
                f"{machine.tool('jq')} -r '.http.url + \" \" + .podtap.role'")
        process = pod.start(["sh", "-c", line], "outside", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = process.communicate(timeout=30)
        equal(out, b"/jq egress\n", "what jq printed")
        contains(err.decode(), "hello /jq", "what curl printed")


@case
def the_default_is_text_for_a_person():
    with Pod() as pod:
        servers.nginx(pod, where="outside")
        out = pod.run([program("podtap"), "run", "--", machine.tool("curl"), "-s", f"http://127.0.0.1:{PORT}/text"],
                      "outside").decode()
        check(re.fullmatch(f"\\S+ \u25b6 GET /text 200 \\S+ 0B/12B 127.0.0.1:{PORT}\n", out), out)


@case_for("0", "1", "42", "255")
def the_exit_status_is_the_commands(status):
    result = run("--", "sh", "-c", f"exit {status}")
    equal((result.returncode, result.stdout), (int(status), b""), "exit status and standard output")


@case_for("TERM", "KILL", "INT", "SEGV")
def death_by_a_signal_is_128_plus_its_number(name):
    result = run("--", "sh", "-c", f"ulimit -c 0; kill -{name} $$")
    equal(result.returncode, 128 + getattr(signal, f"SIG{name}"), "exit status")


@case
def a_command_that_is_not_there_is_127():
    before = set(left_over())
    result = run("--", "podtap-test-no-such-command")
    equal((result.returncode, result.stdout), (127, b""), "exit status")
    equal(result.stderr.decode(), "podtap run: podtap-test-no-such-command: command not found\n", "message")
    equal(set(left_over()), before, "cgroups left over")


@case
def a_file_that_cannot_be_executed_is_126():
    result = run("--", "/etc/passwd")
    equal(result.returncode, 126, "exit status")
    equal(len(result.stderr.splitlines()), 1, "lines")


@case
def no_command_is_a_usage_error():
    for arguments in ((), ("--",), ("--format=eve",)):
        result = run(*arguments)
        equal((result.returncode, len(result.stderr.splitlines())), (2, 1), f"{arguments}: {result.stderr.decode()}")
        contains(result.stderr.decode(), "podtap run", "message")
    equal(run("--mode=sideways", "--", "true").returncode, 2, "exit status for an unknown mode")


@case
def arguments_and_standard_input_reach_the_command():
    result = run("--", "sh", "-c", 'printf "%s|" "$@"; cat', "sh", "--mode=off", "a b", "", "--", input=b"from stdin")
    equal(result.stderr.decode(), "--mode=off|a b||--|from stdin", "what the command saw")
    equal(result.stdout, b"", "standard output")


@case
def the_command_begins_only_when_capture_runs():
    # The very first thing that the command does is a request.
    with Pod() as pod:
        servers.nginx(pod, where="outside")
        for i in range(5):
            out = pod.run([program("podtap"), "run", "--format=eve", "--", machine.tool("curl"), "-s",
                           f"http://127.0.0.1:{PORT}/first?i={i}"], "outside")
            event, = [json.loads(line) for line in out.splitlines()]
            equal((event["http"]["url"], event["podtap"]["complete"]), (f"/first?i={i}", True), "event")
            equal(event["podtap"]["comm"], "curl", "comm")


@case
def neighbours_are_not_seen():
    with Pod() as pod:
        servers.nginx(pod, where="outside")
        stranger = servers.LineClient(pod, where="outside")
        process = pod.start([program("podtap"), "run", "--format=eve", "--", "sh", "-c",
                             f"{machine.tool('curl')} -s http://127.0.0.1:{PORT}/mine; sleep 0.5"], "outside",
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for i in range(100):
            stranger.get(f"/stranger?i={i}")
            time.sleep(0.005)
        out, _ = process.communicate(timeout=30)
        equal([json.loads(line)["http"]["url"] for line in out.splitlines()], ["/mine"], "events")


@case
def signals_are_passed_on_to_the_command():
    marker = f"30.{os.getpid()}"
    script = f"trap 'echo got; exit 7' TERM; echo up; sleep {marker} 2>/dev/null & wait"
    process = subprocess.Popen([program("podtap"), "run", "--", "sh", "-c", script], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    try:
        equal(process.stderr.readline(), b"up\n", "the command runs")
        process.terminate()
        equal(process.wait(timeout=10), 7, "exit status")
        contains(process.stderr.read().decode(), "got", "what the command said")
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    # `sleep` outlives the command; it was moved out and is ended here.
    for pid in _processes_named("sleep", marker):
        os.kill(pid, signal.SIGKILL)


def _processes_named(*arguments):
    wanted = "\0".join(arguments).encode() + b"\0"
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                if file.read() == wanted:
                    found.append(int(path.split("/")[2]))
        except OSError:
            pass
    return found


@case
def what_outlives_the_command_goes_on_and_the_cgroup_is_removed():
    before = set(left_over())
    marker = f"3600.{os.getpid()}"
    result = run("--", "sh", "-c", f"sleep {marker} >/dev/null 2>&1 & mkdir $(cat /proc/self/cgroup | "
                 f"sed -n 's/^0:://p' | sed 's|^|{machine.cgroup2_mount()}|')/inner; exit 3")
    pids = _processes_named("sleep", marker)
    try:
        equal(result.returncode, 3, f"exit status ({result.stderr.decode()})")
        equal(len(pids), 1, "the background process lives")
        equal(set(left_over()), before, "cgroups left over")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)


@case
def the_cgroup_of_a_killed_run_is_removed_by_the_next():
    process = subprocess.Popen([program("podtap"), "run", "--", "sh", "-c", "echo $$; sleep 30"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    command = int(process.stderr.readline())
    mine = [path for path in left_over() if f"podtap-run-{process.pid}-" in path]
    equal(len(mine), 1, "cgroups of the run")
    process.kill()
    process.wait()
    process.stderr.close()
    try:
        wait_for(lambda: machine.is_running(command), "the command lives on")
        run("--", "true")
        check(os.path.isdir(mine[0]), "a cgroup with a process in it stays")
    finally:
        for pid in (*machine.children_of(command), command):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not machine.is_running(command), "the command ends")
    wait_for(lambda: not open_and_read(f"{mine[0]}/cgroup.procs"), "the cgroup is empty")
    run("--", "true")
    check(not os.path.exists(mine[0]), "the cgroup of the dead run is gone")


def open_and_read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


@case
def two_runs_at_once_do_not_disturb_each_other():
    with Pod() as pod:
        servers.nginx(pod, where="outside")
        processes = [pod.start([program("podtap"), "run", "--format=eve", "--", "sh", "-c",
                                f"for i in 1 2 3 4 5; do {machine.tool('curl')} -s 'http://127.0.0.1:{PORT}/{name}?'$i; done"],
                               "outside", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for name in ("one", "two")]
        for name, process in zip(("one", "two"), processes):
            out, _ = process.communicate(timeout=30)
            equal([json.loads(line)["http"]["url"] for line in out.splitlines()], [f"/{name}?{i}" for i in range(1, 6)], name)


@case
def without_privilege_one_line_says_so():
    result = subprocess.run([machine.tool("setpriv"), "--reuid=65534", "--clear-groups", "--bounding-set=-all",
                             "--inh-caps=-all", program("podtap"), "run", "--", "true"], capture_output=True, timeout=30,
                            check=False)
    equal((result.returncode, result.stdout), (1, b""), "exit status")
    equal(len(result.stderr.splitlines()), 1, f"lines: {result.stderr.decode()}")
    contains(result.stderr.decode(), "root", "message")


def on_a_terminal(arguments, during=lambda terminal: None):
    """Runs podtap with a terminal as its controlling one. Returns its exit status and everything it wrote there."""
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.execv(program("podtap"), ["podtap", "run", *arguments])
        finally:
            os._exit(120)
    try:
        during(terminal)
        output = b""
        try:
            while piece := os.read(terminal, 65536):
                output += piece
        except OSError:
            pass  # the other end is closed
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output
    finally:
        os.close(terminal)


@case
def a_terminal_gets_colours_and_nothing_else_does():
    with Pod() as pod:
        servers.nginx(pod, where="outside")
        arguments = ["--", machine.tool("curl"), "-s", "-o", "/dev/null", f"http://127.0.0.1:{PORT}/colour"]
        with pod.network():
            status, output = on_a_terminal(arguments)
        equal(status, 0, "exit status")
        contains(output.decode(), "\x1b[", "what the terminal got")
        contains(re.sub(r"\x1b\[[0-9;]*m", "", output.decode()), "GET /colour 200", "what the terminal got")
        out = pod.run([program("podtap"), "run", *arguments], "outside").decode()
        check("\x1b" not in out and "GET /colour 200" in out, out)


@case
def an_interrupt_at_the_terminal_reaches_the_command_once():
    script = """
import signal, sys, time
count = 0
def interrupted(*_):
    global count
    count += 1
signal.signal(signal.SIGINT, interrupted)
print("ready", flush=True)
deadline = time.monotonic() + 10
while not count and time.monotonic() < deadline:
    time.sleep(0.01)
time.sleep(0.3)
sys.exit(40 + count)
"""

    def interrupt(terminal):
        seen = b""
        while b"ready" not in seen:
            seen += os.read(terminal, 1024)
        os.write(terminal, b"\x03")

    status, output = on_a_terminal(["--", sys.executable, "-c", script], interrupt)
    equal(status, 41, f"exit status (40 and the number of interrupts; {output.decode()})")


@case
def a_reader_that_leaves_early_does_not_disturb_the_command():
    with Pod() as pod:
        servers.nginx(pod, where="outside")
        ask = f"{machine.tool('curl')} -s -o /dev/null http://127.0.0.1:{PORT}/"
        process = pod.start(["sh", "-c", f"{program('podtap')} run -- sh -c '{ask}one; sleep 0.4; {ask}two; exit 3'; echo $? >&2"],
                            "outside", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        contains(process.stdout.readline().decode(), "/one", "the first line")
        process.stdout.close()
        start = time.monotonic()
        process.wait(timeout=30)
        check(time.monotonic() - start < 3, "the end waits for a reader that is gone")
        contains(process.stderr.read().decode().splitlines()[-1], "3", "exit status")
