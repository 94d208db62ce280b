# SPDX-License-Identifier: Apache-2.0
"""The chart, rendered: goldens, types, and whether its objects fit each other, the webhook's flags and the documentation."""

import functools
import itertools
import json
import os
import re
import subprocess
import unittest

import jsonschema
import yaml

import chart
from api_types import errors_of

GOLDENS = os.path.join(chart.HERE, "golden")
WEBHOOK = os.path.join(chart.ROOT, "build/bin/podtap-webhook")
UPDATE = False
RENDERED = {}


def rendered():
    if not RENDERED:
        RENDERED.update(chart.render(chart.CASES))
    return RENDERED


@functools.lru_cache(None)
def objects(case):
    """To be read only."""
    result = rendered()[case]
    if result["error"]:
        raise AssertionError(f"{case}: {result['error']}")
    return chart.objects(result)


def of_kind(case, kind, name=None):
    return [o for o in objects(case) if o["kind"] == kind and (name is None or o["metadata"]["name"] == name)]


def one(case, kind, name=None):
    found = of_kind(case, kind, name)
    if len(found) != 1:
        raise AssertionError(f"{case}: {len(found)} {kind} {name}")
    return found[0]


def webhook_deployment(case):
    return next(o for o in of_kind(case, "Deployment") if o["metadata"]["labels"]["app.kubernetes.io/component"] == "webhook")


def leaves(values, schema, path=""):
    """The values that the schema describes as one: rows of the table."""
    for key, value in values.items():
        below = schema["properties"][key]
        here = f"{path}.{key}" if path else key
        if isinstance(value, dict) and below.get("additionalProperties") is False:
            yield from leaves(value, below, here)
        else:
            yield here, value


class Values(unittest.TestCase):
    def setUp(self):
        with open(os.path.join(chart.CHART, "values.schema.json"), encoding="utf-8") as file:
            self.schema = json.load(file)
        jsonschema.Draft7Validator.check_schema(self.schema)
        self.validator = jsonschema.Draft7Validator(self.schema)

    def errors(self, over):
        return [error.message for error in self.validator.iter_errors(chart.merged(chart.default_values(), over))]

    def test_schema_accepts_the_defaults_and_every_case(self):
        for name, (_, _, over) in chart.CASES.items():
            self.assertEqual(self.errors(over), [], name)

    def test_schema_refuses_mistakes(self):
        for over in ({"tokn": "x"}, {"injector": {"failurePolicy": "ignore"}}, {"injector": {"timeoutSeconds": 31}},
                     {"webhook": {"replicas": "2"}}, {"ebpfRunAsPrivileged": "false"}, {"maxBodySize": 99999999},
                     {"sidecar": {"metricsPort": 70000}}, {"sidecar": {"image": {"digest": "latest"}}},
                     {"webhook": {"image": {"pullPolicy": "Sometimes"}}}, {"certificates": {"source": "magic"}},
                     {"revision": ""}, {"ebpfLogLevel": "loud"}, {"guard": {"exemptGroups": ["it's"]}}):
            self.assertNotEqual(self.errors(over), [], over)

    def test_readme_lists_every_value_with_its_default(self):
        with open(os.path.join(chart.CHART, "README.md"), encoding="utf-8") as file:
            rows = re.findall(r"^\| `([^`]+)` \| `(.*?)` \| (.+) \|$", file.read(), re.M)
        show = lambda value: (value or '""') if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        wanted = [(path, show(value)) for path, value in leaves(chart.default_values(), self.schema)]
        self.assertEqual([(path, default) for path, default, _ in rows], wanted)
        self.assertTrue(all(meaning.strip() for _, _, meaning in rows))

    def test_values_that_documents_name_exist(self):
        number = 0
        for name in ("operations", "production", "security"):
            with open(os.path.join(chart.ROOT, f"docs/{name}.md"), encoding="utf-8") as file:
                text = file.read()
            for path in re.findall(r"[`, ]((?:webhook|sidecar|collector|injector|guard|monitoring|prePull|certificates|networkPolicy|ebpf\w+)"
                                   r"\.[A-Za-z.]+[A-Za-z])[`=]", text):
                value = chart.default_values()
                for key in path.split("."):
                    self.assertIn(key, value, f"docs/{name}.md: {path}")
                    value = value[key]
                number += 1
        self.assertGreater(number, 20)

    def test_version_is_that_of_the_project(self):
        with open(os.path.join(chart.ROOT, "CMakeLists.txt"), encoding="utf-8") as file:
            version = re.search(r"project\(podtap VERSION ([\d.]+)", file.read()).group(1)
        with open(os.path.join(chart.CHART, "Chart.yaml"), encoding="utf-8") as file:
            description = yaml.safe_load(file)
        self.assertEqual((description["version"], description["appVersion"]), (version, version))


