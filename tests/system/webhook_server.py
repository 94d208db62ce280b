#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The real podtap-webhook with a self-made certificate: called with curl and with Python's own HTTP client, as an API server
would call it and as one never would. Needs no privilege.

    python3 tests/system/webhook_server.py --webhook build/bin/podtap-webhook [unittest arguments]
"""
import argparse
import base64
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import jsonpatch

WEBHOOK = ""
# How long a condition may take to come true: a sanitized build on a busy machine holds it too.
PATIENCE_S = 60
UID = "705ab4f5-6393-11e8-b7cc-42010a800002"


def review(pod=None, namespace="shop", uid=UID, operation="CREATE"):
    pod = pod or {"metadata": {"generateName": "cart-"}, "spec": {"containers": [{"name": "app", "image": "nginx"}]}}
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {
        "uid": uid, "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": namespace, "operation": operation, "object": pod}}


ASKING = {"metadata": {"name": "cart", "annotations": {"mirror.traceable.ai/enabled": "true"}},
          "spec": {"containers": [{"name": "app", "image": "nginx"}]}}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificate(folder, name, days=30):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", str(days), "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt"],
                   check=True, capture_output=True)


class Webhook:
    """One running podtap-webhook."""

    def __init__(self, folder, *flags, namespaces=None):
        self.port, self.admin_port = free_port(), free_port()
        self.folder = folder
        if not (folder / "first.crt").exists():
            make_certificate(folder, "first")
        shutil.copy(folder / "first.crt", folder / "tls.crt")
        shutil.copy(folder / "first.key", folder / "tls.key")
        self.namespaces = folder / "namespaces.yaml"
        self.namespaces.write_text(namespaces or "")
        self.log = open(folder / "log", "w+")
        self.process = subprocess.Popen(
            [WEBHOOK, f"--listen_address=127.0.0.1:{self.port}", f"--admin_address=127.0.0.1:{self.admin_port}",
             f"--tls_cert_file={folder}/tls.crt", f"--tls_key_file={folder}/tls.key",
             f"--namespaces_file={self.namespaces}", "--sidecar_image=podtap-sidecar:test", "--drain_s=1", *flags],
            stderr=self.log)
        self.wait_ready()

    def wait_ready(self):
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError("the webhook ended: " + self.read_log())
            try:
                if self.admin("/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError("the webhook is not ready: " + self.read_log())

    def read_log(self):
        return (self.folder / "log").read_text()

    def admin(self, path, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=PATIENCE_S)
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response.status, body

    def metric(self, name):
        for line in self.admin("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        raise AssertionError(f"no metric {name}")

    def tls(self, **options):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        for key, value in options.items():
            setattr(context, key, value)
        return context

    def connect(self, context=None):
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE_S, context=context or self.tls())

    def raw(self):
        return self.tls().wrap_socket(socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S))

    def call(self, body, path="/mutate?timeout=10s", connection=None):
        if isinstance(body, dict):
            body = json.dumps(body)
        own = connection is None
        connection = connection or self.connect()
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        if own:
            connection.close()
        return response.status, text

    def mutate(self, pod, **options):
        status, text = self.call(review(pod, **options))
        assert status == 200, text
        return json.loads(text)["response"]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.log.close()
        return code


def patched(pod, response):
    return jsonpatch.apply_patch(pod, json.loads(base64.b64decode(response["patch"])))


class WithWebhook(unittest.TestCase):
    flags = ()
    namespaces = "kind: Namespace\nmetadata: {name: shop, labels: {traceableai-mirror: enabled}}\n"

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="podtap-webhook-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.webhook = Webhook(self.folder, *self.flags, namespaces=self.namespaces)
        self.addCleanup(self.stop_and_look)

    def stop_and_look(self):
        code, log = self.webhook.stop(), self.webhook.read_log()
        if code != 0 or "Sanitizer" in log:
            raise AssertionError(f"the webhook ended with {code}: {log[-20000:]}")


class Reviews(WithWebhook):
    def test_curl_gets_the_patch(self):
        body = self.folder / "review.json"
        body.write_text(json.dumps(review(ASKING)))
        answer = subprocess.run(["curl", "-sS", "--cacert", self.folder / "tls.crt", "--data-binary", f"@{body}",
                                 f"https://localhost:{self.webhook.port}/mutate?timeout=10s"],
                                check=True, capture_output=True, text=True).stdout
        response = json.loads(answer)["response"]
        self.assertEqual((response["uid"], response["allowed"], response["patchType"]), (UID, True, "JSONPatch"))
        self.assertEqual(patched(ASKING, response)["spec"]["initContainers"][0]["name"], "podtap")

    def test_curl_that_waits_for_100_continue_is_answered_at_once(self):
        body = self.folder / "review.json"
        big = json.loads(json.dumps(ASKING))
        big["metadata"]["annotations"]["padding"] = "x" * (2 << 20)
        body.write_text(json.dumps(review(big)))
        # Left alone, curl would send the body after its own patience; the trace shows that it did not have to.
        trace = subprocess.run(["curl", "-sSv", "-k", "--http1.1", "--expect100-timeout", "30", "-H", "Expect: 100-continue",
                                "--data-binary", f"@{body}", f"https://localhost:{self.webhook.port}/mutate"],
                               check=True, capture_output=True, text=True).stderr
        self.assertIn("< HTTP/1.1 100 Continue", trace)
        self.assertIn("< HTTP/1.1 200 OK", trace)

    def test_one_connection_serves_many_reviews(self):
        connection = self.webhook.connect()
        for i in range(200):
            status, text = self.webhook.call(review(uid=f"u{i}"), connection=connection)
            self.assertEqual((status, json.loads(text)["response"]["uid"]), (200, f"u{i}"))
        self.assertEqual(self.webhook.metric("podtap_webhook_connections_total"), 1)

    def test_pipelined_and_chunked_requests_are_understood(self):
        body = json.dumps(review()).encode()
        head = f"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 7]), body[i:i + 7]) for i in range(0, len(body), 7))
        last = b"POST /mutate HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
        with self.webhook.raw() as stream:
            stream.sendall(head + body + head + body + last + b"0\r\n\r\n")
            text = b""
            while piece := stream.recv(65536):
                text += piece
        self.assertEqual(text.count(b"HTTP/1.1 200 OK"), 3)
        self.assertEqual(text.count(UID.encode()), 3)

    def test_the_namespaces_file_is_read_again(self):
        self.assertIn("patch", self.webhook.mutate(None))
        self.webhook.namespaces.write_text("kind: Namespace\nmetadata: {name: shop, labels: {traceableai-mirror: disabled}}\n")
        self.wait_for(lambda: "patch" not in self.webhook.mutate(None))
        self.webhook.namespaces.write_text("kind: [broken")
        self.wait_for(lambda: self.webhook.metric("podtap_webhook_namespaces_file_errors_total") > 0)
        self.assertEqual(self.webhook.mutate(None)["auditAnnotations"]["reason"], "namespace-disabled")
        self.assertEqual(self.webhook.mutate(None, namespace="other")["auditAnnotations"]["reason"], "not-asked")

    def wait_for(self, condition):
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)

    def test_paths_and_methods(self):
        for method, path, status in (("GET", "/mutate", 405), ("HEAD", "/mutate", 405), ("POST", "/", 404), ("POST", "/mutate/", 404),
                                     ("POST", "/mutatex", 404), ("PUT", "/mutate?x", 405)):
            connection = self.webhook.connect()
            connection.request(method, path, b"{}" if method != "GET" else None)
            response = connection.getresponse()
            response.read()
            self.assertEqual(response.status, status, f"{method} {path}")
        with self.webhook.raw() as stream:
            stream.sendall(b"HEAD /mutate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            text = b""
            while piece := stream.recv(65536):
                text += piece
        self.assertTrue(text.endswith(b"\r\n\r\n"), text)
        for path, status in (("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/mutate", 404)):
            self.assertEqual(self.webhook.admin(path)[0], status, path)
        self.assertEqual(self.webhook.admin("/metrics", "POST")[0], 405)

    def test_garbage_gets_400_and_the_server_goes_on(self):
        with self.webhook.raw() as stream:
            stream.sendall(b"\x16\x03 nonsense\r\n\r\n")
            self.assertIn(b"400 Bad Request", stream.recv(65536))
        with socket.create_connection(("127.0.0.1", self.webhook.port), timeout=PATIENCE_S) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            try:
                plain.recv(65536)
            except ConnectionResetError:
                pass
        with self.webhook.raw() as stream:
            stream.sendall(b"POST /mutate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n{}")
            self.assertIn(b"400 Bad Request", stream.recv(65536))
        for body in (b"", b"{", b"[" * 100000, b"\xff" * 1000, b'{"request":{}}'):
            self.assertEqual(self.webhook.call(body)[0], 400)
        deep = json.dumps(review()).replace('"object"', '"extra":' + "[" * 500 + "]" * 500 + ',"object"')
        status, text = self.webhook.call(deep)
        self.assertEqual((status, json.loads(text)["response"]), (200, {
            "uid": UID, "allowed": True, "auditAnnotations": {"reason": "bad-review"}}))

    def test_old_tls_is_refused(self):
        result = subprocess.run(["curl", "-sk", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0",
                                 f"https://localhost:{self.webhook.port}/mutate"], capture_output=True)
        self.assertEqual(result.returncode, 35)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.webhook.tls(minimum_version=version, maximum_version=version)
            self.assertEqual(self.webhook.call(review(), connection=self.webhook.connect(context))[0], 200)

    def test_http11_is_chosen_where_h2_is_offered_too(self):
        context = self.webhook.tls()
        context.set_alpn_protocols(["h2", "http/1.1"])
        with context.wrap_socket(socket.create_connection(("127.0.0.1", self.webhook.port), timeout=PATIENCE_S)) as stream:
            self.assertEqual(stream.selected_alpn_protocol(), "http/1.1")


class Newcomer(unittest.TestCase):
    def test_the_readme_s_try_works_as_written(self):
        text = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text()
        script = text.split("### Try the admission webhook", 1)[1].split("```\n", 1)[1].split("```", 1)[0]
        port = free_port()
        for old, new in (("build/bin/podtap-webhook", f"{WEBHOOK} --listen_address=127.0.0.1:{port} --admin_address="),
                         ("localhost:8443", f"localhost:{port}"), ("kill %1", "kill %1; wait %1")):
            self.assertIn(old, script)
            script = script.replace(old, new)
        with tempfile.TemporaryDirectory() as folder:
            result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=PATIENCE_S, cwd=folder)
        patch = json.loads(result.stdout)
        self.assertIn("podtap", json.dumps(patch), result.stderr)
        self.assertIn("podtap-sidecar:latest", json.dumps(patch))

    def test_the_documented_try_with_curl_works_as_written(self):
        text = (pathlib.Path(__file__).resolve().parents[2] / "docs/webhook.md").read_text()
        script = text.split("## Try it with curl", 1)[1].split("```sh\n", 1)[1].split("```", 1)[0]
        port, admin_port = free_port(), free_port()
        with tempfile.TemporaryDirectory() as folder:
            # What is built already, in a folder and on ports of its own; everything else as it stands there.
            for old, new in (("cmake -S . -B build -G Ninja && cmake --build build\n", ""), ("/tmp/try", folder),
                             ("~-/build/bin/podtap-webhook", f"{WEBHOOK} --listen_address=127.0.0.1:{port} "
                                                             f"--admin_address=127.0.0.1:{admin_port}"),
                             ("localhost:8443", f"localhost:{port}"), ("localhost:8080", f"localhost:{admin_port}")):
                self.assertIn(old, script)
                script = script.replace(old, new)
            # Left running, it would hold the pipes open.
            result = subprocess.run(["bash", "-c", script.replace("kill %1", "kill %1; wait %1")], capture_output=True,
                                    text=True, timeout=PATIENCE_S)
        self.assertIn('"allowed": true', result.stdout, result.stderr)
        self.assertIn('"reason": "namespace-enabled"', result.stdout)
        self.assertIn('"name": "podtap"', result.stdout)
        self.assertIn('podtap_webhook_decisions_total{reason="namespace-enabled",result="injected"} 2', result.stdout)


class Certificates(WithWebhook):
    def presented(self):
        with self.webhook.raw() as stream:
            return stream.getpeercert(binary_form=True)

    def wait_presented(self, name):
        wanted = ssl.PEM_cert_to_DER_cert((self.folder / f"{name}.crt").read_text())
        deadline = time.monotonic() + PATIENCE_S
        while self.presented() != wanted:
            self.assertLess(time.monotonic(), deadline, f"{name} is not presented")
            time.sleep(0.1)

    def test_swapped_under_load_without_a_failed_call(self):
        make_certificate(self.folder, "second", days=300)
        before = self.webhook.metric("podtap_webhook_certificate_expiry_timestamp_seconds")
        end = threading.Event()
        calls, failures = [0] * 4, []

        def load(worker, keep_alive):
            connection = self.webhook.connect()
            while not end.is_set():
                try:
                    if not keep_alive:
                        connection = self.webhook.connect()
                    status, _ = self.webhook.call(review(), connection=connection)
                    if status != 200:
                        failures.append(status)
                    if not keep_alive:
                        connection.close()
                    calls[worker] += 1
                except (OSError, http.client.HTTPException) as error:
                    failures.append(repr(error))
                    connection = self.webhook.connect()

        workers = [threading.Thread(target=load, args=(i, i % 2 == 0)) for i in range(4)]
        for worker in workers:
            worker.start()
        try:
            time.sleep(0.5)
            # First the certificate alone, as an unlucky reader sees it: the old pair stays in use.
            shutil.copy(self.folder / "second.crt", self.folder / "tls.crt")
            deadline = time.monotonic() + PATIENCE_S
            while self.webhook.metric("podtap_webhook_certificate_errors_total") == 0:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.1)
            self.wait_presented("first")
            shutil.copy(self.folder / "second.key", self.folder / "tls.key")
            self.wait_presented("second")
            time.sleep(0.5)
        finally:
            end.set()
            for worker in workers:
                worker.join()
        self.assertEqual(failures, [])
        self.assertGreater(min(calls), 5)
        self.assertGreater(self.webhook.metric("podtap_webhook_certificate_expiry_timestamp_seconds"), before + 86400)

    def test_files_swapped_by_a_link_as_a_mounted_secret_is(self):
        make_certificate(self.folder, "second")
        for name in ("first", "second"):
            (self.folder / f"..{name}").mkdir()
            for kind in ("crt", "key"):
                shutil.copy(self.folder / f"{name}.{kind}", self.folder / f"..{name}" / f"tls.{kind}")
        os.symlink("..first", self.folder / "..data")
        for kind in ("crt", "key"):
            (self.folder / f"tls.{kind}").unlink()
            os.symlink(f"..data/tls.{kind}", self.folder / f"tls.{kind}")
        self.wait_presented("first")
        os.symlink("..second", self.folder / "..data_tmp")
        os.rename(self.folder / "..data_tmp", self.folder / "..data")
        self.wait_presented("second")
        self.assertEqual(self.webhook.metric("podtap_webhook_certificate_errors_total"), 0)


class Overload(WithWebhook):
    def large(self, size):
        pod = json.loads(json.dumps(ASKING))
        pod["metadata"]["annotations"]["padding"] = "x" * (size - 500)
        return json.dumps(review(pod)).encode()

    def test_bodies_up_to_7_mib_are_understood_and_larger_ones_allowed(self):
        status, text = self.webhook.call(self.large(7 << 20))
        self.assertEqual((status, "patch" in json.loads(text)["response"]), (200, True))
        connection = self.webhook.connect()
        status, text = self.webhook.call(self.large((7 << 20) + 4000), connection=connection)
        self.assertEqual((status, json.loads(text)["response"]["auditAnnotations"]["reason"]), (200, "too-large"))
        self.assertEqual(json.loads(text)["response"]["uid"], UID)
        self.assertEqual(self.webhook.call(review(), connection=connection)[0], 200)
        # A writer that sorts its keys puts the uid behind the object.
        behind = json.dumps(json.loads(self.large((7 << 20) + 4000)), sort_keys=True)
        status, text = self.webhook.call(behind)
        self.assertEqual((status, json.loads(text)["response"]["uid"]), (200, UID))

    def test_32_large_bodies_at_once_stay_within_128_mib(self):
        body = self.large(7 << 20)
        head = f"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        streams = [self.webhook.raw() for _ in range(32)]
        # All but the last bytes of every body, so that all are in flight together; then the rest.
        senders = [threading.Thread(target=stream.sendall, args=(head + body[:-100],)) for stream in streams]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        self.assertLessEqual(self.webhook.metric("podtap_webhook_in_flight_bytes"), 64 << 20)
        answers = []
        for stream in streams:
            stream.sendall(body[-100:])
        for stream in streams:
            text = b""
            while b"\r\n\r\n" not in text or not text.rstrip().endswith(b"}"):
                piece = stream.recv(65536)
                self.assertTrue(piece, text[:200])
                text += piece
            answers.append(json.loads(text.split(b"\r\n\r\n", 1)[1]))
            stream.close()
        self.assertTrue(all(a["response"]["uid"] == UID and a["response"]["allowed"] for a in answers))
        kept = sum("patch" in a["response"] for a in answers)
        self.assertGreaterEqual(kept, 1)
        dropped = 'podtap_webhook_decisions_total{reason="overloaded",result="skipped"}'
        self.assertEqual(self.webhook.metric(dropped), 32 - kept)
        self.assertEqual(self.webhook.metric("podtap_webhook_in_flight_bytes"), 0)
        status = pathlib.Path(f"/proc/{self.webhook.process.pid}/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        if not os.environ.get("PODTAP_SANITIZED"):
            self.assertLessEqual(int(peak.split()[1]), 128 << 10, peak)

    def test_a_document_that_grows_in_memory_is_allowed_unread(self):
        body = json.dumps(review()).replace('"object"', '"extra":[' + "0," * (3 << 20) + '0],"object"')
        status, text = self.webhook.call(body)
        self.assertEqual((status, json.loads(text)["response"]["auditAnnotations"]["reason"]), (200, "too-large"))


class Ending(WithWebhook):
    flags = ("--drain_s=30",)

    def test_sigterm_drains_and_ends_with_0(self):
        idle = self.webhook.connect()
        self.assertEqual(self.webhook.call(review(), connection=idle)[0], 200)
        self.webhook.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE_S
        while self.webhook.admin("/readyz")[0] != 503:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        self.assertEqual(self.webhook.admin("/healthz")[0], 200)
        for connection in (idle, self.webhook.connect()):
            connection.request("POST", "/mutate", json.dumps(review()))
            response = connection.getresponse()
            self.assertEqual((response.status, response.getheader("Connection")), (200, "close"))
            response.read()
        self.webhook.process.send_signal(signal.SIGTERM)  # the second one ends the draining
        self.assertEqual(self.webhook.process.wait(PATIENCE_S), 0)

    def test_a_request_under_way_at_the_end_is_answered(self):
        body = json.dumps(review()).encode()
        with self.webhook.raw() as stream:
            stream.sendall(b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:50])
            self.webhook.process.send_signal(signal.SIGTERM)
            while self.webhook.admin("/readyz")[0] != 503:
                time.sleep(0.02)
            self.webhook.process.send_signal(signal.SIGTERM)  # no more draining: idle connections are closed now
            time.sleep(1)
            stream.sendall(body[50:])
            self.assertIn(b"200 OK", stream.recv(65536))
        self.assertEqual(self.webhook.process.wait(PATIENCE_S), 0)


class BadInput(unittest.TestCase):
    def run_with(self, *flags):
        return subprocess.run([WEBHOOK, *flags], capture_output=True, text=True, timeout=PATIENCE_S)

    def test_one_clear_line_and_an_exit_code(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            make_certificate(folder, "a")
            make_certificate(folder, "b")
            good = ["--sidecar_image=x", f"--tls_cert_file={folder}/a.crt", f"--tls_key_file={folder}/a.key",
                    "--listen_address=127.0.0.1:0", "--admin_address="]
            (folder / "empty").write_text("")
            for flags, code, words in (
                    ([], 2, "--sidecar_image is required"),
                    (["--sidecar_image=x"], 2, "--tls_cert_file and --tls_key_file are required"),
                    ([*good, "--nonsense"], 2, "unknown flag --nonsense"),
                    ([*good, f"--tls_cert_file={folder}/missing"], 1, "missing"),
                    ([*good, f"--tls_cert_file={folder}/empty"], 1, "holds no PEM certificate"),
                    ([*good, f"--tls_key_file={folder}/b.key"], 1, "is not the key of the certificate"),
                    ([*good, f"--namespaces_file={folder}/missing"], 1, "missing"),
                    ([*good, "--listen_address=nowhere"], 2, "nowhere"),
                    ([*good, "--admin_address=1.2.3.4"], 2, "1.2.3.4")):
                result = self.run_with(*flags)
                self.assertEqual(result.returncode, code, f"{flags}: {result.stderr}")
                self.assertIn(words, result.stderr)
                self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
                if code == 2:  # Everything that no file and no socket is needed to see.
                    self.assertEqual(self.run_with(*flags, "--check_config").stderr, result.stderr)
            checked = self.run_with(*good, "--check_config", "--drain_s=3")
            self.assertEqual((checked.returncode, json.loads(checked.stdout)["drain_s"]), (0, 3))
            self.assertEqual(self.run_with("--version").returncode, 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--webhook", default="build/bin/podtap-webhook")
    known, rest = parser.parse_known_args()
    WEBHOOK = os.path.abspath(known.webhook)
    unittest.main(argv=[sys.argv[0], *rest], warnings="ignore")
