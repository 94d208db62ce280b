# SPDX-License-Identifier: Apache-2.0
"""The webhook's rights: the real podtap-webhook works against an API server that grants what the chart's roles grant and no more, and
notes what was used. Each verb that is used is granted, each verb that is granted is used."""

import http.client
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

import chart
from support.kube_api import KubeApi, Refused, make_certificates

WEBHOOK = ""
NAME = "podtap-webhook"
PATH = re.compile(r"^/(?:api|apis/(?P<group>[^/]+))/v\d[a-z0-9]*(?:/namespaces/(?P<namespace>[^/]+)(?=/))?/(?P<resource>[a-z]+)(?:/(?P<name>[^/]+))?$")
PATIENCE_S = 90


def asked(request):
    """(group, resource, verb, namespace, name) of a request, as the API server's authorizer sees it; None: no resource."""
    found = PATH.match(request.path)
    if not found:
        return None
    name = found["name"]
    if request.method == "GET" and name is None:
        verb = "watch" if request.is_watch() else "list"
        one = re.fullmatch(r"metadata\.name=(.+)", request.query.get("fieldSelector", ""))
        name = one[1] if one else None
    else:
        verb = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[request.method]
    return found["group"] or "", found["resource"], verb, found["namespace"], name


def granted(objects):
    """{(group, resource, verb, namespace or None, name or None)} of the chart's roles."""
    rights = set()
    for role in objects:
        if role["kind"] in ("ClusterRole", "Role"):
            for rule in role["rules"]:
                for group in rule["apiGroups"]:
                    for resource in rule["resources"]:
                        for verb in rule["verbs"]:
                            for name in rule.get("resourceNames", [None]):
                                rights.add((group, resource, verb, role["metadata"].get("namespace"), name))
    return rights


class Authorizer:
    """Refuses what is not granted and notes what was used."""

    def __init__(self, rights):
        # What names an object first: a right without a name covers it as well.
        self.rights, self.used, self.refused = sorted(rights, key=lambda right: right[4] is None), set(), []
        self.lock = threading.Lock()

    def __call__(self, request):
        what = asked(request)
        if what is None:
            return
        with self.lock:
            for right in self.rights:
                if right[:3] == what[:3] and right[3] in (None, what[3]) and right[4] in (None, what[4]):
                    self.used.add(right)
                    return
            self.refused.append(what)
        raise Refused(403, "Forbidden", f"cannot {what[2]} {what[1]}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def review(port, namespace, pod):
    """Asks the webhook; False while it does not answer."""
    body = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {
        "uid": "1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "namespace": namespace, "operation": "CREATE", "object": pod}}
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    try:
        connection.request("POST", "/mutate", json.dumps(body), {"Content-Type": "application/json"})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


class Rights(unittest.TestCase):
    def populate(self, api, objects):
        api.namespace("shop", **{"traceableai-mirror": "enabled"})
        api.node("n1")
        api.put("replicasets", "cart-1", "shop", metadata={"ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart", "uid": "u", "controller": True}]})
        for o in objects:
            if o["kind"] == "MutatingWebhookConfiguration":
                api.put("mutatingwebhookconfigurations", o["metadata"]["name"], metadata=dict(o["metadata"]), webhooks=o["webhooks"])
            if o["kind"] == "Secret":
                api.put("secrets", o["metadata"]["name"], "podtap", metadata=dict(o["metadata"]), type=o["type"])

    def live(self, api, port, round_number):
        """What happens in a cluster: pods that get the sidecar and one that cannot, a new namespace, a Secret that is deleted."""
        pod = {"metadata": {"generateName": "cart-", "annotations": {"mirror.traceable.ai/enabled": "true"}},
               "spec": {"containers": [{"name": "app", "image": "nginx"}]}}
        if not review(port, "shop", pod):
            return
        skipped = {"metadata": {**pod["metadata"], "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "cart-1", "uid": "u", "controller": True}]},
                   "spec": {**pod["spec"], "hostUsers": False}}
        review(port, "shop", skipped)
        review(port, f"not-known-{round_number}", pod)
        if round_number % 10 == 3 and api.get("secrets", f"{NAME}-certificate", "podtap"):
            api.delete("secrets", f"{NAME}-certificate", "podtap")

    def check(self, case, openshift=False):
        if not os.path.exists(WEBHOOK):
            self.skipTest(f"{WEBHOOK} is not built")
        objects = chart.objects(chart.render({case: chart.CASES[case]})[case])
        args = next(o for o in objects if o["kind"] == "Deployment" and o["metadata"]["name"] == NAME)["spec"]["template"]["spec"][
            "containers"][0]["args"]
        args = [a for a in args if not a.startswith(("--listen_address", "--admin_address", "--tls_", "--drain_s"))]
        # As often as the test needs it, but never where the chart says never.
        args = [a if a == "--survey_interval_s=0" else "--survey_interval_s=1" for a in args if a.startswith("--survey_interval_s")] + [
            a for a in args if not a.startswith("--survey_interval_s")]
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            make_certificates(folder)
            (folder / "token").write_text("first-token\n", encoding="utf-8")
            if "--certificates=self" not in args:
                subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                                "/CN=x", "-keyout", folder / "tls.key", "-out", folder / "tls.crt"], check=True, capture_output=True)
                args += [f"--tls_cert_file={folder}/tls.crt", f"--tls_key_file={folder}/tls.key"]
            api = KubeApi(folder, version=chart.CASES[case][0], openshift=openshift)
            authorizer = api.misbehave = Authorizer(granted(objects))
            try:
                self.populate(api, objects)
                port = free_port()
                with open(folder / "log", "w+", encoding="utf-8") as log, subprocess.Popen(
                        [WEBHOOK, *args, f"--listen_address=127.0.0.1:{port}", "--admin_address=", "--namespace=podtap", "--drain_s=0",
                         f"--kube_api_url={api.url}", f"--kube_token_file={folder}/token", f"--kube_ca_file={folder}/ca.crt"],
                        stderr=log, env={"PATH": os.environ["PATH"], "POD_NAME": "webhook-0"}) as process:
                    deadline, number = time.monotonic() + PATIENCE_S, 0
                    while authorizer.used != set(authorizer.rights) and time.monotonic() < deadline and process.poll() is None:
                        self.live(api, port, number)
                        number += 1
                        time.sleep(0.1)
                    process.terminate()
                    process.wait(timeout=60)
                    log.seek(0)
                    text = log.read()[-3000:]
            finally:
                api.close()
            self.assertEqual(authorizer.refused, [], f"used and not granted; log: {text}")
            self.assertEqual(set(authorizer.rights) - authorizer.used, set(), f"granted and not used; log: {text}")

    def test_all_that_is_used_is_granted_and_all_that_is_granted_is_used(self):
        self.check("default")

    def test_with_every_option(self):
        self.check("everything", openshift=True)

    def test_with_the_fewest_options(self):
        self.check("secret")
