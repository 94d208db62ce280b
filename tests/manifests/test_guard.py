# SPDX-License-Identifier: Apache-2.0
"""The guard's policies, evaluated: what is refused for the container podtap, and what stays allowed."""

import copy
import unittest

import chart
from cel import CelError, evaluate

POD = {"metadata": {"name": "cart"}, "spec": {
    "containers": [{"name": "app", "image": "nginx:1"}], "initContainers": [{"name": "podtap", "image": "podtap-sidecar:1"}]}}
ORDINARY = {"metadata": {"name": "cart"}, "spec": {
    "containers": [{"name": "podtap", "image": "podtap-sidecar:1"}, {"name": "app", "image": "nginx:1"}]}}
USER = ["system:authenticated"]


def changed(pod, **spec):
    result = copy.deepcopy(pod)
    result["spec"].update(spec)
    return result


class Guard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cases = {name: chart.CASES[name] for name in ("default", "everything", "kubernetes-1.29", "off")}
        cls.objects = {name: chart.objects(result) for name, result in chart.render(cases).items()}

    def is_allowed(self, resource, object, old=None, groups=None, case="default"):  # pylint: disable=redefined-builtin
        """What the API server would answer."""
        operation = "CONNECT" if resource in ("pods/exec", "pods/attach") else "UPDATE"
        bound = {o["spec"]["policyName"] for o in self.objects[case] if o["kind"] == "ValidatingAdmissionPolicyBinding" and
                 o["spec"]["validationActions"] == ["Deny"]}
        policies = [o for o in self.objects[case] if o["kind"] == "ValidatingAdmissionPolicy" and o["metadata"]["name"] in bound and any(
            resource in rule["resources"] and operation in rule["operations"] for rule in o["spec"]["matchConstraints"]["resourceRules"])]
        self.assertEqual(len(policies), 1, resource)
        spec = policies[0]["spec"]
        variables = {"object": object, "oldObject": old, "request": {"userInfo": {"groups": USER + (groups or [])}}}
        try:
            if not all(evaluate(condition["expression"], **variables) for condition in spec.get("matchConditions", [])):
                return True
            return all(evaluate(validation["expression"], **variables) for validation in spec["validations"])
        except CelError:
            return spec["failurePolicy"] == "Ignore"

    def test_exec_and_attach(self):
        for resource in ("pods/exec", "pods/attach"):
            self.assertFalse(self.is_allowed(resource, {"container": "podtap", "command": ["sh"]}))
            self.assertTrue(self.is_allowed(resource, {"container": "app", "command": ["sh"]}))
            self.assertTrue(self.is_allowed(resource, {"command": ["sh"]}))

    def test_ephemeral_containers(self):
        for pod in (POD, ORDINARY):
            with_one = changed(pod, ephemeralContainers=[{"name": "d1", "image": "x", "targetContainerName": "app"}])
            targeting = changed(pod, ephemeralContainers=[{"name": "d2", "image": "x", "targetContainerName": "podtap"}])
            both = changed(pod, ephemeralContainers=with_one["spec"]["ephemeralContainers"] + targeting["spec"]["ephemeralContainers"])
            resource = "pods/ephemeralcontainers"
            self.assertTrue(self.is_allowed(resource, with_one, pod))
            self.assertTrue(self.is_allowed(resource, changed(pod, ephemeralContainers=[{"name": "d", "image": "x"}]), pod))
            self.assertFalse(self.is_allowed(resource, targeting, pod))
            self.assertFalse(self.is_allowed(resource, both, with_one))
            # One that an exempt user has added does not make the pod immutable.
            self.assertTrue(self.is_allowed("pods", both, both))

    def test_images(self):
        self.assertTrue(self.is_allowed("pods", POD, POD))
        self.assertTrue(self.is_allowed("pods", changed(POD, containers=[{"name": "app", "image": "nginx:2"}]), POD))
        self.assertFalse(self.is_allowed("pods", changed(POD, initContainers=[{"name": "podtap", "image": "evil"}]), POD))
        self.assertTrue(self.is_allowed("pods", ORDINARY, ORDINARY))
        evil = changed(ORDINARY, containers=[{"name": "podtap", "image": "evil"}, {"name": "app", "image": "nginx:1"}])
        self.assertFalse(self.is_allowed("pods", evil, ORDINARY))
        plain = {"spec": {"containers": [{"name": "app", "image": "nginx:1"}]}}
        self.assertTrue(self.is_allowed("pods", changed(plain, containers=[{"name": "app", "image": "nginx:2"}]), plain))

    def test_exempt_groups(self):
        connect = {"container": "podtap"}
        self.assertTrue(self.is_allowed("pods/exec", connect, groups=["system:masters"]))
        self.assertFalse(self.is_allowed("pods/exec", connect, groups=["sre"]))
        self.assertTrue(self.is_allowed("pods/exec", connect, groups=["sre"], case="everything"))

    def test_only_where_it_can_be(self):
        for case in ("kubernetes-1.29", "off"):
            self.assertEqual([o for o in self.objects[case] if o["kind"].startswith("ValidatingAdmission")], [])


class Conditions(unittest.TestCase):
    def test_the_annotation_counts_whatever_its_value(self):
        result = chart.render({"all": chart.CASES["mirror-all"]})["all"]
        configuration = next(o for o in chart.objects(result) if o["kind"] == "MutatingWebhookConfiguration")
        conditions = {entry["name"].split(".")[0]: entry["matchConditions"][0]["expression"] for entry in configuration["webhooks"]
                      if "matchConditions" in entry}
        for metadata, annotated in (({}, False), ({"annotations": {}}, False), ({"annotations": {"a": "b"}}, False),
                                    ({"annotations": {"mirror.traceable.ai/enabled": "treu"}}, True)):
            self.assertEqual(evaluate(conditions["pod"], object={"metadata": metadata}), annotated)
            self.assertEqual(evaluate(conditions["rest"], object={"metadata": metadata}), not annotated)

    def test_the_evaluator_refuses_what_it_does_not_know(self):
        for text in ("a +", "size(a) > 1", "a == ", "all(a)", "a ? b : c"):
            with self.assertRaises((SyntaxError, CelError)):
                evaluate(text, a=[1])
        with self.assertRaises(CelError):
            evaluate("a.b == 'c'", a={})
        self.assertTrue(evaluate("a.b == 'c' || 'x' in ['x']", a={}))
