# SPDX-License-Identifier: Apache-2.0
"""The Helm chart, rendered for a matrix of values by tests/manifests/render."""

import copy
import json
import os
import subprocess
import tempfile

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CHART = os.path.join(ROOT, "manifests/helm/podtap")

MONITORING = {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True},
              "prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}}
DIGEST = "sha256:" + "ab" * 32

# name: (API server, release, values). Each has a golden file.
CASES = {
    "default": ("v1.31.2", "podtap", {}),
    "kubernetes-1.22": ("v1.22.17", "podtap", {}),
    "kubernetes-1.27-all-pods": ("v1.27.9", "podtap", {"injector": {"sendAllPods": True}}),
    "kubernetes-1.29": ("v1.29.4-eks-036c24b", "podtap", {}),
    "mirror-all": ("v1.31.2", "podtap", {"daemonSetMirrorAllNamespaces": True}),
    "mirror-all-1.25": ("v1.25.0", "podtap", {"daemonSetMirrorAllNamespaces": True}),
    "canary": ("v1.31.2", "podtap-canary", {"revision": "canary", "collector": {"enabled": False},
                                            "sidecar": {"sink": "otlp:http://podtap-collector.podtap.svc:4318"}}),
    "unprivileged": ("v1.31.2", "podtap", {"ebpfRunAsPrivileged": False}),
    "capabilities": ("v1.31.2", "podtap", {"ebpfRunAsPrivileged": False, "ebpfAllowedCapabilities": ["BPF", "NET_ADMIN", "PERFMON"],
                                           "ebpfSELinuxOptions": {"Enabled": True, "User": "system_u"}}),
    "traceable": ("v1.31.2", "tap", {
        "token": "s3cr3t-token", "endpoint": "api.traceable.ai", "environment": "staging", "runAsDaemonSet": False,
        "daemonSetMirroringEnabled": True, "ebpfCaptureEnabled": True, "ebpfRunAsPrivileged": True, "ebpfLogLevel": "debug",
        "maxActiveRetProbe": 1, "injector": {"failurePolicy": "Fail", "mirror": {"matchSelectors": {
            "matchLabels": {"tier": "web"}, "matchExpressions": [{"key": "app", "operator": "Exists"}]}}}}),
    "match-selectors-list": ("v1.31.2", "podtap", {"injector": {"mirror": {"matchSelectors": [
        {"key": "app", "operator": "NotIn", "values": ["legacy"]}]}}}),
    "everything": ("v1.33.0", "podtap", {
        "imagePullSecrets": [{"name": "pull"}], "monitoring": MONITORING,
        "webhook": {"image": {"repository": "r.example/podtap-webhook", "digest": DIGEST}, "hostNetwork": True, "port": 9443,
                    "adminPort": 9080, "checkQuota": True, "openshift": True, "offSwitchConfigMap": "podtap-switch",
                    "extraArgs": ["--oldest_node_kernel=5.4"], "podLabels": {"team": "sre"},
                    "podAnnotations": {"a": "b"}, "nodeSelector": {"disk": "fast"}, "tolerations": [{"operator": "Exists"}],
                    "affinity": {"nodeAffinity": {}}, "topologySpreadConstraints": [
                        {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}]},
        "sidecar": {"image": {"repository": "r.example/podtap-sidecar", "tag": "1.2.3", "pullPolicy": "Always"},
                    "metricsPort": 19090, "namedSinks": {"siem": "otlp:http://siem.security.svc:4318"}, "tlsCapture": True,
                    "args": ["--redact_json_fields=password,card", "--exclude_paths=/healthz"]},
        "collector": {"requireToken": True, "replicas": 2}, "injector": {"skipNamespaces": ["cert-manager", "istio-system"]},
        "tokenSecret": {"name": "traceable"}, "endpoint": "http://sink.example:4318",
        "networkPolicy": {"metricsFrom": [{"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}]},
        "guard": {"exemptGroups": ["system:masters", "sre"]}, "serviceAccount": {"annotations": {"c": "d"}}}),
    "cert-manager": ("v1.31.2", "podtap", {"certificates": {"source": "cert-manager"}}),
    "cert-manager-issuer": ("v1.31.2", "podtap", {"certificates": {
        "source": "cert-manager", "issuerRef": {"kind": "ClusterIssuer", "name": "internal"}}}),
    "secret": ("v1.31.2", "podtap", {"certificates": {"source": "secret", "secretName": "tls", "caBundle": "Q0E="},
                                     "webhook": {"surveyIntervalSeconds": 0, "sendEvents": False, "replicas": 1}}),
    "direct": ("v1.31.2", "podtap", {"collector": {"enabled": False}, "sidecar": {
        "sink": "otlp:https://api.example.com:443", "tokenSecret": "podtap-token/key"}}),
    "off": ("v1.31.2", "podtap", {"ebpfCaptureEnabled": False, "guard": {"enabled": False}, "networkPolicy": {"enabled": False}}),
}


def merged(base, over):
    """Helm's merge of values: maps by key, everything else replaced."""
    result = copy.deepcopy(base)
    for key, value in over.items():
        result[key] = merged(result[key], value) if isinstance(value, dict) and isinstance(result.get(key), dict) else value
    return result


def default_values():
    with open(os.path.join(CHART, "values.yaml"), encoding="utf-8") as file:
        return yaml.safe_load(file)


_renderer = None  # pylint: disable=invalid-name


def _build():
    global _renderer  # pylint: disable=global-statement
    if _renderer is None:
        _renderer = tempfile.TemporaryDirectory(prefix="podtap-render-")
        environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
        environment.setdefault("HOME", _renderer.name)
        subprocess.run(["go", "build", "-o", os.path.join(_renderer.name, "render"), "."], check=True,
                       cwd=os.path.join(HERE, "render"), env=environment)
    return os.path.join(_renderer.name, "render")


def render(cases):
    """{name: (API server, release, values)} becomes {name: {"files": {template: text}, "error": text}}."""
    values = default_values()
    described = [{"name": name, "release": release, "namespace": "podtap", "kubeVersion": version, "values": merged(values, over)}
                 for name, (version, release, over) in cases.items()]
    done = subprocess.run([_build(), CHART], input=json.dumps(described), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return {result["name"]: result for result in json.loads(done.stdout)}


def documents(text):
    return [document for document in yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if document is not None]


def objects(result):
    """All objects of a rendered case, in the order of their files."""
    return [document for name in sorted(result["files"]) if name.endswith(".yaml") for document in documents(result["files"][name])]


def golden_text(result):
    """What a golden file holds: every template's output, without blank lines."""
    parts = []
    for name in sorted(result["files"]):
        lines = [line.rstrip() for line in result["files"][name].splitlines() if line.strip()]
        if [line for line in lines if line.strip() != "---" and not line.lstrip().startswith("#")]:
            parts.append("\n".join([f"# Source: {name}", *lines]))
    return "\n---\n".join(parts) + "\n"
