#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""podtap-webhook in a cluster: the real program against an API server that speaks the real wire format and misbehaves.
Needs no privilege.

    python3 tests/system/webhook_cluster.py --webhook build/bin/podtap-webhook --podtap build/bin/podtap [unittest arguments]
"""
import argparse
import base64
import http.client
import json
import os
import pathlib
import re
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

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent))

import jsonpatch  # noqa: E402

from support.kube_api import KubeApi, Refused, make_certificates  # noqa: E402

PATIENCE_S = int(os.environ.get('PODTAP_PATIENCE_S', 60))
WEBHOOK = PODTAP = ""
NAMESPACES, NODES = "/api/v1/namespaces", "/api/v1/nodes"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


def free_port():
    import socket  # pylint: disable=import-outside-toplevel
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, what, patience=PATIENCE_S):
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} within {patience} s")
        time.sleep(0.05)


def asking_pod(name="cart", namespace="shop", **spec):
    return {"metadata": {"name": name, "namespace": namespace, "annotations": {"mirror.traceable.ai/enabled": "true"}},
            "spec": {"containers": [{"name": "app", "image": "nginx"}], **spec}}


def plain_pod(**spec):
    return {"metadata": {"generateName": "cart-"}, "spec": {"containers": [{"name": "app", "image": "nginx"}], **spec}}


class Webhook:
    def __init__(self, folder, api, *flags, files=True, token="first-token"):
        self.folder = folder
        self.port, self.admin_port = free_port(), free_port()
        self.name = f"webhook-{self.port}"
        self.token = folder / f"{self.name}.token"
        self.token.write_text(token + "\n")
        if files:
            if not (folder / "tls.crt").exists():
                subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                                "-subj", "/CN=x", "-keyout", folder / "tls.key", "-out", folder / "tls.crt"],
                               check=True, capture_output=True)
            flags = (f"--tls_cert_file={folder}/tls.crt", f"--tls_key_file={folder}/tls.key", *flags)
        ca = [f"--kube_ca_file={folder}/ca.crt"] if api.url.startswith("https") else []
        environment = {key: value for key, value in os.environ.items() if not key.startswith("KUBERNETES_")}
        self.log = open(folder / f"{self.name}.log", "w+")
        self.process = subprocess.Popen(
            [WEBHOOK, f"--listen_address=127.0.0.1:{self.port}", f"--admin_address=127.0.0.1:{self.admin_port}",
             "--sidecar_image=podtap-sidecar:test", "--drain_s=0", f"--kube_api_url={api.url}",
             f"--kube_token_file={self.token}", "--namespace=podtap", *ca, *flags],
            stderr=self.log, env={**environment, "POD_NAME": "webhook-0"})

    def admin(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=PATIENCE_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError("the webhook ended: " + self.read_log())
        try:
            return self.admin("/readyz")[0] == 200
        except OSError:
            return False

    def wait_ready(self):
        until(self.is_ready, "the webhook is ready")
        return self

    def metric(self, name):
        for line in self.admin("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        raise AssertionError(f"no metric {name}")

    def read_log(self):
        return (self.folder / f"{self.name}.log").read_text()

    def connect(self, ca=None, name=None):
        context = ssl.create_default_context(cadata=ca) if ca else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if ca is None:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE_S, context=context)
        if name:
            # As an API server does: to the service's address, with the service's name.
            raw = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sock = context.wrap_socket(raw, server_hostname=name)
        return connection

    def mutate(self, pod, namespace="shop", connection=None, dry_run=False):
        body = json.dumps({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {
            "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE", "dryRun": dry_run,
            "resource": {"group": "", "version": "v1", "resource": "pods"}, "namespace": namespace, "object": pod}})
        own = connection is None
        connection = connection or self.connect()
        connection.request("POST", "/mutate?timeout=10s", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        if own:
            connection.close()
        assert response.status == 200, text
        return json.loads(text)["response"]

    def reason(self, pod, namespace="shop"):
        return self.mutate(pod, namespace)["auditAnnotations"]["reason"]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.log.close()
        log = self.read_log()
        if code != 0 or "Sanitizer" in log:
            raise AssertionError(f"the webhook ended with {code}: {log[-20000:]}")


def patched(pod, response):
    return jsonpatch.apply_patch(pod, json.loads(base64.b64decode(response["patch"])))


class Case(unittest.TestCase):
    tls = False
    openshift = False
    version = "v1.30.2"

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="podtap-cluster-"))
        self.addCleanup(shutil.rmtree, self.folder)
        if self.tls:
            make_certificates(self.folder)
        self.api = KubeApi(self.folder if self.tls else None, version=self.version, openshift=self.openshift)
        self.addCleanup(self.api.close)
        self.api.namespace("shop", **{"traceableai-mirror": "enabled"})
        self.api.namespace("quiet")
        self.api.node("worker-1")

    def start(self, *flags, ready=True, **options):
        webhook = Webhook(self.folder, self.api, *flags, **options)
        self.addCleanup(webhook.stop)
        return webhook.wait_ready() if ready else webhook


class Wire(Case):
    """What is sent, to the letter: it is sent to real API servers as well."""
    tls = True

    def test_list_and_watch(self):
        webhook = self.start()
        until(lambda: self.api.watching >= 2, "both watches are open")
        with self.api.lock:
            requests = [r for r in self.api.requests if r.path == NAMESPACES]
        listed, watched = requests[0], requests[1]
        self.assertEqual(listed.target, "/api/v1/namespaces?limit=500")
        self.assertEqual(listed.headers["accept"], METADATA_LIST)
        self.assertEqual(listed.headers["authorization"], "Bearer first-token")
        self.assertEqual(listed.headers["host"], self.api.url.removeprefix("https://"))
        self.assertTrue(re.fullmatch(r"podtap-webhook/\d+\.\d+\.\d+", listed.headers["user-agent"]))
        self.assertNotIn("content-type", listed.headers)
        self.assertTrue(re.fullmatch(r"/api/v1/namespaces\?allowWatchBookmarks=true&resourceVersion=\d+"
                                     r"&timeoutSeconds=[3-5]\d\d&watch=true", watched.target), watched.target)
        self.assertEqual(watched.headers["accept"], METADATA)
        nodes = self.api.sent("GET", NODES)
        self.assertEqual((nodes[0].target, nodes[0].headers["accept"]), ("/api/v1/nodes?limit=500", "application/json"))
        self.assertEqual(self.api.sent("GET", "/version")[0].target, "/version")
        self.assertEqual(webhook.reason(plain_pod()), "namespace-enabled")

    def test_a_miss_is_one_live_get(self):
        webhook = self.start()
        self.api.misbehave = lambda r: "drop" if r.is_watch() else None
        self.api.drop_watches()
        until(lambda: self.api.watching == 0, "no watch is left")
        self.api.namespace("young", **{"traceableai-mirror": "enabled"})
        self.assertEqual(webhook.reason(plain_pod(), "young"), "namespace-enabled")
        (live,) = self.api.sent("GET", "/api/v1/namespaces/young")
        self.assertEqual((live.target, live.headers["accept"]), ("/api/v1/namespaces/young", METADATA))
        self.assertEqual(webhook.reason(plain_pod(), "young"), "namespace-enabled")
        self.assertEqual(len(self.api.sent("GET", "/api/v1/namespaces/young")), 1)

    def test_the_certificate_of_the_api_server_is_checked(self):
        other = self.folder / "other"
        other.mkdir()
        make_certificates(other)
        webhook = self.start(f"--kube_ca_file={other}/ca.crt", ready=False)
        until(lambda: "certificate verify failed" in webhook.read_log(), "the complaint is logged")
        self.assertFalse(webhook.is_ready())
        # A CA that rotates is read anew for the next connection.
        shutil.copy(self.folder / "ca.crt", other / "ca.crt")
        webhook.wait_ready()

    def test_tokens_rotate(self):
        webhook = self.start()
        with self.api.lock:
            self.api.tokens = {"second-token"}
        webhook.token.write_text("second-token")
        self.api.drop_watches()
        self.api.namespace("late", **{"traceableai-mirror": "enabled"})
        self.assertEqual(webhook.reason(plain_pod(), "late"), "namespace-enabled")
        until(lambda: self.api.watching >= 2, "watches are open again, with the new token")


class Caches(Case):
    def test_changes_arrive_by_watch(self):
        webhook = self.start()
        self.assertEqual(webhook.reason(plain_pod(), "quiet"), "not-asked")
        self.api.namespace("quiet", **{"traceableai-mirror": "enabled"})
        until(lambda: webhook.reason(plain_pod(), "quiet") == "namespace-enabled", "the label is seen")
        self.api.delete("namespaces", "quiet")
        until(lambda: webhook.reason(asking_pod(), "quiet") == "namespace-unknown", "the deletion is seen")

    def test_pages_of_500_and_10000_namespaces_in_little_memory(self):
        alone = self.start()
        before = self.resident(alone)
        for i in range(10000):
            self.api.put("namespaces", f"team-{i:05}", metadata={
                "labels": {"kubernetes.io/metadata.name": f"team-{i:05}", "cost-centre": f"c{i}"},
                "annotations": {"description": "a namespace of ordinary length, with words in it " * 4}})
        many = self.start()
        pages = [r for r in self.api.sent("GET", NAMESPACES) if not r.is_watch()]
        self.assertGreaterEqual(len(pages), 21)
        self.assertTrue(any(r.target.startswith("/api/v1/namespaces?continue=") and r.target.endswith("&limit=500")
                            for r in pages))
        self.assertEqual(many.reason(plain_pod(), "team-09999"), "not-asked")
        if not os.environ.get("PODTAP_SANITIZED"):
            self.assertLess(self.resident(many) - before, 20)

    @staticmethod
    def resident(webhook):
        status = pathlib.Path(f"/proc/{webhook.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def test_410_and_error_events_list_again(self):
        webhook = self.start()
        lists = webhook.metric('podtap_webhook_cache_lists_total{kind="namespaces"}')
        self.api.misbehave = lambda r: "drop" if r.is_watch() else None
        self.api.drop_watches()
        until(lambda: self.api.watching == 0, "no watch is left")
        self.api.namespace("quiet", **{"traceableai-mirror": "enabled"})
        self.api.compact()  # the change cannot be watched any more
        self.api.misbehave = None
        until(lambda: webhook.reason(plain_pod(), "quiet") == "namespace-enabled", "the list brings the change")
        self.assertGreater(webhook.metric('podtap_webhook_cache_lists_total{kind="namespaces"}'), lists)

    def test_a_version_that_the_server_refuses_for_ever_is_listed_anew(self):
        def timeout():
            raise Refused(504, "Timeout", "Too large resource version")

        webhook = self.start()
        for label, how in (("enabled", lambda: "error"), ("disabled", timeout)):
            # As after a restore from a backup: what was watched before is no version any more.
            newest = self.api.resource_version

            def misbehave(request, newest=newest, how=how):
                return how() if request.is_watch() and int(request.query["resourceVersion"]) <= newest else None

            self.api.misbehave = misbehave
            self.api.drop_watches()
            until(lambda: self.api.watching == 0, "no watch is left")
            self.api.namespace("quiet", **{"traceableai-mirror": label})
            until(lambda label=label: webhook.reason(plain_pod(), "quiet") == f"namespace-{label}", "the list brings the change")

    def test_a_dropped_watch_goes_on_from_the_last_version_with_bookmarks(self):
        self.api.bookmark_every = 0.3
        webhook = self.start()
        until(lambda: self.api.watching >= 2, "watches are open")
        for i in range(20):
            self.api.put("configmaps", f"noise-{i}", "podtap", data={})  # the version moves on without namespaces
        newest = self.api.resource_version
        time.sleep(1.5)
        self.api.drop_watches()
        until(lambda: len([r for r in self.api.sent("GET", NAMESPACES) if r.is_watch()]) >= 2, "the watch is opened again")
        again = [r for r in self.api.sent("GET", NAMESPACES) if r.is_watch()][-1]
        self.assertGreaterEqual(int(again.query["resourceVersion"]), newest)
        self.assertEqual(webhook.metric('podtap_webhook_cache_lists_total{kind="namespaces"}'), 1)

    def test_silent_watches_are_opened_again(self):
        webhook = self.start("--watch_silence_s=1")
        until(lambda: len([r for r in self.api.sent("GET", NAMESPACES) if r.is_watch()]) >= 2, "the watch is opened again")
        self.assertEqual(webhook.metric('podtap_webhook_cache_lists_total{kind="namespaces"}'), 1)

    def test_ready_only_after_the_first_sync_however_the_lists_fail(self):
        stage = {"namespaces": 0}

        def misbehave(request):
            if request.path != NAMESPACES or request.is_watch():
                return None
            stage["namespaces"] += 1
            if stage["namespaces"] == 1:
                raise Refused(403, "Forbidden", 'namespaces is forbidden: User "x" cannot list resource "namespaces"')
            if stage["namespaces"] == 2:
                return "half"
            if stage["namespaces"] == 3:
                return "drop"
            if stage["namespaces"] == 4:
                raise Refused(429, "TooManyRequests", "too many requests, please try again later", {"Retry-After": "2"})
            return None

        self.api.misbehave = misbehave
        webhook = self.start(ready=False)
        until(lambda: "cannot list resource" in webhook.read_log(), "the refusal is logged")
        status, text = webhook.admin("/readyz")
        self.assertEqual((status, text), (503, "the list of namespaces\n"))
        # Whoever asks meanwhile is answered, by a live look-up.
        self.assertEqual(webhook.reason(plain_pod()), "namespace-enabled")
        webhook.wait_ready()
        lists = [r for r in self.api.sent("GET", NAMESPACES) if not r.is_watch()]
        self.assertGreaterEqual(lists[4].at - lists[3].at, 2)  # as late as the server asked
        self.assertGreaterEqual(webhook.metric('podtap_webhook_cache_failures_total{kind="namespaces"}'), 3)

    def test_a_watch_line_cut_in_half_is_an_interruption(self):
        webhook = self.start()
        self.api.misbehave = lambda r: "half-line" if r.is_watch() else None
        self.api.drop_watches()
        self.api.namespace("quiet", **{"traceableai-mirror": "enabled"})
        until(lambda: webhook.metric('podtap_webhook_cache_failures_total{kind="namespaces"}') >= 2, "it is counted")
        self.api.misbehave = None
        until(lambda: webhook.reason(plain_pod(), "quiet") == "namespace-enabled", "the watch goes on")

    def test_a_namespace_that_nobody_can_tell_about_within_200_ms(self):
        webhook = self.start()

        def slow(request):
            if request.path.startswith("/api/v1/namespaces/"):
                time.sleep(5)

        self.api.misbehave = slow
        begin = time.monotonic()
        self.assertEqual(webhook.reason(asking_pod(), "unheard-of"), "namespace-unknown")
        self.assertLess(time.monotonic() - begin, 4)
        self.assertEqual(webhook.reason(plain_pod(), "unheard-of"), "namespace-unknown")
        self.assertGreaterEqual(webhook.metric("podtap_webhook_lookups_failed_total"), 2)

    def test_a_burst_of_1000_pods_while_the_watch_is_down(self):
        webhook = self.start("--send_events=false")
        self.api.misbehave = lambda r: "drop" if r.is_watch() else None
        self.api.drop_watches()
        until(lambda: self.api.watching == 0, "no watch is left")
        for i in range(5):
            self.api.namespace(f"burst-{i}", **{"traceableai-mirror": "enabled"})
        reasons = []

        def send(worker):
            connection = webhook.connect()
            for i in range(125):
                response = webhook.mutate(plain_pod(), f"burst-{(i + worker) % 5}", connection)
                reasons.append(response["auditAnnotations"]["reason"])

        workers = [threading.Thread(target=send, args=(i,)) for i in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(reasons, ["namespace-enabled"] * 1000)
        live = [r for i in range(5) for r in self.api.sent("GET", f"/api/v1/namespaces/burst-{i}")]
        self.assertLessEqual(len(live), 10)


class Nodes(Case):
    def test_native_where_every_schedulable_kubelet_is_new_enough(self):
        webhook = self.start()
        self.assertIn("initContainers", patched(asking_pod(), webhook.mutate(asking_pod()))["spec"])
        self.api.node("old", kubelet="v1.28.9-eks-1")
        until(lambda: "initContainers" not in patched(asking_pod(), webhook.mutate(asking_pod()))["spec"], "the old one is seen")
        self.assertEqual(webhook.reason(asking_pod(restartPolicy="Never")), "needs-native-sidecar")
        # The node that the pod names decides alone.
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["worker-1"]}]}]}}}
        for pod in (asking_pod(nodeName="worker-1"), asking_pod(affinity=affinity)):
            self.assertIn("initContainers", patched(pod, webhook.mutate(pod))["spec"])
        self.api.node("old", kubelet="v1.28.9-eks-1", unschedulable=True)
        until(lambda: "initContainers" in patched(asking_pod(), webhook.mutate(asking_pod()))["spec"], "it is cordoned")

    def test_a_windows_node_that_the_pod_names(self):
        self.api.node("win-1", **{"kubernetes.io/os": "windows"})
        webhook = self.start()
        self.assertEqual(webhook.reason(asking_pod(nodeName="win-1")), "windows")
        self.assertEqual(webhook.reason(asking_pod(nodeName="worker-1")), "pod-enabled")

    def test_nodes_of_a_provider_that_refuses_privilege(self):
        self.api.node("virtual-1", kubelet="v1.25.0", type="virtual-kubelet")
        webhook = self.start()
        self.assertIn("initContainers", patched(asking_pod(), webhook.mutate(asking_pod()))["spec"])
        self.assertEqual(webhook.reason(asking_pod(nodeName="virtual-1")), "platform")
        self.api.delete("nodes", "worker-1")
        until(lambda: webhook.reason(asking_pod()) == "platform", "only virtual nodes are left")

    def test_capabilities_follow_the_oldest_kernel(self):
        webhook = self.start("--run_as_privileged=false")
        add = lambda: patched(asking_pod(), webhook.mutate(asking_pod()))["spec"]["initContainers"][0]["securityContext"][
            "capabilities"]["add"]
        self.assertNotIn("SYS_RESOURCE", add())
        self.api.node("older", kernel="5.10.0-28")
        until(lambda: "SYS_RESOURCE" in add(), "the older kernel is seen")


class OldServer(Case):
    version = "v1.28.4"

    def test_an_old_api_server_has_no_native_sidecars(self):
        webhook = self.start()
        self.assertIn("podtap", [c["name"] for c in patched(asking_pod(), webhook.mutate(asking_pod()))["spec"]["containers"]])


class Limits(Case):
    REQUESTS = {"containers": [{"name": "app", "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}}}]}

    def test_a_quota_that_the_pod_with_us_would_exceed(self):
        self.api.put("resourcequotas", "team", "shop", spec={"hard": {"requests.cpu": "1", "pods": "10"}},
                     status={"used": {"requests.cpu": "880m"}})
        webhook = self.start("--check_quota")
        self.assertEqual(self.api.sent("GET", "/api/v1/resourcequotas")[0].target, "/api/v1/resourcequotas?limit=500")
        self.assertEqual(self.api.sent("GET", "/api/v1/limitranges")[0].target, "/api/v1/limitranges?limit=500")
        self.assertEqual(webhook.reason(asking_pod(**self.REQUESTS)), "pod-enabled")  # 880 + 100 + 10
        self.api.put("resourcequotas", "team", "shop", spec={"hard": {"requests.cpu": "1"}},
                     status={"used": {"requests.cpu": "895m"}})
        until(lambda: webhook.reason(asking_pod(**self.REQUESTS)) == "quota", "the use is seen")
        self.assertEqual(webhook.reason(asking_pod()), "pod-enabled", "a BestEffort pod asks for nothing more")
        response = webhook.mutate(asking_pod(**self.REQUESTS))
        self.assertIn("ResourceQuota team: requests.cpu", response["warnings"][0])

    def test_a_limit_range_raises_requests_or_cannot_be_met(self):
        self.api.put("limitranges", "least", "shop", spec={"limits": [{"type": "Container", "min": {"cpu": "50m"}}]})
        webhook = self.start("--check_quota")
        pod = asking_pod(**self.REQUESTS)
        own = patched(pod, webhook.mutate(pod))["spec"]["initContainers"][0]["resources"]
        self.assertEqual(own["requests"]["cpu"], "50m")
        self.api.put("limitranges", "most", "shop", spec={"limits": [{"type": "Container", "max": {"memory": "32Mi"}}]})
        until(lambda: webhook.reason(pod) == "limit-range", "the maximum is seen")

    def test_nothing_is_read_unless_asked_for(self):
        webhook = self.start()
        self.assertEqual(webhook.reason(asking_pod(**self.REQUESTS)), "pod-enabled")
        self.assertEqual(self.api.sent("GET", "/api/v1/resourcequotas") + self.api.sent("GET", "/api/v1/limitranges"), [])


class OpenShift(Case):
    openshift = True
    REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

    def test_the_service_account_needs_use_of_the_privileged_scc(self):
        self.api.access = lambda spec: spec["user"].endswith(":trusted")
        webhook = self.start()
        self.assertEqual(webhook.reason(asking_pod(serviceAccountName="trusted")), "pod-enabled")
        self.assertEqual(webhook.reason(asking_pod()), "scc")
        asked = self.api.sent("POST", self.REVIEWS)[0]
        self.assertEqual((asked.target, asked.headers["content-type"]), (self.REVIEWS, "application/json"))
        self.assertEqual(json.loads(asked.body), {
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
                "user": "system:serviceaccount:shop:trusted",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"],
                "resourceAttributes": {"namespace": "shop", "verb": "use", "group": "security.openshift.io",
                                       "resource": "securitycontextconstraints", "name": "privileged"}}})
        webhook.reason(asking_pod())
        self.assertEqual(len(self.api.sent("POST", self.REVIEWS)), 2, "answers are remembered")

    def test_without_an_answer_nothing_is_injected(self):
        webhook = self.start()

        def refuse(request):
            if request.path == self.REVIEWS:
                raise Refused(403, "Forbidden", "subjectaccessreviews is forbidden")

        self.api.misbehave = refuse
        self.assertEqual(webhook.reason(asking_pod()), "scc")


class Events(Case):
    def owned(self, owner):
        pod = asking_pod(hostUsers=False)
        pod["metadata"].pop("name")
        pod["metadata"].update(generateName="cart-", ownerReferences=[owner])
        return pod

    def test_the_owner_is_told_once_a_minute_and_never_on_dry_runs(self):
        self.api.put("replicasets", "cart-7d9f", "shop", metadata={"ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart", "uid": "d-1", "controller": True}]})
        webhook = self.start()
        pod = self.owned({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "cart-7d9f", "uid": "r-1", "controller": True})
        webhook.mutate(pod, dry_run=True)
        for _ in range(5):
            self.assertEqual(webhook.reason(pod), "host-users")
        until(lambda: webhook.metric("podtap_webhook_events_sent_total") == 1, "the event is sent")
        until(lambda: webhook.metric("podtap_webhook_events_suppressed_total") == 4, "the others are not")
        (request,) = self.api.sent("POST", "/apis/events.k8s.io/v1/namespaces/shop/events")
        self.assertEqual(request.headers["content-type"], "application/json")
        event = json.loads(request.body)
        self.assertEqual(event["regarding"], {"namespace": "shop", "apiVersion": "apps/v1", "kind": "Deployment",
                                              "name": "cart", "uid": "d-1"})
        self.assertEqual((event["apiVersion"], event["kind"], event["reason"], event["action"], event["type"]),
                         ("events.k8s.io/v1", "Event", "CaptureSkipped", "Inject", "Warning"))
        self.assertEqual((event["reportingController"], event["reportingInstance"]),
                         ("podtap.traceable.ai/webhook", "webhook-0"))
        self.assertIn("host-users (spec.hostUsers=false)", event["note"])

    def test_two_replica_sets_of_a_deployment_are_one_owner(self):
        webhook = self.start()
        for i in range(3):
            self.api.put("replicasets", f"cart-{i}", "shop", metadata={"ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart", "uid": "d-1", "controller": True}]})
            webhook.mutate(self.owned({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"cart-{i}", "uid": f"r-{i}",
                                       "controller": True}))
        until(lambda: webhook.metric("podtap_webhook_events_suppressed_total") == 2, "two are not sent")
        self.assertEqual(webhook.metric("podtap_webhook_events_sent_total"), 1)

    def test_a_pod_without_owner_is_told_itself(self):
        webhook = self.start()
        webhook.mutate(asking_pod(hostUsers=False))
        until(lambda: webhook.metric("podtap_webhook_events_sent_total") == 1, "the event is sent")
        self.assertEqual(self.api.all("events")[0]["regarding"]["kind"], "Pod")

    def test_events_that_fail_give_their_place_back(self):
        webhook = self.start()
        self.api.misbehave = lambda request: "half" if request.path.endswith("/events") else None
        for i in range(70):  # at most 64 are under way at a time
            webhook.mutate(asking_pod(name=f"cart-{i}", hostUsers=False))
        until(lambda: webhook.metric("podtap_webhook_events_failed_total") + webhook.metric(
            "podtap_webhook_events_suppressed_total") == 70, "all have ended")
        self.assertGreaterEqual(webhook.metric("podtap_webhook_events_failed_total"), 64)
        self.api.misbehave = None
        webhook.mutate(asking_pod(name="last", hostUsers=False))
        until(lambda: webhook.metric("podtap_webhook_events_sent_total") == 1, "the last one is sent")

    def test_no_event_about_pods_that_did_not_ask_and_none_if_forbidden(self):
        webhook = self.start("--send_events=false")
        webhook.mutate(asking_pod(hostUsers=False))
        other = self.start()
        other.mutate(plain_pod(hostUsers=False), "quiet")
        other.mutate(asking_pod())
        other.mutate(asking_pod(name="last", hostUsers=False))
        until(lambda: other.metric("podtap_webhook_events_sent_total") == 1, "only the last one")
        self.assertEqual(len(self.api.all("events")), 1)


class Survey(Case):
    def setUp(self):
        super().setUp()
        status = json.dumps({"result": "skipped", "reason": "host-users"})
        self.api.put("pods", "missed", "shop", spec={"containers": [{"name": "a"}]})
        self.api.put("pods", "ended", "shop", spec={"containers": [{"name": "a"}]}, status={"phase": "Succeeded"})
        self.api.put("pods", "has-it", "shop", metadata={"labels": {"mirror.traceable.ai/injected": "true"}},
                     spec={"containers": [{"name": "a"}]})
        self.api.put("pods", "skipped", "shop", metadata={"annotations": {"mirror.traceable.ai/status": status}},
                     spec={"containers": [{"name": "a"}], "hostUsers": False})
        self.api.put("pods", "quiet", "quiet", spec={"containers": [{"name": "a"}]})
        self.api.namespace("lost", **{"traceableai-mirror": "enabled", "mirror.traceable.ai/revision": "canary"})
        self.api.put("mutatingwebhookconfigurations", "podtap", metadata={
            "labels": {"mirror.traceable.ai/revision": "default"}}, webhooks=[])

    def test_missed_pods_and_unserved_namespaces_are_counted(self):
        webhook = self.start("--survey_interval_s=1")
        until(lambda: webhook.metric("podtap_webhook_surveys_total") >= 1, "the survey is over")
        self.assertEqual(webhook.metric("podtap_webhook_missed_pods"), 1)
        self.assertEqual(webhook.metric('podtap_webhook_unserved_namespace{namespace="lost",revision="canary"}'), 1)
        listed = self.api.sent("GET", "/api/v1/pods")[0]
        self.assertEqual(listed.target, "/api/v1/pods?limit=500&fieldSelector=status.phase%21%3DFailed%2Cstatus.phase%21%3D"
                                        "Succeeded&labelSelector=mirror.traceable.ai%2Finjected%21%3Dtrue")
        self.assertEqual(listed.headers["accept"], METADATA_LIST)
        self.api.delete("pods", "missed", "shop")
        until(lambda: webhook.metric("podtap_webhook_missed_pods") == 0, "it has gone")

    def test_a_pod_that_was_answered_was_not_missed_also_where_all_are_mirrored(self):
        webhook = self.start("--survey_interval_s=1", "--mirror_all_namespaces")
        self.api.delete("pods", "missed", "shop")
        self.api.delete("pods", "quiet", "quiet")
        pod = plain_pod(runtimeClassName="gvisor")
        response = webhook.mutate(pod, "quiet")
        self.assertEqual((response["auditAnnotations"]["reason"], response.get("warnings")), ("runtime-class", None))
        # The survey sees metadata only.
        self.api.put("pods", "sandboxed", "quiet", metadata=patched(pod, response)["metadata"], spec=pod["spec"])
        surveys = webhook.metric("podtap_webhook_surveys_total")
        until(lambda: webhook.metric("podtap_webhook_surveys_total") >= surveys + 2, "it is surveyed")
        self.assertEqual(webhook.metric("podtap_webhook_missed_pods"), 0)

    def test_namespaces_of_the_older_label_are_unserved_too(self):
        self.api.put("namespaces", "older", metadata={"labels": {"traceableai-inject-mirror": "enabled"},
                                                      "annotations": {"mirror.traceable.ai/defaultInject": "true"}})
        self.api.put("namespaces", "only", metadata={"labels": {"traceableai-inject-mirror": "enabled"}})
        self.api.delete("mutatingwebhookconfigurations", "podtap")
        webhook = self.start("--survey_interval_s=1", "--revision=canary")
        until(lambda: webhook.metric("podtap_webhook_surveys_total") >= 1, "the survey is over")
        for name in ("older", "shop"):
            self.assertEqual(webhook.metric(f'podtap_webhook_unserved_namespace{{namespace="{name}",revision="default"}}'), 1)
        self.assertNotIn('namespace="only"', webhook.admin("/metrics")[1])

    def status(self, *flags):
        token = self.folder / "token"
        token.write_text("first-token")
        return subprocess.run([PODTAP, "status", f"--kube_api_url={self.api.url}", f"--kube_token_file={token}", *flags],
                              capture_output=True, text=True, timeout=PATIENCE_S)

    def test_podtap_status_lists_them_with_reasons(self):
        result = self.status()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"shop/missed +missed ")
        self.assertRegex(result.stdout, r"shop/skipped +host-users ")
        self.assertNotIn("has-it", result.stdout)
        self.assertNotIn("ended", result.stdout)
        self.assertRegex(result.stdout, r"lost +canary")
        listed = json.loads(self.status("-n", "shop", "-o", "json").stdout)
        self.assertEqual([pod["name"] for pod in listed["pods"]], ["missed", "skipped"])
        self.assertEqual(self.api.sent("GET", "/api/v1/namespaces/shop/pods")[0].headers["accept"], "application/json")
        self.assertEqual({key for key, _, _ in self.api.objects}, {"namespaces", "nodes", "pods", "mutatingwebhookconfigurations"})

    def listed(self, *flags):
        result = self.status("-o", "json", *flags)
        self.assertEqual(result.returncode, 0, result.stderr)
        return {f"{pod['namespace']}/{pod['name']}": (pod["reason"], pod["decided_by"])
                for pod in json.loads(result.stdout)["pods"]}

    def test_podtap_status_judges_each_pod_under_the_revision_that_it_asks_for(self):
        spec = {"containers": [{"name": "a"}]}
        answered = {"mirror.traceable.ai/status": json.dumps({"result": "skipped", "reason": "other-revision"})}
        canary, by_namespace = {"mirror.traceable.ai/revision": "canary"}, "namespace label mirror.traceable.ai/revision=canary"
        self.api.put("pods", "plain", "lost", spec=spec)
        self.api.put("pods", "answered", "lost", metadata={"annotations": answered}, spec=spec)
        self.api.put("pods", "back", "lost", metadata={"labels": {"mirror.traceable.ai/revision": "default"}}, spec=spec)
        self.api.put("pods", "moved", "shop", metadata={"labels": canary}, spec=spec)
        self.api.put("pods", "elsewhere", "quiet", metadata={"labels": canary}, spec=spec)  # did not ask
        self.api.put("pods", "host", "lost", spec={**spec, "hostUsers": False})
        result = self.status("-n", "lost")
        self.assertNotIn("Every running pod", result.stdout)
        self.assertRegex(result.stdout, r"lost/plain +no-revision +namespace label mirror.traceable.ai/revision=canary")
        nobody, label = ("no-revision", by_namespace), "pod label mirror.traceable.ai/revision=canary"
        listed = self.listed()
        self.assertEqual({name: listed.get(name) for name in ("lost/plain", "lost/answered", "shop/moved", "quiet/elsewhere")},
                         {"lost/plain": nobody, "lost/answered": nobody, "shop/moved": ("no-revision", label),
                          "quiet/elsewhere": None})
        self.assertEqual(listed["lost/back"][0], "missed")
        self.assertEqual(listed["lost/host"][0], "host-users", "no revision could help this one")
        # Served now, it is the revision's webhook that missed them.
        self.api.put("mutatingwebhookconfigurations", "canary", metadata={"labels": canary}, webhooks=[])
        listed = self.listed()
        self.assertEqual([listed[name][0] for name in ("lost/plain", "lost/answered", "shop/moved")], ["missed"] * 3)
        # One revision's own view, as its webhook counts them.
        self.assertEqual(set(self.listed("--revision=default", "-n", "lost")), {"lost/back", "lost/host"})
        self.assertIn("lost/plain", self.listed("--revision=canary"))
        self.assertNotIn("shop/missed", self.listed("--revision=canary"))

    def test_podtap_status_says_what_is_wrong(self):
        self.api.tokens = {"other"}
        result = self.status()
        self.assertEqual((result.returncode, result.stderr.count("\n")), (1, 1), result.stderr)
        self.assertIn("HTTP 401", result.stderr)


class OffSwitch(Case):
    def test_new_pods_start_off_and_the_old_mode_can_be_restored(self):
        webhook = self.start("--off_switch_configmap=podtap-switch")
        self.assertEqual(self.api.sent("GET", "/api/v1/namespaces/podtap/configmaps")[0].target,
                         "/api/v1/namespaces/podtap/configmaps?limit=500&fieldSelector=metadata.name%3Dpodtap-switch")
        self.api.put("configmaps", "podtap-switch", "podtap", data={"capture": "off"})
        until(lambda: webhook.metric("podtap_webhook_switched_off") == 1, "the switch is seen")
        pod = asking_pod()
        pod["metadata"]["annotations"]["mirror.traceable.ai/mode"] = "egress"
        off = patched(pod, webhook.mutate(pod))
        self.assertEqual(off["metadata"]["annotations"]["mirror.traceable.ai/mode"], "off")
        status = json.loads(off["metadata"]["annotations"]["mirror.traceable.ai/status"])
        self.assertEqual((status["mode"], status["mode_from"]), ("off", "switch"))
        # Removing the annotation, on this pod as on all others, restores what it would have been.
        self.assertIn("--mode=egress", off["spec"]["initContainers"][0]["args"])
        self.api.put("configmaps", "podtap-switch", "podtap", data={"capture": "on"})
        until(lambda: webhook.metric("podtap_webhook_switched_off") == 0, "it is on again")
        self.assertEqual(patched(pod, webhook.mutate(pod))["metadata"]["annotations"]["mirror.traceable.ai/mode"], "egress")
        self.api.put("configmaps", "podtap-switch", "podtap", data={"capture": "off"})
        until(lambda: webhook.metric("podtap_webhook_switched_off") == 1, "off")
        self.api.delete("configmaps", "podtap-switch", "podtap")
        until(lambda: webhook.metric("podtap_webhook_switched_off") == 0, "a deleted switch is on")


class Revisions(Case):
    def test_two_revisions_side_by_side(self):
        stable = self.start()
        canary = self.start("--revision=canary", "--sidecar_image=podtap-sidecar:canary")

        def image(namespace):
            images = []
            for webhook in (stable, canary):
                response = webhook.mutate(plain_pod(), namespace)
                if response["auditAnnotations"]["result"] == "injected":
                    images.append(patched(plain_pod(), response)["spec"]["initContainers"][0]["image"])
            return images

        self.assertEqual(image("shop"), ["podtap-sidecar:test"])
        self.api.namespace("shop", **{"traceableai-mirror": "enabled", "mirror.traceable.ai/revision": "canary"})
        until(lambda: image("shop") == ["podtap-sidecar:canary"], "one label moves the namespace")
        self.api.namespace("shop", **{"traceableai-mirror": "enabled"})
        until(lambda: image("shop") == ["podtap-sidecar:test"], "and back")


class Load:
    """Reviews at a steady rate until it is left, by 8 clients over keep-alive connections that are renewed when the webhook
    says so, when `target` gives another webhook, and every 50 calls where `renew`. Any call that fails is told by `failures`."""

    CLIENTS, PER_SECOND = 8, 1000

    def __init__(self, target, connect, renew=False):
        self.target, self.connect, self.renew = target, connect, renew
        self.calls, self.failures, self.end = [0] * self.CLIENTS, [], threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(self.CLIENTS)]

    def run(self, number):
        connection, webhook, pause = None, None, self.CLIENTS / self.PER_SECOND
        due = time.monotonic()
        while not self.end.is_set():
            try:
                if connection is None or webhook is not self.target() or (self.renew and self.calls[number] % 50 == 0):
                    webhook = self.target()
                    connection = self.connect(webhook)
                connection.request("POST", "/mutate", BODY, {"Content-Type": "application/json"})
                response = connection.getresponse()
                if b'"patch"' not in response.read() or response.status != 200:
                    self.failures.append(response.status)
                if response.getheader("Connection") == "close":
                    connection = None
                self.calls[number] += 1
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection = None
            due = max(due + pause, time.monotonic() - 1)  # what was missed within a second is made up for
            time.sleep(max(0.0, due - time.monotonic()))

    def __enter__(self):
        self.begin = time.monotonic()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        for thread in self.threads:
            thread.join()
        self.rate = sum(self.calls) / (time.monotonic() - self.begin)


class SelfCertificates(Case):
    FLAGS = ("--certificates=self", "--secret_name=podtap-cert", "--service_name=podtap-webhook",
             "--webhook_configuration_name=podtap")
    NAME = "podtap-webhook.podtap.svc"

    def setUp(self):
        super().setUp()
        self.api.put("mutatingwebhookconfigurations", "podtap", webhooks=[
            {"name": f"{name}.podtap.io", "clientConfig": {"service": {"namespace": "podtap", "name": "podtap-webhook"}}}
            for name in ("pods", "namespaces")])

    def bundles(self):
        webhooks = self.api.get("mutatingwebhookconfigurations", "podtap")["webhooks"]
        return [base64.b64decode(w["clientConfig"].get("caBundle", "")).decode() for w in webhooks]

    def call_as_the_api_server(self, webhook):
        bundle = self.bundles()[0]
        return webhook.mutate(plain_pod(), connection=webhook.connect(ca=bundle, name=self.NAME))

    def test_made_kept_trusted_and_repaired(self):
        webhook = self.start(*self.FLAGS, files=False)
        self.assertIn("patch", self.call_as_the_api_server(webhook))
        secret = self.api.get("secrets", "podtap-cert", "podtap")
        self.assertEqual(set(secret["data"]), {"ca.crt", "ca.key", "tls.crt", "tls.key"})
        self.assertEqual(self.bundles(), [base64.b64decode(secret["data"]["ca.crt"]).decode()] * 2)
        created = self.api.sent("POST", "/api/v1/namespaces/podtap/secrets")[0]
        self.assertEqual(created.headers["content-type"], "application/json")
        body = json.loads(created.body)
        self.assertEqual((body["apiVersion"], body["kind"], body["type"], body["metadata"]),
                         ("v1", "Secret", "Opaque", {"name": "podtap-cert", "namespace": "podtap"}))
        written = self.api.sent("PATCH", CONFIGURATIONS + "/podtap")[0]
        self.assertEqual(written.headers["content-type"], "application/json-patch+json")
        operations = json.loads(written.body)
        self.assertEqual([(o["op"], o["path"]) for o in operations], [
            ("test", "/metadata/resourceVersion"), ("add", "/webhooks/0/clientConfig/caBundle"),
            ("add", "/webhooks/1/clientConfig/caBundle"), ("add", "/metadata/labels")])
        self.assertEqual(self.api.get("mutatingwebhookconfigurations", "podtap")["metadata"]["labels"],
                         {"mirror.traceable.ai/revision": "default"})
        self.assertGreater(webhook.metric("podtap_webhook_certificate_expiry_timestamp_seconds"), time.time() + 80 * 86400)
        self.assertGreater(webhook.metric("podtap_webhook_ca_expiry_timestamp_seconds"), time.time() + 360 * 86400)
        text = subprocess.run(["openssl", "x509", "-noout", "-text"], input=base64.b64decode(secret["data"]["tls.crt"]),
                              capture_output=True, check=True).stdout.decode()
        self.assertIn("DNS:podtap-webhook.podtap.svc,", text)
        self.assertIn("NIST CURVE: P-256", text)
        # Somebody clears it, as `helm upgrade` does.
        before = self.api.get("mutatingwebhookconfigurations", "podtap")
        for entry in before["webhooks"]:
            entry["clientConfig"].pop("caBundle")
        self.api.put("mutatingwebhookconfigurations", "podtap", webhooks=before["webhooks"])
        until(lambda: all(self.bundles()), "the caBundle is back")
        # And somebody deletes the Secret: all is made anew, and trusted.
        self.api.delete("secrets", "podtap-cert", "podtap")
        until(lambda: self.api.get("secrets", "podtap-cert", "podtap"), "the Secret is back")
        until(lambda: self.works(webhook), "and it is used")

    def works(self, webhook):
        try:
            return "patch" in self.call_as_the_api_server(webhook)
        except (OSError, http.client.HTTPException):
            return False

    def test_three_replicas_that_start_together_agree(self):
        gate = threading.Barrier(3)

        def together(request):
            if request.path.endswith("/secrets") and request.method == "POST":
                gate.wait(PATIENCE_S)  # all have read that there is none before any may write

        self.api.misbehave = together
        replicas = [self.start(*self.FLAGS, files=False, ready=False) for _ in range(3)]
        for replica in replicas:
            replica.wait_ready()
        for replica in replicas:
            until(lambda r=replica: self.works(r), "each replica is trusted by the one bundle")
        self.assertEqual(len(self.api.sent("POST", "/api/v1/namespaces/podtap/secrets")), 3)
        self.assertEqual(sum(r.metric("podtap_webhook_secret_writes_total") for r in replicas), 1)
        self.assertEqual(sum(r.metric("podtap_webhook_secret_conflicts_total") for r in replicas), 2)

    def test_renewal_under_load_fails_no_call(self):
        # The certificate is renewed after some 19 s, the authority after some 25 s, while reviews come.
        webhook = self.start(*self.FLAGS, "--certificate_lifetime=30s", "--ca_lifetime=40s", files=False)
        first, patience = self.bundles()[0], 2 * PATIENCE_S
        # A new connection trusts what the configuration says now.
        with Load(lambda: webhook, lambda w: w.connect(ca=self.bundles()[0], name=self.NAME), renew=True) as load:
            until(lambda: self.bundles()[0] != first, "the authority changes", patience)
            self.assertEqual(self.bundles()[0].count("BEGIN CERTIFICATE"), 2, "old and new are trusted during the change")
            self.assertTrue(self.bundles()[0].endswith(first))
            loads = webhook.metric("podtap_webhook_certificate_loads_total")
            until(lambda: webhook.metric("podtap_webhook_certificate_loads_total") > loads, "the new one is presented")
            time.sleep(2)
        self.assertEqual(load.failures, [])
        self.assertGreater(min(load.calls), 50)
        print(f"\nrenewal: {load.rate:.0f} reviews/s", file=sys.stderr)

    def test_the_certificate_survives_a_restart(self):
        first = self.start(*self.FLAGS, files=False)
        version = self.api.get("secrets", "podtap-cert", "podtap")["metadata"]["resourceVersion"]
        second = self.start(*self.FLAGS, files=False)
        self.assertTrue(self.works(second) and self.works(first))
        self.assertEqual(self.api.get("secrets", "podtap-cert", "podtap")["metadata"]["resourceVersion"], version)

    def test_a_secret_that_may_not_be_written_is_named(self):
        def refuse(request):
            if request.method == "POST" and request.path.endswith("/secrets"):
                raise Refused(403, "Forbidden", "secrets is forbidden: cannot create")

        self.api.misbehave = refuse
        webhook = self.start(*self.FLAGS, files=False, ready=False)
        until(lambda: "secrets is forbidden" in webhook.read_log(), "the log names it")
        until(lambda: webhook.metric('podtap_webhook_cache_synced{kind="nodes"}') == 1, "all else is known")
        self.assertEqual(webhook.admin("/readyz")[0], 503)
        self.api.misbehave = None
        webhook.wait_ready()


class Draining(Case):
    def test_a_rollout_under_load_fails_no_call(self):
        old = self.start("--drain_s=3")
        new = self.start()
        current = old
        with Load(lambda: current, lambda w: w.connect()) as load:
            time.sleep(1)
            old.process.send_signal(signal.SIGTERM)
            time.sleep(1.5)  # as long as it takes until everybody knows that it is not ready
            current = new
            old.process.wait(PATIENCE_S)
            time.sleep(0.5)
        self.assertEqual(load.failures, [])
        self.assertGreater(min(load.calls), 50)
        print(f"\nrollout: {load.rate:.0f} reviews/s", file=sys.stderr)


BODY = json.dumps({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {
    "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE", "namespace": "shop",
    "resource": {"group": "", "version": "v1", "resource": "pods"}, "object": plain_pod()}})

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--webhook", default="build/bin/podtap-webhook")
    parser.add_argument("--podtap", default="build/bin/podtap")
    known, rest = parser.parse_known_args()
    WEBHOOK, PODTAP = os.path.abspath(known.webhook), os.path.abspath(known.podtap)
    unittest.main(argv=[sys.argv[0], *rest], warnings="ignore")