class Rendering(unittest.TestCase):
    maxDiff = 4000

    def test_equals_the_goldens(self):
        if UPDATE:
            os.makedirs(GOLDENS, exist_ok=True)
            for name in chart.CASES:
                with open(os.path.join(GOLDENS, f"{name}.yaml"), "w", encoding="utf-8") as file:
                    file.write(chart.golden_text(rendered()[name]))
        self.assertEqual(sorted(os.listdir(GOLDENS)), sorted(f"{name}.yaml" for name in chart.CASES))
        for name in chart.CASES:
            with self.subTest(name), open(os.path.join(GOLDENS, f"{name}.yaml"), encoding="utf-8") as file:
                self.assertEqual(chart.golden_text(rendered()[name]), file.read(),
                                 "run tests/manifests/run.py --update if the change is meant")

    def test_every_object_is_what_the_api_publishes(self):
        for name in chart.CASES:
            for document in objects(name):
                self.assertEqual(errors_of(document), [], f"{name}: {document['kind']}")

    def test_strict_decoding_finds_mistakes(self):
        for mistake in (lambda o: o["spec"].update(replica=2), lambda o: o["spec"].update(replicas="2"),
                        lambda o: o["spec"].pop("selector"), lambda o: o["spec"]["template"]["spec"]["containers"][0].pop("name"),
                        lambda o: o["spec"]["template"]["spec"]["containers"][0].update(env={}), lambda o: o.update(kind="Deploymnt")):
            document = json.loads(json.dumps(webhook_deployment("default")))
            mistake(document)
            self.assertNotEqual(errors_of(document), [])

    def test_no_two_objects_share_a_name(self):
        for name in chart.CASES:
            names = [(o["kind"], o["metadata"]["name"]) for o in objects(name)]
            self.assertEqual(len(names), len(set(names)), name)

    def test_two_revisions_share_no_object(self):
        names = lambda case: {(o["kind"], o["metadata"]["name"]) for o in objects(case)}
        self.assertEqual(names("default") & names("canary"), set())

    def test_notes_say_what_matters(self):
        notes = {name: result["files"]["templates/NOTES.txt"] for name, result in rendered().items()}
        for name, text in notes.items():
            self.assertIn("pullable without a pull secret", re.sub(r"\s+", " ", text), name)
            self.assertIn("traceableai-mirror=enabled", text)
        self.assertIn("older than 1.30", notes["kubernetes-1.29"])
        self.assertIn("matchConditions", notes["kubernetes-1.22"])
        self.assertNotIn("matchConditions", notes["default"])

    def test_wrong_combinations_are_refused(self):
        cases = {"pod monitor": ("v1.31.0", "podtap", {"monitoring": {"podMonitor": {"enabled": True}}}),
                 "no secret": ("v1.31.0", "podtap", {"certificates": {"source": "secret"}})}
        results = chart.render(cases)
        self.assertIn("sidecar.metricsPort", results["pod monitor"]["error"])
        self.assertIn("certificates.secretName", results["no secret"]["error"])


