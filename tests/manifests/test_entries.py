# SPDX-License-Identifier: Apache-2.0
"""The webhook's entries: each pod that may get the sidecar is sent exactly once, whatever labels meet, and no other is sent at all."""

import itertools
import unittest

import chart

ANNOTATION = "mirror.traceable.ai/enabled"
REVISION = "mirror.traceable.ai/revision"
ANNOTATED = f"has(object.metadata.annotations) && '{ANNOTATION}' in object.metadata.annotations"


def matches(selector, labels):
    """A label selector as the API server reads it."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions", []):
        key, operator, values = expression["key"], expression["operator"], expression.get("values", [])
        holds = {"In": key in labels and labels.get(key) in values, "NotIn": key not in labels or labels[key] not in values,
                 "Exists": key in labels, "DoesNotExist": key not in labels}[operator]
        if not holds:
            return False
    return True


def condition_holds(condition, annotations):
    """The chart has these two only; another one needs a test of its own."""
    return {ANNOTATED: ANNOTATION in (annotations or {}), f"!({ANNOTATED})": ANNOTATION not in (annotations or {})}[condition]


def sent(configuration, namespace, pod):
    return [entry["name"] for entry in configuration["webhooks"]
            if matches(entry["namespaceSelector"], namespace) and matches(entry["objectSelector"], pod["labels"]) and
            all(condition_holds(c["expression"], pod["annotations"]) for c in entry.get("matchConditions", []))]


def choices(key, values):
    return [{} if value is None else {key: value} for value in values]


def worlds():
    """Every meeting of labels that mean something."""
    for name, label, older, of_namespace, of_pod, annotation in itertools.product(
            ("shop", "kube-system", "podtap", "istio-system"), choices("traceableai-mirror", (None, "enabled", "disabled", "Enabled")),
            choices("traceableai-inject-mirror", (None, "enabled", "no")), choices(REVISION, (None, "default", "canary", "third")),
            choices(REVISION, (None, "default", "canary", "third")), (None, {}, {ANNOTATION: "true"}, {ANNOTATION: "flase"})):
        yield ({"kubernetes.io/metadata.name": name, **label, **older, **of_namespace},
               {"labels": {"app": "cart", "tier": "web", **of_pod}, "annotations": annotation})


def is_wanted(namespace, pod, revision, mirror_all=False, sends_annotated=True, skip=()):
    if namespace["kubernetes.io/metadata.name"] in ("kube-system", "podtap", *skip):
        return False
    if pod["labels"].get(REVISION, namespace.get(REVISION, "default")) != revision:
        return False
    return (namespace.get("traceableai-mirror") == "enabled" or namespace.get("traceableai-inject-mirror") == "enabled" or
            mirror_all or sends_annotated and ANNOTATION in (pod["annotations"] or {}))


class Entries(unittest.TestCase):
    def configuration(self, case):
        return next(o for o in chart.objects(RENDERED[case]) if o["kind"] == "MutatingWebhookConfiguration")

    @classmethod
    def setUpClass(cls):
        if not RENDERED:
            RENDERED.update(chart.render(chart.CASES))

    def check(self, case, **options):
        configuration = self.configuration(case)
        number = 0
        for namespace, pod in worlds():
            found = sent(configuration, namespace, pod)
            self.assertEqual(len(found), 1 if is_wanted(namespace, pod, **options) else 0, (case, namespace, pod, found))
            number += len(found)
        self.assertGreater(number, 100)

    def test_each_pod_is_sent_once_or_not_at_all(self):
        self.check("default", revision="default")
        self.check("canary", revision="canary")
        self.check("mirror-all", revision="default", mirror_all=True)
        self.check("mirror-all-1.25", revision="default", mirror_all=True)
        self.check("kubernetes-1.22", revision="default", sends_annotated=False)
        self.check("kubernetes-1.27-all-pods", revision="default", mirror_all=True)
        self.check("everything", revision="default", skip=("istio-system",))

    def test_match_selectors_narrow(self):
        for case, pod in (("traceable", {"app": "a", "tier": "db"}), ("match-selectors-list", {"app": "legacy"})):
            labelled = {"kubernetes.io/metadata.name": "shop", "traceableai-mirror": "enabled"}
            configuration = self.configuration(case)
            self.assertEqual(sent(configuration, labelled, {"labels": pod, "annotations": {}}), [])
            self.assertEqual(len(sent(configuration, labelled, {"labels": {"app": "a", "tier": "web"}, "annotations": {}})), 1)

    def test_what_every_entry_says(self):
        for case in chart.CASES:
            entries = self.configuration(case)["webhooks"]
            self.assertEqual(len({entry["name"] for entry in entries}), len(entries))
            for entry in entries:
                self.assertEqual((entry["failurePolicy"], entry["timeoutSeconds"], entry["reinvocationPolicy"], entry["sideEffects"]),
                                 ("Fail" if case == "traceable" else "Ignore", 5, "IfNeeded", "NoneOnDryRun"))
                self.assertEqual(entry["rules"], [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
                                                   "resources": ["pods"], "scope": "Namespaced"}])
                self.assertEqual("matchConditions" in entry and chart.CASES[case][0] < "v1.28", False)


RENDERED = {}
