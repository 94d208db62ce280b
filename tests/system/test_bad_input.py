# SPDX-License-Identifier: Apache-2.0
"""What is wrong is said in one clear line that says what to do: exit status 2 for what was typed, 1 for the machine."""

import os
import re
import socket
import subprocess
import sys

from support import machine
from support.case import case, case_for, check, contains, equal, wait_for
from support.pod import Pod, program

USAGE, ENVIRONMENT = 2, 1


def run(*flags, environment=None, prefix=(), **options):
    values = {"PATH": os.environ["PATH"], **(environment or {})}
    return subprocess.run([*prefix, program("podtap-sidecar"), *flags], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=30, check=False, env=values, **options)


def check_line(result, status, *parts):
    """One line on standard error (after the log of the start, if it came that far), and nothing on standard output."""
    text = result.stderr.decode()
    equal(result.returncode, status, f"exit status ({text.strip()!r})")
    equal(result.stdout, b"", "standard output")
    lines = [line for line in text.splitlines() if not re.match(r"[IW]\d{8} ", line)]
    equal(len(lines), 1, f"lines of complaint in {text!r}")
    check(lines[0].startswith("podtap-sidecar: "), lines[0])
    check(not re.search(r"\*\*\*|Check failed|@ +0x|terminate called|what\(\)", text), f"a stack trace: {text}")
    for part in parts:
        contains(lines[0], part, "message")


@case
def no_target_at_all():
    check_line(run(), USAGE, "--pod_uid", "--cgroup")


@case_for("mode", "format", "sink", "log_level")
def an_unknown_value(flag):
    names = {"mode": ("ingress", "egress", "all", "off"), "format": ("text", "eve", "eve-strict"),
             "sink": ("stdout", "file:", "unix:", "unix-dgram:"), "log_level": ("error", "warning", "info", "debug")}[flag]
    check_line(run(f"--{flag}=bogus", "--cgroup=/x"), USAGE, flag, "bogus", *names)


@case
def an_unknown_flag():
    check_line(run("--no_such_flag=1"), USAGE, "no_such_flag", "--help")


@case_for("--flagfile=/etc/passwd", "--logmailer=/bin/true", "--log_dir=/tmp", "--fromenv=x", "--undefok=y")
def a_flag_of_a_library_is_none_of_ours(flag):
    check_line(run(flag, "--cgroup=/x"), USAGE, flag[2:].split("=")[0])


@case_for("--max_body_bytes=-1", "--max_body_bytes=x", "--idle_timeout_ms=0", "--ring_bytes=1000000", "--ring_bytes=1")
def a_number_out_of_range(flag):
    check_line(run(flag, "--cgroup=/x"), USAGE, flag.split("=")[0])


@case
def a_word_that_is_no_flag():
    check_line(run("--cgroup=/x", "ingress"), USAGE, "ingress")


@case
def a_missing_cgroup():
    path = f"{machine.cgroup2_mount()}/podtap-test-there-is-no-such-cgroup"
    check_line(run(f"--cgroup={path}"), ENVIRONMENT, path, "does not exist")


@case
def a_missing_pod():
    uid = "00000000-0000-4000-8000-000000000000"
    check_line(run(f"--pod_uid={uid}"), ENVIRONMENT, uid, "--cgroup_root")


@case
def the_root_cgroup_by_every_name():
    mount = machine.cgroup2_mount()
    with Pod() as pod:
        link = os.path.join(pod.folder, "link")
        os.symlink(mount, link)
        for path in (mount, mount + "/", mount + "//.", f"{pod.cgroup}/../../../..", link, f"{link}/.",
                     f"{pod.folder}/link/../{os.path.basename(mount)}"):
            check_line(run(f"--cgroup={path}"), USAGE, "root cgroup", "one pod")
        # A bind mount has another path, but is the same cgroup.
        bound = os.path.join(pod.folder, "node-cgroup")
        script = f'mount --bind "{mount}" "{bound}" && exec "$@"'
        result = run(f"--cgroup={bound}", prefix=(machine.tool("unshare"), "--mount", "sh", "-c", script, "sh"))
        check_line(result, USAGE, "root cgroup")


@case
def a_directory_that_is_no_cgroup():
    check_line(run("--cgroup=/tmp"), USAGE, "/tmp", "cgroup2")


@case
def a_cgroup_root_without_cgroups():
    check_line(run("--pod_uid=00000000-0000-4000-8000-000000000000", "--cgroup_root=/tmp"), USAGE, "--cgroup_root=/tmp")


@case
def two_cgroups_of_one_uid():
    with Pod() as pod:
        uid = pod.uid
        other = os.path.join(pod.top, f"kubepods.slice/kubepods-pod{uid.replace('-', '_')}.slice")
        os.makedirs(other)
        check_line(run(f"--pod_uid={uid}", f"--cgroup_root={pod.node}"), ENVIRONMENT, pod.cgroup, other, "--cgroup")
        # Whoever lives in one of them means that one.
        tap = pod.sidecar()
        contains(tap.log(), f"attached to {pod.folder}/node-cgroup", "log")
        check(other not in tap.log(), "attached to the other")


