#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes api_types.json, the published types that the manifests are decoded against, from packages of the npm registry:

    npm pack @kubernetes/client-node @kubernetes-models/prometheus-operator @kubernetes-models/cert-manager
    (unpack each into a folder of its own)
    extract_api_types.py CLIENT_NODE PROMETHEUS_OPERATOR CERT_MANAGER > api_types.json

@kubernetes/client-node is generated from Kubernetes' OpenAPI document, the other two from the CRDs of the Prometheus operator and
cert-manager. Only the types that the kinds below reach are kept, and of each property only its name, its type and whether it is
required. A type is "string", "number", "boolean", "any", "int-or-string", {"enum": [...]}, {"array": T}, {"map": T}, {"ref": NAME}
or {"properties": {NAME: [T, required]}}.
"""

import json
import os
import re
import sys

KINDS = """v1/ConfigMap v1/Namespace v1/Pod v1/Secret v1/Service v1/ServiceAccount
apps/v1/DaemonSet apps/v1/Deployment batch/v1/Job policy/v1/PodDisruptionBudget networking.k8s.io/v1/NetworkPolicy
rbac.authorization.k8s.io/v1/ClusterRole rbac.authorization.k8s.io/v1/ClusterRoleBinding
rbac.authorization.k8s.io/v1/Role rbac.authorization.k8s.io/v1/RoleBinding
admissionregistration.k8s.io/v1/MutatingWebhookConfiguration admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy
admissionregistration.k8s.io/v1/ValidatingAdmissionPolicyBinding""".split()
MONITORING = "ServiceMonitor PodMonitor PrometheusRule".split()
CERTIFICATES = "Certificate Issuer".split()

TOKEN = re.compile(r'"[^"]*"|\'[^\']*\'|[A-Za-z_$][\w$.]*|[{}\[\]<>():;,?|=&]')


class Parser:
    """The types of a .d.ts file, as far as generators write them."""

    def __init__(self, text, resolve):
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        self.tokens = TOKEN.findall(text)
        self.at = 0
        self.resolve = resolve

    def peek(self):
        return self.tokens[self.at]

    def take(self, expected=None):
        token = self.tokens[self.at]
        if expected is not None and token != expected:
            raise SyntaxError(f"{expected} expected, found {self.tokens[self.at:self.at + 8]}")
        self.at += 1
        return token

    def type(self):
        choices = [self.single()]
        while self.peek() == "|":
            self.take()
            choices.append(self.single())
        choices = [choice for choice in choices if choice != "null"]
        if len(choices) == 1:
            return choices[0]
        if all(isinstance(choice, dict) and "enum" in choice for choice in choices):
            return {"enum": sorted(value for choice in choices for value in choice["enum"])}
        if set(map(str, choices)) == {"string", "number"}:
            return "int-or-string"
        return "any"

    def single(self):
        token = self.take()
        if token[0] in "\"'":
            result = {"enum": [token[1:-1]]}
        elif token == "{":
            result = self.object()
        elif token == "Array":
            self.take("<")
            result = {"array": self.type()}
            self.take(">")
        elif token in ("string", "number", "boolean", "any", "null"):
            result = token
        elif token in ("unknown", "object"):
            result = "any"
        else:
            result = self.resolve(token)
        while self.peek() == "[":
            self.take("[")
            self.take("]")
            result = {"array": result}
        return result

    def object(self):
        """After the opening brace, up to the closing one."""
        properties = {}
        while self.peek() != "}":
            if self.peek() == "[":  # [key: string]: T
                while self.take() != "]":
                    pass
                self.take(":")
                value = {"map": self.type()}
                self.take(";")
                if self.peek() == "}":
                    self.take("}")
                    return value
                continue
            name = self.take().strip("\"'")
            required = self.peek() != "?"
            if not required:
                self.take("?")
            self.take(":")
            properties[name] = [self.type(), required]
            self.take(";")
        self.take("}")
        return {"properties": properties} if properties else "any"


class Types:
    def __init__(self, client, prometheus, certificates):
        self.client = os.path.join(client, "dist/gen/models")
        self.monitoring = os.path.join(prometheus, "monitoring.coreos.com/v1")
        self.certificates = os.path.join(certificates, "cert-manager.io/v1")
        self.types = {}

    def core(self, name):
        """A type of Kubernetes itself, by the name of its class."""
        if name == "IntOrString":
            return "int-or-string"
        if name in ("Date", "V1MicroTime", "V1Time"):
            return "string"
        if name not in self.types:
            self.types[name] = None  # it may hold itself
            with open(os.path.join(self.client, f"{name}.d.ts"), encoding="utf-8") as file:
                body = file.read().split(f"export declare class {name} {{", 1)[1].split("static readonly", 1)[0] + "}"
            parsed = Parser(body, self.core).object()
            self.types[name] = {key.lstrip("_"): value for key, value in parsed["properties"].items()}
        return {"ref": name}

    def custom(self, folder, prefix):
        def resolve(token):
            if token.startswith(("IIoK8sApimachineryPkgUtilIntstr", "IIoK8sApimachineryPkgApiResourceQuantity")):
                return "int-or-string"
            if token in ("IObjectMeta", "IIoK8sApimachineryPkgApisMetaV1ObjectMeta"):
                return self.core("V1ObjectMeta")
            if token.startswith("IIoK8sApimachineryPkgApisMetaV1"):
                return self.core(token.removeprefix("IIoK8sApimachineryPkgApisMeta"))
            if token.startswith("IIoK8sApiCoreV1"):
                return self.core(token.removeprefix("IIoK8sApiCore"))
            short = re.sub(r"^I(ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1)?", "", token)
            name = prefix + short
            if name not in self.types:
                self.types[name] = None
                with open(os.path.join(folder, f"{short}.d.ts"), encoding="utf-8") as file:
                    text = file.read()
                # The class lists what its interface inherits as well.
                found = (re.search(rf"export interface I{short} (?:extends TypeMeta )?{{(.*?)\n}}", text, re.S) or
                         re.search(rf"export declare class {short} [^{{]*{{(.*?)\n    (?:static|constructor)", text, re.S))
                if found:
                    self.types[name] = Parser(found[1] + "}", resolve).object()["properties"]
                else:
                    alias = re.search(rf"export (?:declare )?type I?{short} = (.*?);", text, re.S)
                    self.types[name] = Parser(alias[1] + ";", resolve).type()
            kept = self.types[name]
            return kept if isinstance(kept, str) or (isinstance(kept, dict) and "enum" in kept) else {"ref": name}

        return resolve


def reached(types, roots):
    """The names that the roots lead to, without objects' statuses: nobody writes them in a manifest."""
    seen, queue = set(), list(roots)

    def refs(node):
        if isinstance(node, dict):
            if isinstance(node.get("ref"), str):
                yield node["ref"]
            for value in node.values():
                yield from refs(value)
        elif isinstance(node, list):
            for value in node:
                yield from refs(value)

    while queue:
        name = queue.pop()
        if name not in seen:
            seen.add(name)
            queue.extend(refs(types[name]))
    return seen


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    types = Types(*sys.argv[1:])
    kinds = {}
    for kind in KINDS:
        group_version, name = kind.rsplit("/", 1)
        kinds[kind] = types.core(group_version.rsplit("/", 1)[-1].upper() + name)["ref"]
    for folder, prefix, group, names in ((types.monitoring, "Monitoring", "monitoring.coreos.com/v1", MONITORING),
                                         (types.certificates, "CertManager", "cert-manager.io/v1", CERTIFICATES)):
        resolve = types.custom(folder, prefix)
        for name in names:
            kinds[f"{group}/{name}"] = resolve(f"I{name}")["ref"]
    for name in kinds.values():
        types.types[name].pop("status", None)
    kept = {name: types.types[name] for name in sorted(reached(types.types, kinds.values()))
            if isinstance(types.types[name], dict) and "enum" not in types.types[name]}
    with open(os.path.join(types.client, "V1Pod.d.ts"), encoding="utf-8") as file:
        version = re.search(r"OpenAPI spec version: (\S+)", file.read())[1]
    print("{")
    print(f' "source": {json.dumps("Kubernetes " + version + ", Prometheus operator and cert-manager; see extract_api_types.py")},')
    print(f' "kinds": {json.dumps(kinds, sort_keys=True)},')
    print(' "types": {')
    print(",\n".join(f"  {json.dumps(name)}: {json.dumps(value, sort_keys=True)}" for name, value in kept.items()))
    print(" }\n}")


if __name__ == "__main__":
    main()
