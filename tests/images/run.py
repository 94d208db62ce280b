#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds both images for real and runs what is in them: the sidecar captures a real server from inside its container root, the
webhook answers a review. Needs root, buildah, debootstrap and a Debian mirror; skips, visibly, where one is missing.

    python3 tests/images/run.py [--build DIR] [unittest arguments]
"""

import argparse
import base64
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))

from support import machine, pod as pods, servers  # noqa: E402
from support.case import wait_for  # noqa: E402
from support.wire import Client  # noqa: E402

MEGABYTE = 1000 * 1000
MOST = {"sidecar": 30 * MEGABYTE, "webhook": 35 * MEGABYTE}
MOST_STORAGE = 12 * 10**9  # the build stages, as whole copies
# The inside of the sidecar's container, as a runtime makes it from the image and the patch. $1 the root, $2 the node's cgroup2.
SIDECAR = """
set -e
root=$1 node=$2
shift 2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/dev"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/urandom" c 1 9
mount --bind "$node" "$root/host/cgroup"
mount -o remount,bind,ro "$root/host/cgroup"
mount -t tmpfs tmpfs "$root/run/podtap"
mount -t tmpfs tmpfs "$root/etc/podtap"
mkdir "$root/etc/podtap/annotations"
: >"$root/etc/podtap/annotations/mode"
mount -o remount,bind,ro "$root"
PATH=/usr/bin
exec /usr/sbin/chroot "$root" "$@"
"""
WEBHOOK = """
set -e
root=$1 certificates=$2
shift 2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --bind "$certificates" "$root/etc/podtap"
mount -o remount,bind,ro "$root"
PATH=/usr/bin
exec /usr/sbin/chroot --userspec=65532:65532 "$root" "$@"
"""


class Storage:
    """A place of its own for images, removed at the end."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="podtap-images-", dir="/var/tmp")

    def buildah(self, *arguments):
        return subprocess.run(["buildah", "--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run", *arguments],
                              check=True, capture_output=True, text=True).stdout.strip()

    def probe(self):
        """Why this machine cannot keep and mount images, or None. Where overlay does not work, whole copies will do."""
        for driver in (None, "vfs"):
            if driver:
                shutil.rmtree(f"{self.folder}/root", ignore_errors=True)
                os.environ["STORAGE_DRIVER"] = driver
            try:
                container = self.buildah("from", "scratch")
                with open(os.path.join(self.buildah("mount", container), "file"), "w", encoding="utf-8") as file:
                    file.write("x")
                self.buildah("umount", container)
                self.buildah("rm", container)
                return None
            except (OSError, subprocess.CalledProcessError) as error:
                reason = str(getattr(error, "stderr", None) or error).strip()[-300:]
        return f"buildah does not work here: {reason}"

    def build(self, *options):
        """The exit status of scripts/images."""
        return subprocess.run([os.path.join(ROOT, "scripts/images"), "--debootstrap", "--storage", self.folder, *options],
                              stdout=self.log(), stderr=subprocess.STDOUT, check=False).returncode

    def log(self):
        return open(f"{self.folder}/log", "ab")  # pylint: disable=consider-using-with

    def tail(self):
        with open(f"{self.folder}/log", encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-40:])

    def describe(self, image):
        return json.loads(self.buildah("inspect", "--type", "image", image))["OCIv1"]

    def unpack(self, image, folder):
        """The image's files, in a folder of their own."""
        container = self.buildah("from", "--pull-never", image)
        subprocess.run(["cp", "-a", self.buildah("mount", container) + "/.", folder], check=True)
        self.buildah("umount", container)
        self.buildah("rm", container)

    def remove(self):
        try:
            self.buildah("rm", "--all")
            self.buildah("rmi", "--all", "--force")
        except subprocess.CalledProcessError:
            pass
        for point in reversed([point for kind in ("overlay", "tmpfs", "ext4") for point in machine.mounts(kind)]):
            if point.startswith(self.folder + "/"):
                subprocess.run(["umount", "-l", point], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def lacking():
    """Why images cannot be built here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    for tool in ("buildah", "debootstrap"):
        if shutil.which(tool) is None and not os.path.exists(f"/usr/sbin/{tool}"):
            return f"needs {tool}; scripts/setup installs it"
    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"needs namespaces: {done.stderr.strip()}"
    free = shutil.disk_usage("/var/tmp").free
    return None if free > MOST_STORAGE else f"needs {MOST_STORAGE // 10**9} GB in /var/tmp; {free // 10**9} GB are free"


class Images(unittest.TestCase):
    storage = None

    @classmethod
    def setUpClass(cls):
        reason = lacking()
        if reason:
            raise unittest.SkipTest(reason)
        cls.storage = Storage()
        cls.addClassCleanup(cls.storage.remove)
        reason = cls.storage.probe()
        if reason:
            raise unittest.SkipTest(reason)
        cls.revision = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
        start = time.monotonic()
        status = cls.storage.build("--tag", "first")
        if status == 75:
            raise unittest.SkipTest("no Debian mirror: " + cls.storage.tail()[-300:])
        if status != 0:
            raise AssertionError(f"scripts/images ended with {status}:\n{cls.storage.tail()}")
        print(f"images built in {time.monotonic() - start:.0f} s", flush=True)
        cls.roots = {}
        for name in MOST:
            cls.roots[name] = os.path.join(cls.storage.folder, name)
            os.mkdir(cls.roots[name])
            cls.storage.unpack(f"localhost/podtap-{name}:first", cls.roots[name])

    def files(self, name):
        root = self.roots[name]
        return {os.path.relpath(os.path.join(folder, file), root): os.lstat(os.path.join(folder, file))
                for folder, _, files in os.walk(root) for file in files}

    def test_small(self):
        for name, most in MOST.items():
            size = sum(status.st_size for status in self.files(name).values())
            print(f"podtap-{name}: {size / MEGABYTE:.1f} MB unpacked", flush=True)
            self.assertLessEqual(size, most)
            self.assertEqual(len(self.storage.describe(f"localhost/podtap-{name}:first")["rootfs"]["diff_ids"]), 1, "layers")

    def test_nothing_but_the_program_and_what_it_needs(self):
        for name in MOST:
            files = self.files(name)
            programs = [path for path, status in files.items() if path.startswith("usr/bin/") or
                        status.st_mode & 0o111 and ".so" not in path]
            self.assertEqual(programs, [f"usr/bin/podtap-{name}"])
            for path in files:
                self.assertRegex(path, r"^(usr/bin/podtap-\w+|(usr/)?lib(64)?/.*\.so[.\d]*|etc/(passwd|group|nsswitch\.conf)|"
                                 r"etc/ssl/certs/ca-certificates\.crt|usr/share/(doc/[^/]+/copyright|common-licenses/[^/]+))$")
            self.assertIn("etc/ssl/certs/ca-certificates.crt", files)
            for package in ("podtap", "libc6", "libssl3", "libstdc++6", "ca-certificates"):
                self.assertIn(f"usr/share/doc/{package}/copyright", files)
            self.assertEqual([path for path, status in files.items() if status.st_mode & 0o6022], [], "set-uid or writable by others")

    def test_labels_and_user(self):
        for name in MOST:
            described = self.storage.describe(f"localhost/podtap-{name}:first")
            labels = described["config"]["Labels"]
            self.assertRegex(labels["org.opencontainers.image.version"], r"^\d+\.\d+\.\d+$")
            self.assertTrue(labels["org.opencontainers.image.revision"].startswith(self.revision or "unknown"))
            self.assertEqual(described["config"]["User"], {"sidecar": "0:0", "webhook": "65532:65532"}[name])
            self.assertEqual(described["config"]["Entrypoint"], [f"/usr/bin/podtap-{name}"])

    def test_the_same_input_makes_the_same_layers(self):
        self.assertEqual(self.storage.build("--tag", "second", "--again", "--only", "sidecar"), 0, self.storage.tail())
        first, second = (self.storage.describe(f"localhost/podtap-sidecar:{tag}") for tag in ("first", "second"))
        self.assertEqual(first["rootfs"]["diff_ids"], second["rootfs"]["diff_ids"])

    def test_the_sidecar_captures_from_inside_its_container(self):
        reason = machine.missing()
        if reason:
            self.skipTest(reason)
        manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "cart", "annotations": {"mirror.traceable.ai/enabled": "true"}},
                    "spec": {"containers": [{"name": "app", "image": "nginx"}]}}
        done = subprocess.run([pods.program("podtap"), "inject", "-f", "-", "--sidecar_image=x"], input=json.dumps(manifest),
                              capture_output=True, text=True, check=True)
        container = json.loads(done.stdout)["spec"]["initContainers"][0]
        with pods.Pod() as pod:
            servers.nginx(pod)
            out, err = os.path.join(pod.folder, "out"), os.path.join(pod.folder, "err")
            with open(out, "wb") as out_file, open(err, "wb") as err_file:
                process = pod.start(
                    [machine.tool("unshare"), "--pid", "--fork", "--kill-child", "--mount", "--cgroup", "--ipc", "--uts",
                     "--propagation", "private", "--", "sh", "-c", SIDECAR, "container", self.roots["sidecar"], pod.node,
                     *container["command"], *container["args"]],
                    where="sidecar", stdout=out_file, stderr=err_file,
                    env={"PATH": os.environ["PATH"], "POD_UID": pod.uid, "POD_NAME": "cart", "POD_NAMESPACE": "shop", "NODE_NAME": "n"})
            read = lambda path: open(path, encoding="utf-8", errors="replace").read()  # pylint: disable=consider-using-with
            wait_for(lambda: "Added pod to maps." in read(err) or process.poll() is not None, "it attaches", seconds=60)
            self.assertIsNone(process.poll(), read(err))
            with Client(pod.connect(servers.PORT)) as client:
                client.ask("GET", "/from-the-image?x=1")
            wait_for(lambda: read(out).endswith("\n"), "an exchange", seconds=60)
            event = json.loads(read(out).splitlines()[0])
            self.assertEqual((event["http"]["url"], event["http"]["http_method"]), ("/from-the-image?x=1", "GET"))
            self.assertTrue(event["podtap"]["complete"])

    def test_the_webhook_answers_a_review(self):
        folder = os.path.join(self.storage.folder, "certificates")
        os.mkdir(folder)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{folder}/tls.key", "-out",
                        f"{folder}/tls.crt"], check=True, capture_output=True)
        with open(f"{folder}/namespaces.json", "w", encoding="utf-8") as file:
            json.dump({"kind": "Namespace", "metadata": {"name": "shop", "labels": {"traceableai-mirror": "enabled"}}}, file)
        os.chmod(f"{folder}/tls.key", 0o644)
        os.chmod(self.storage.folder, 0o755)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        review = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {
            "uid": "u-1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE", "namespace": "shop",
            "object": {"metadata": {"name": "cart"}, "spec": {"containers": [{"name": "app", "image": "nginx"}]}}}}
        with open(f"{folder}.log", "w+", encoding="utf-8") as log, subprocess.Popen(
                ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--ipc", "--uts", "--propagation", "private", "--", "sh", "-c",
                 WEBHOOK, "container", self.roots["webhook"], folder, "podtap-webhook", f"--listen_address=127.0.0.1:{port}",
                 "--admin_address=", "--tls_cert_file=/etc/podtap/tls.crt", "--tls_key_file=/etc/podtap/tls.key",
                 "--namespaces_file=/etc/podtap/namespaces.json", "--sidecar_image=podtap-sidecar:1"], stderr=log) as process:
            try:
                answer = wait_for(lambda: self.ask(port, folder, review, process), "an answer", seconds=60)
            finally:
                process.kill()
                log.seek(0)
                print(log.read()[-1500:])
        response = answer["response"]
        self.assertEqual((response["uid"], response["allowed"]), ("u-1", True))
        patch = json.loads(base64.b64decode(response["patch"]))
        self.assertIn("podtap-sidecar:1", json.dumps(patch))

    def ask(self, port, folder, review, process):
        self.assertIsNone(process.poll(), "the webhook ended")
        context = ssl.create_default_context(cafile=f"{folder}/tls.crt")
        context.check_hostname = False
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
        try:
            connection.request("POST", "/mutate", json.dumps(review), {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read())
        except OSError:
            return None
        finally:
            connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    options, rest = parser.parse_known_args()
    pods.set_build(options.build)
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
