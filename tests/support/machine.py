# SPDX-License-Identifier: Apache-2.0
"""What the machine offers, and the few system calls that Python's own library lacks."""

import contextlib
import ctypes
import os
import platform
import shutil

from support.case import Skip

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def mounts(kind):
    """Mount points of file systems of one kind, in the order of /proc/self/mountinfo."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            left, _, right = line.partition(" - ")
            if right.split()[0] == kind:
                found.append(left.split()[4].replace("\\040", " "))
    return found


def cgroup2_mount():
    for point in mounts("cgroup2"):
        if os.path.exists(os.path.join(point, "cgroup.procs")):
            return point
    return None


def missing():
    """Why system tests cannot run here, or None."""
    if os.geteuid() != 0:
        return "needs root: cgroups, namespaces and BPF"
    mount = cgroup2_mount()
    if mount is None:
        return "needs a mounted cgroup2 file system"
    if not os.access(mount, os.W_OK):
        return f"needs to make cgroups in {mount}, which is not writable"
    number = {"x86_64": 321, "aarch64": 280}.get(platform.machine())
    if number is not None:
        # BPF_MAP_CREATE of a small array: type, key_size, value_size, max_entries.
        attributes = (ctypes.c_uint32 * 32)(2, 4, 8, 1)
        fd = _libc.syscall(number, 0, ctypes.byref(attributes), ctypes.sizeof(attributes))
        if fd < 0:
            return f"needs BPF: {os.strerror(ctypes.get_errno())}"
        os.close(fd)
    for tool in ("ip", "nsenter", "unshare", "mount", "nginx", "node", "curl"):
        if shutil.which(tool) is None and not os.path.exists(f"/usr/sbin/{tool}"):
            return f"needs the program {tool}; scripts/setup installs it"
    return None


def tool(name):
    """The path of a program, /usr/sbin included."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if path is None:
        raise Skip(f"the program {name} is not installed; scripts/setup installs it")
    return path


@contextlib.contextmanager
def network_of(pid):
    """This thread makes its sockets in the network namespace of process `pid`."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _enter(home)
    finally:
        os.close(home)


def _enter(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []
