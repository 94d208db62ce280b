# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes API server for tests: the real wire format (lists in pages, watches with bookmarks, Status objects,
PartialObjectMetadata, optimistic concurrency, JSON Patch, the validation of events.k8s.io/v1), and every misbehaviour on
demand. It notes each request, so that a test can say literally what was sent.
"""
import base64
import copy
import http.server
import json
import re
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

import jsonpatch

KINDS = {"namespaces": ("v1", "Namespace"), "nodes": ("v1", "Node"), "pods": ("v1", "Pod"), "secrets": ("v1", "Secret"),
         "configmaps": ("v1", "ConfigMap"), "resourcequotas": ("v1", "ResourceQuota"), "limitranges": ("v1", "LimitRange"),
         "replicasets": ("apps/v1", "ReplicaSet"), "events": ("events.k8s.io/v1", "Event"),
         "mutatingwebhookconfigurations": ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration")}
QUALIFIED_NAME = re.compile(r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")
SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")


def make_certificates(folder):
    """ca.crt, and server.pem (certificate and key) for 127.0.0.1."""
    run = lambda *command: subprocess.run(command, check=True, capture_output=True, cwd=folder)
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    run(*new, "-x509", "-days", "30", "-subj", "/CN=kube-ca", "-keyout", "ca.key", "-out", "ca.crt")
    run(*new, "-subj", "/CN=kube-apiserver", "-keyout", "server.key", "-out", "server.csr")
    (folder / "server.ext").write_text("subjectAltName=IP:127.0.0.1,DNS:kubernetes.default.svc\n")
    run("openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days",
        "30", "-extfile", "server.ext", "-out", "server.crt")
    (folder / "server.pem").write_text((folder / "server.crt").read_text() + (folder / "server.key").read_text())


class Refused(Exception):
    """An answer that is a Status object."""

    def __init__(self, code, reason, message, headers=()):
        super().__init__(message)
        self.code, self.reason, self.message, self.headers = code, reason, message, dict(headers)

    def body(self):
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message,
                "reason": self.reason, "code": self.code}


class Request:
    def __init__(self, handler, body):
        self.method, self.target = handler.command, handler.path
        url = urllib.parse.urlsplit(handler.path)
        self.path = url.path
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        self.headers = {key.lower(): value for key, value in handler.headers.items()}
        self.body = body
        self.at = time.monotonic()

    def is_watch(self):
        return self.query.get("watch") == "true"


class KubeApi:
    """Objects live in self.objects[(kind plural, namespace, name)]. Misbehaviour: put a function of a Request into
    self.misbehave; it may raise Refused, sleep, or return "drop" (no answer), "half" (half of the answer's bytes) or, of a watch,
    "half-line" or "error" (an ERROR event that is not 410)."""

    def __init__(self, folder=None, token="first-token", version="v1.30.2", openshift=False):
        self.lock = threading.Condition()
        self.objects, self.history, self.requests = {}, [], []
        self.version, self.openshift, self.tokens = version, openshift, {token}
        self.resource_version, self.oldest = 1000, 1000
        self.misbehave = None
        self.access = lambda spec: True
        self.watching = 0
        self.generation = 0  # of watches: raised to end them all
        self.bookmark_every = None
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *arguments):
                pass

            def do_any(self):
                api.handle(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_any

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def finish_request(self, request, client_address):
                if folder is not None:
                    request.settimeout(30)
                    request = api.tls.wrap_socket(request, server_side=True)
                    request.settimeout(None)
                super().finish_request(request, client_address)

            def handle_error(self, request, client_address):
                pass

        if folder is not None:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(folder / "server.pem")
        self.server = Server(("127.0.0.1", 0), Handler)
        scheme = "http" if folder is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        with self.lock:
            self.generation += 1
            self.lock.notify_all()
        self.server.shutdown()
        self.server.server_close()

    # What a test does to the cluster.

    def put(self, plural, name, namespace="", **content):
        """Creates or replaces an object."""
        with self.lock:
            key = (plural, namespace, name)
            metadata = {**content.pop("metadata", {}), "name": name}
            if namespace:
                metadata["namespace"] = namespace
            version, kind = KINDS[plural]
            return self.store(key, {"apiVersion": version, "kind": kind, "metadata": metadata, **content})

    def store(self, key, value):
        kind = "MODIFIED" if key in self.objects else "ADDED"
        self.resource_version += 1
        value["metadata"]["resourceVersion"] = str(self.resource_version)
        value["metadata"].setdefault("uid", f"uid-{key[0]}-{key[2]}")
        self.objects[key] = value
        self.history.append((self.resource_version, kind, key, copy.deepcopy(value)))
        self.lock.notify_all()
        return value

    def delete(self, plural, name, namespace=""):
        with self.lock:
            value = self.objects.pop((plural, namespace, name))
            self.resource_version += 1
            value["metadata"]["resourceVersion"] = str(self.resource_version)
            self.history.append((self.resource_version, "DELETED", (plural, namespace, name), value))
            self.lock.notify_all()

    def get(self, plural, name, namespace=""):
        with self.lock:
            return copy.deepcopy(self.objects.get((plural, namespace, name)))

    def all(self, plural):
        with self.lock:
            return [copy.deepcopy(value) for key, value in sorted(self.objects.items()) if key[0] == plural]

    def namespace(self, name, **labels):
        self.put("namespaces", name, metadata={"labels": {"kubernetes.io/metadata.name": name, **labels}})

    def node(self, name, kubelet="v1.30.2", kernel="6.1.0-18-amd64", unschedulable=False, **labels):
        self.put("nodes", name, metadata={"labels": {"kubernetes.io/os": "linux", **labels}},
                 spec={"unschedulable": True} if unschedulable else {},
                 status={"nodeInfo": {"kubeletVersion": kubelet, "kernelVersion": kernel, "operatingSystem": "linux"}})

    def drop_watches(self):
        with self.lock:
            self.generation += 1
            self.lock.notify_all()

    def compact(self):
        """Forgets all versions so far, as etcd does every five minutes."""
        with self.lock:
            self.resource_version += 1
            self.oldest = self.resource_version
            self.history.clear()

    def sent(self, method, path):
        with self.lock:
            return [r for r in self.requests if r.method == method and r.path == path]

    # What a client sees.

    def handle(self, handler):
        length = int(handler.headers.get("Content-Length") or 0)
        request = Request(handler, handler.rfile.read(length).decode() if length else "")
        with self.lock:
            self.requests.append(request)
            misbehave = self.misbehave
        how = None
        try:
            how = misbehave(request) if misbehave else None
            if how == "drop":
                handler.close_connection = True
                handler.connection.close()
                return
            self.authenticate(request)
            if request.is_watch():
                self.watch(handler, request, how)
                return
            code, body = self.answer(request)
            headers = {}
        except Refused as refused:
            code, body, headers = refused.code, refused.body(), refused.headers
        text = json.dumps(body).encode()
        handler.send_response(code)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(text)))
        for key, value in headers.items():
            handler.send_header(key, value)
        handler.end_headers()
        if how == "half":
            handler.wfile.write(text[:len(text) // 2])
            handler.wfile.flush()
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        handler.wfile.write(text)

    def authenticate(self, request):
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            raise Refused(401, "Unauthorized", "Unauthorized")

    @staticmethod
    def parse(path):
        """(plural, namespace, name) of an API path."""
        parts = path.strip("/").split("/")
        rest = parts[2:] if parts[0] == "api" else parts[3:]
        namespace = ""
        if len(rest) > 2 and rest[0] == "namespaces":
            namespace, rest = rest[1], rest[2:]
        plural, name = (rest + ["", ""])[:2]
        group = "v1" if parts[0] == "api" else "/".join(parts[1:3])
        if plural not in KINDS or KINDS[plural][0] != group or len(rest) > 2:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        return plural, namespace, name

    def answer(self, request):
        if request.path == "/version":
            major, minor = self.version.lstrip("v").split(".")[:2]
            return 200, {"major": major, "minor": minor, "gitVersion": self.version}
        if request.path == "/apis/security.openshift.io/v1" and self.openshift:
            return 200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "security.openshift.io/v1",
                         "resources": []}
        if request.path == "/apis/authorization.k8s.io/v1/subjectaccessreviews":
            review = self.document(request, "application/json")
            review["status"] = {"allowed": bool(self.access(review["spec"]))}
            return 201, review
        if not request.path.startswith(("/api/v1/", "/apis/")) or request.path.count("/") < 3:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        plural, namespace, name = self.parse(request.path)
        with self.lock:
            if request.method == "GET":
                return 200, self.read(request, plural, namespace, name) if name else self.list(request, plural, namespace)
            if request.method == "POST" and not name:
                return 201, self.create(request, plural, namespace)
            if request.method == "PUT" and name:
                return 200, self.replace(request, (plural, namespace, name))
            if request.method == "PATCH" and name:
                return 200, self.patch(request, (plural, namespace, name))
        raise Refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")

    @staticmethod
    def document(request, content_type):
        if request.headers.get("content-type") != content_type:
            raise Refused(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
        return json.loads(request.body)

    @staticmethod
    def partial(request, what):
        return f"application/json;as={what};g=meta.k8s.io;v=v1" in request.headers.get("accept", "").split(",")

    @staticmethod
    def metadata_of(value):
        return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": value["metadata"]}

    def found(self, key):
        if key not in self.objects:
            raise Refused(404, "NotFound", f'{key[0]} "{key[2]}" not found')
        return self.objects[key]

    def read(self, request, plural, namespace, name):
        value = self.found((plural, namespace, name))
        return self.metadata_of(value) if self.partial(request, "PartialObjectMetadata") else value

    def selected(self, request, key, value):
        plural, namespace, name = self.parse(request.path)
        if key[0] != plural or (namespace and key[1] != namespace):
            return False
        labels = value["metadata"].get("labels", {})
        phase = value.get("status", {}).get("phase", "Running")
        for term in filter(None, request.query.get("fieldSelector", "").split(",")):
            field, operation, wanted = re.fullmatch(r"([\w.]+)(!=|=)(.*)", term).groups()
            actual = {"metadata.name": key[2], "status.phase": phase}[field]
            if (actual == wanted) != (operation == "="):
                return False
        for term in filter(None, request.query.get("labelSelector", "").split(",")):
            if "!=" in term:
                label, wanted = term.split("!=")
                if labels.get(label) == wanted:
                    return False
            elif term not in labels:
                return False
        return True

    def list(self, request, plural, namespace):
        if "continue" in request.query and "resourceVersion" in request.query:
            raise Refused(400, "BadRequest", "specifying resource version is not allowed when using continue")
        items = [value for key, value in sorted(self.objects.items()) if self.selected(request, key, value)]
        version, start = self.resource_version, 0
        if token := request.query.get("continue"):
            version, start = json.loads(base64.urlsafe_b64decode(token))
            if version < self.oldest:
                raise Refused(410, "Expired", "The provided continue parameter is too old")
        limit = int(request.query.get("limit", 0)) or len(items)
        metadata = {"resourceVersion": str(version)}
        if start + limit < len(items):
            metadata["continue"] = base64.urlsafe_b64encode(json.dumps([version, start + limit]).encode()).decode()
            metadata["remainingItemCount"] = len(items) - start - limit
        items = items[start:start + limit]
        if self.partial(request, "PartialObjectMetadataList"):
            return {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
                    "items": [self.metadata_of(item) for item in items]}
        api_version, kind = KINDS[plural]
        # Items of a typed list say neither kind nor apiVersion.
        bare = [{key: value for key, value in item.items() if key not in ("kind", "apiVersion")} for item in items]
        return {"kind": kind + "List", "apiVersion": api_version, "metadata": metadata, "items": bare}

    def create(self, request, plural, namespace):
        value = self.document(request, "application/json")
        if (value.get("apiVersion"), value.get("kind")) != KINDS[plural]:
            raise Refused(400, "BadRequest", "the object does not have the expected kind")
        if plural == "events":
            self.validate_event(value, namespace)
        name = value["metadata"].get("name", "")
        if not SUBDOMAIN.match(name) or len(name) > 253:
            raise Refused(422, "Invalid", f"metadata.name: Invalid value: {name}")
        if (plural, namespace, name) in self.objects:
            raise Refused(409, "AlreadyExists", f'{plural} "{name}" already exists')
        return self.store((plural, namespace, name), value)

    @staticmethod
    def validate_event(event, namespace):
        """As ValidateEventCreate of Kubernetes does for events.k8s.io/v1."""
        wrong = []
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event.get("eventTime", "")):
            wrong.append("eventTime")
        if event.get("type") not in ("Normal", "Warning"):
            wrong.append("type")
        if not QUALIFIED_NAME.match(event.get("reportingController", "")):
            wrong.append("reportingController")
        for field, most in (("reportingInstance", 128), ("action", 128), ("reason", 128)):
            if not 0 < len(event.get(field, "")) <= most:
                wrong.append(field)
        if len(event.get("note", "")) > 1024:
            wrong.append("note")
        if event["metadata"].get("namespace") != namespace or event.get("regarding", {}).get("namespace") != namespace:
            wrong.append("namespace")
        if any(field.startswith("deprecated") for field in event):
            wrong.append("deprecated fields")
        if wrong:
            raise Refused(422, "Invalid", "Event is invalid: " + ", ".join(wrong))

    def replace(self, request, key):
        value = self.document(request, "application/json")
        current = self.found(key)
        if value["metadata"].get("resourceVersion") not in (None, current["metadata"]["resourceVersion"]):
            raise Refused(409, "Conflict", f'Operation cannot be fulfilled on {key[0]} "{key[2]}": the object has been '
                                           "modified; please apply your changes to the latest version and try again")
        return self.store(key, value)

    def patch(self, request, key):
        operations = self.document(request, "application/json-patch+json")
        current = copy.deepcopy(self.found(key))
        try:
            value = jsonpatch.apply_patch(current, operations)
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
            raise Refused(422, "Invalid", f"the server rejected our request due to an error in our request: {error}") from error
        return self.store(key, value)

    def watch(self, handler, request, how):
        self.parse(request.path)
        version = int(request.query["resourceVersion"])
        end = time.monotonic() + int(request.query.get("timeoutSeconds", 300))
        with self.lock:
            generation = self.generation
            self.watching += 1
        try:
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json;stream=watch")
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            if version < self.oldest:
                # Real servers say it so, in a stream that has begun with 200.
                self.send_event(handler, "ERROR", Refused(410, "Expired", f"too old resource version: {version}").body())
                handler.wfile.write(b"0\r\n\r\n")
                return
            if how == "error":
                self.send_event(handler, "ERROR", Refused(500, "InternalError", "etcdserver: mvcc: required revision is a "
                                                          "future revision").body())
                handler.wfile.write(b"0\r\n\r\n")
                return
            if how == "half-line":
                handler.wfile.write(b"10\r\n{\"type\":\"ADDED\",\r\n")
                handler.wfile.flush()
                handler.close_connection = True
                handler.connection.shutdown(socket.SHUT_RDWR)
                return
            bookmark = time.monotonic() + (self.bookmark_every or 1e9)
            while time.monotonic() < end:
                with self.lock:
                    fresh = [entry for entry in self.history if entry[0] > version]
                    if not fresh and self.generation == generation:
                        self.lock.wait(min(0.2, max(0, end - time.monotonic())))
                        fresh = [entry for entry in self.history if entry[0] > version]
                    if self.generation != generation:
                        break
                    newest = self.resource_version
                for entry_version, kind, key, value in fresh:
                    version = entry_version
                    if self.selected(request, key, value):
                        partial = self.partial(request, "PartialObjectMetadata")
                        self.send_event(handler, kind, self.metadata_of(value) if partial else value)
                if time.monotonic() >= bookmark and request.query.get("allowWatchBookmarks") == "true":
                    bookmark = time.monotonic() + self.bookmark_every
                    self.send_event(handler, "BOOKMARK", {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                                                          "metadata": {"resourceVersion": str(newest)}})
                    version = newest
            handler.wfile.write(b"0\r\n\r\n")
        except OSError:
            handler.close_connection = True
        finally:
            with self.lock:
                self.watching -= 1

    @staticmethod
    def send_event(handler, kind, value):
        line = json.dumps({"type": kind, "object": value}).encode() + b"\n"
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        handler.wfile.flush()