@case
def no_privilege_names_the_capabilities():
    with Pod() as pod:
        result = run(f"--cgroup={pod.cgroup}",
                     prefix=(machine.tool("setpriv"), "--reuid=65534", "--clear-groups", "--bounding-set=-all",
                             "--inh-caps=-all"))
        check_line(result, ENVIRONMENT, "CAP_BPF", "CAP_NET_ADMIN")


@case
def a_worker_that_cannot_give_up_root():
    # It would look attached, and never tell an exchange.
    with Pod() as pod:
        result = run(f"--cgroup={pod.cgroup}",
                     prefix=(machine.tool("setpriv"), "--bounding-set=-setuid,-setgid", "--inh-caps=-setuid,-setgid"))
        text = result.stderr.decode()
        equal((result.returncode, result.stdout), (ENVIRONMENT, b""), f"exit status and standard output ({text})")
        contains(text, "SETUID and SETGID", "log")
        contains(text.splitlines()[-1], "podtap-sidecar: the worker cannot run here", "last line")
        check("Added pod to maps." not in text, f"said to be attached: {text}")


@case
def no_cgroup2_on_the_machine():
    # A mount namespace in which every cgroup2 file system is gone.
    points = " ".join(f"'{point}'" for point in reversed(machine.mounts("cgroup2")))
    result = run("--pod_uid=00000000-0000-4000-8000-000000000000",
                 prefix=(machine.tool("unshare"), "--mount", "sh", "-c", f'umount -l {points} && exec "$@"', "sh"))
    check_line(result, ENVIRONMENT, "cgroup v2")


@case
def a_sink_that_cannot_be_written():
    with Pod() as pod:
        folder = pod.folder
        check_line(run(f"--cgroup={pod.cgroup}", f"--sink=file:{folder}/no/such/folder"), ENVIRONMENT,
                   f"{folder}/no/such/folder")
        check_line(run(f"--cgroup={pod.cgroup}", f"--sink=file:{folder}"), ENVIRONMENT, folder)
        check_line(run(f"--cgroup={pod.cgroup}", "--sink=file:/proc/version"), ENVIRONMENT, "/proc/version")


@case_for("stdout:", "file:", "unix:", "unix-dgram:", "tcp:1.2.3.4:5", "file")
def a_sink_without_a_place(sink):
    check_line(run(f"--sink={sink}", "--cgroup=/x"), USAGE, f'sink "{sink}"', "stdout", "file:PATH", "unix:PATH")


@case
def an_exclusive_program_of_somebody_else_is_named():
    with Pod() as pod:
        # A program attached above without BPF_F_ALLOW_OVERRIDE or _MULTI forbids any below it.
        attach = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def bpf(command, data):
    buffer = ctypes.create_string_buffer(data, 128)
    fd = libc.syscall(int(sys.argv[2]), command, buffer, 128)
    if fd < 0: sys.exit("bpf: " + os.strerror(ctypes.get_errno()))
    return fd
code = ctypes.create_string_buffer(bytes.fromhex("b700000001000000" "9500000000000000"))
licence = ctypes.create_string_buffer(b"GPL")
import struct
load = struct.pack("IIQQIIQII", 8, 2, ctypes.addressof(code), ctypes.addressof(licence), 0, 0, 0, 0, 0)
load += bytes(16) + struct.pack("II", 0, 0)  # name, ifindex, expected_attach_type BPF_CGROUP_INET_INGRESS
program = bpf(5, load)
cgroup = os.open(sys.argv[1], os.O_RDONLY)
bpf(8, struct.pack("IIII", cgroup, program, 0, 0))
print("attached", flush=True)
sys.stdin.read()
"""
        number = {"x86_64": "321", "aarch64": "280"}[os.uname().machine]
        other = pod.start([sys.executable, "-c", attach, os.path.dirname(pod.cgroup), number], "outside",
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_for(lambda: other.stdout.readline() == b"attached\n", "the other program attaches")
        check_line(run(f"--cgroup={pod.cgroup}"), ENVIRONMENT, "exclusive")


@case
def standard_output_that_is_closed_is_an_unwritable_sink():
    with Pod() as pod:
        result = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", program("podtap-sidecar"), f"--cgroup={pod.cgroup}"],
                                stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
        check_line(result, ENVIRONMENT, "standard output is closed")


@case
def an_address_that_is_taken_does_not_keep_capture_from_starting():
    with Pod() as pod:
        with pod.network():
            taken = socket.create_server(("127.0.0.1", 9096))
        with taken:
            tap = pod.sidecar("--admin_address=127.0.0.1:9096")
            contains(tap.log(), "9096", "a warning")
            equal(tap.stop(), 0, "exit status")