class Fit(unittest.TestCase):
    """Names, selectors and ports, against each other."""

    def test_webhook_service_and_deployment(self):
        for case in chart.CASES:
            deployment = webhook_deployment(case)
            pod = deployment["spec"]["template"]
            container = pod["spec"]["containers"][0]
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            flags = dict(argument[2:].partition("=")[::2] for argument in container["args"])
            self.assertEqual(flags["listen_address"], f"[::]:{ports['https']}")
            self.assertEqual(flags["admin_address"], f"[::]:{ports['metrics']}")
            for path in ("readinessProbe", "livenessProbe"):
                self.assertIn(container[path]["httpGet"]["port"], ports)
            configuration = one(case, "MutatingWebhookConfiguration")
            for entry in configuration["webhooks"]:
                target = entry["clientConfig"]["service"]
                service = one(case, "Service", target["name"])
                self.assertEqual(service["metadata"]["namespace"], target["namespace"])
                port = next(port for port in service["spec"]["ports"] if port["port"] == target["port"])
                self.assertEqual(ports[port["targetPort"]], ports["https"])
                self.assertEqual(target["path"], "/mutate")
                self.assertLessEqual(service["spec"]["selector"].items(), pod["metadata"]["labels"].items())
                self.check_certificate(case, flags, service, configuration, pod)

    def check_certificate(self, case, flags, service, configuration, pod):
        dns = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
        if flags.get("certificates") == "self":
            self.assertEqual(flags["service_name"], service["metadata"]["name"])
            self.assertEqual(flags["webhook_configuration_name"], configuration["metadata"]["name"])
            one(case, "Secret", flags["secret_name"])
            return
        secret = next(v for v in pod["spec"]["volumes"] if v["name"] == "certificate")["secret"]["secretName"]
        mount = pod["spec"]["containers"][0]["volumeMounts"][0]
        self.assertTrue(flags["tls_cert_file"].startswith(mount["mountPath"] + "/"))
        if of_kind(case, "Certificate"):
            certificate = one(case, "Certificate")
            self.assertEqual(certificate["spec"]["secretName"], secret)
            self.assertIn(dns, certificate["spec"]["dnsNames"])
            self.assertEqual(configuration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"],
                             f"{certificate['metadata']['namespace']}/{certificate['metadata']['name']}")

    def test_selectors_select_their_own_pods_only(self):
        for case in chart.CASES:
            workloads = of_kind(case, "Deployment") + of_kind(case, "DaemonSet")
            pods = {o["metadata"]["name"]: o["spec"]["template"]["metadata"]["labels"] for o in workloads}
            pods.update({o["metadata"]["name"]: o["metadata"]["labels"] for o in of_kind(case, "Pod")})
            selectors = [(o["metadata"]["name"], o["spec"]["selector"]["matchLabels"])
                         for o in workloads + of_kind(case, "PodDisruptionBudget")]
            selectors += [(o["metadata"]["name"], o["spec"]["selector"]) for o in of_kind(case, "Service")]
            selectors += [(o["metadata"]["name"], o["spec"]["podSelector"]["matchLabels"]) for o in of_kind(case, "NetworkPolicy")]
            for name, selector in selectors:
                self.assertEqual([pod for pod, labels in pods.items() if selector.items() <= labels.items()], [name], case)

    def test_a_rollout_loses_no_review(self):
        for case in chart.CASES:
            spec = webhook_deployment(case)["spec"]
            self.assertEqual(spec["strategy"]["rollingUpdate"]["maxUnavailable"], 0)
            pod = spec["template"]["spec"]
            sleep = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            drain = int(next(a for a in pod["containers"][0]["args"] if a.startswith("--drain_s=")).split("=")[1])
            self.assertGreater(pod["terminationGracePeriodSeconds"], sleep + drain)
            self.assertEqual(sleep > 0, chart.CASES[case][0] >= "v1.30")
            self.assertTrue(pod["securityContext"]["runAsNonRoot"])
            self.assertIn("podAntiAffinity" if case != "everything" else "nodeAffinity", pod["affinity"])
            self.assertTrue(pod["topologySpreadConstraints"] and pod["priorityClassName"])
            self.assertEqual(len(of_kind(case, "PodDisruptionBudget")), 1 if spec["replicas"] > 1 else 0)

    def test_sidecars_send_to_the_collector_that_is_there(self):
        for case in chart.CASES:
            flags = webhook_deployment(case)["spec"]["template"]["spec"]["containers"][0]["args"]
            sink = next(a for a in flags if a.startswith("--sidecar_sink=")).split("=", 1)[1]
            collectors = [o for o in of_kind(case, "Deployment") if o["metadata"]["labels"]["app.kubernetes.io/component"] == "collector"]
            self.assertLessEqual(len(collectors), 1)
            if not collectors:
                continue
            service = one(case, "Service", collectors[0]["metadata"]["name"])
            self.assertEqual(sink, f"otlp:http://{service['metadata']['name']}.{service['metadata']['namespace']}.svc:4318")
            configuration = yaml.safe_load(one(case, "ConfigMap", collectors[0]["metadata"]["name"])["data"]["config.yaml"])
            self.assertEqual(configuration["receivers"]["otlp"]["protocols"]["http"]["endpoint"], "0.0.0.0:4318")
            self.check_pipelines(configuration)

    def check_pipelines(self, configuration):
        service = configuration["service"]
        used = {"extensions": set(service["extensions"]), "receivers": set(), "processors": set(), "exporters": set()}
        for pipeline in service["pipelines"].values():
            for kind, names in pipeline.items():
                used[kind] |= set(names)
        for kind, names in used.items():
            self.assertEqual(names, set(configuration.get(kind, {})), kind)

    def test_example_values_are_accepted_and_render(self):
        folder = os.path.join(chart.CHART, "examples")
        cases = {}
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                cases[name] = ("v1.31.2", "podtap", yaml.safe_load(file))
        for name, result in chart.render(cases).items():
            self.assertEqual(result["error"], "", name)
            found = [o for o in chart.objects(result) if o["kind"] == "ConfigMap"]
            self.check_pipelines(yaml.safe_load(found[0]["data"]["config.yaml"]))
            for document in chart.objects(result):
                self.assertEqual(errors_of(document), [], name)

    def test_no_token_stands_anywhere_but_in_its_secret(self):
        for document in objects("traceable"):
            if document["kind"] != "Secret":
                self.assertNotIn("s3cr3t-token", json.dumps(document))
        collector = one("traceable", "Deployment", "tap-podtap-collector")["spec"]["template"]["spec"]["containers"][0]
        reference = collector["env"][0]["valueFrom"]["secretKeyRef"]
        self.assertIn(reference["key"], one("traceable", "Secret", reference["name"])["data"])

    def test_what_prometheus_and_grafana_ask_for_exists(self):
        known = ""
        for name in ("docs/operations.md", "docs/events.md", "base/counters.h", "webhook/webhook_metrics.cc", "webhook/cluster_metrics.cc"):
            with open(os.path.join(chart.ROOT, name), encoding="utf-8") as file:
                known += file.read()
        rule = one("everything", "PrometheusRule")
        expressions = [r["expr"] for group in rule["spec"]["groups"] for r in group["rules"]]
        dashboard = json.loads(one("everything", "ConfigMap", "podtap-dashboard")["data"]["podtap.json"])
        expressions += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
        for name in set(itertools.chain(*(re.findall(r"\bpodtap_\w+", text) for text in expressions))):
            short = re.sub(r"_bucket$", "", name)
            self.assertTrue(short in known or "`…" + short.removeprefix("podtap_webhook") + "`" in known, name)
        for reason in set(itertools.chain(*(re.findall(r'reason=~"([^"]+)"', text) for text in expressions))):
            for word in reason.split("|"):
                self.assertIn(f"| `{word}` |", known)


class Flags(unittest.TestCase):
    """The real podtap-webhook takes what the chart passes."""

    def test_the_webhook_takes_every_flag(self):
        if not os.path.exists(WEBHOOK):
            self.skipTest(f"{WEBHOOK} is not built")
        for case in chart.CASES:
            container = webhook_deployment(case)["spec"]["template"]["spec"]["containers"][0]
            done = subprocess.run([WEBHOOK, *container["args"], "--kube_api_url=http://127.0.0.1:1", "--namespace=podtap", "--check_config"], text=True,
                                  capture_output=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), case)

    def test_the_webhook_refuses_what_is_no_flag(self):
        if not os.path.exists(WEBHOOK):
            self.skipTest(f"{WEBHOOK} is not built")
        container = webhook_deployment("default")["spec"]["template"]["spec"]["containers"][0]
        done = subprocess.run([WEBHOOK, *container["args"], "--no_such_flag=1", "--check_config"], capture_output=True, timeout=60,
                              check=False)
        self.assertEqual(done.returncode, 2)
