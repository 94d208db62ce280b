# SPDX-License-Identifier: Apache-2.0
"""What may leave: redaction, decoding, filters and sampling, in every sink."""

import base64
import gzip
import json
import os

from support import servers
from support.admin import Admin
from support.case import case, check, equal, wait_for
from support.pod import Pod
from support.wire import Client

SECRET = "hunter2-sesame"


def post(pod, target, body, headers=()):
    with Client(pod.connect(servers.PORT)) as client:
        client.ask("POST", target, body=body, headers=list(headers))


@case
def secrets_leave_in_no_format_and_in_no_coding():
    with Pod() as pod:
        servers.python(pod)
        text, strict, proto = (os.path.join(pod.volume, name) for name in ("text", "strict", "proto"))
        key = os.path.join(pod.folder, "key")
        with open(key, "w", encoding="utf-8") as file:
            file.write("0123456789abcdef0123")
        tap = pod.sidecar(f"--sink=stdout,file:{text}?format=text,file:{strict}?format=eve-strict,file:{proto}?format=proto",
                          "--redact_query=token", "--redact_json_fields=password", "--decode_bodies",
                          f"--redact_hash_key_file={key}", "--redact_headers=x-secret")
        document = json.dumps({"user": "a", "deep": [{"Password": SECRET}]}).encode()
        plain = ("Content-Type", "application/json")
        post(pod, f"/echo?token={SECRET}&x=1", document, [plain, ("X-Secret", SECRET)])
        post(pod, "/echo", gzip.compress(document), [plain, ("Content-Encoding", "gzip")])
        post(pod, "/echo", f"a=1&password={SECRET}".encode(), [("Content-Type", "application/x-www-form-urlencoded")])
        post(pod, "/echo", document[:-6], [plain])
        post(pod, "/echo", document.decode().encode("utf-16"), [plain])
        tap.wait_events(5)
        found = tap.final_events()
        for path in (tap.out_path, text, strict, proto):
            with open(path, "rb") as file:
                data = file.read()
            check(data, f"{path} has records")
            for form in (SECRET.encode(), base64.b64encode(SECRET.encode())[:-4], SECRET.encode("utf-16-le")):
                check(form not in data, f"the secret is not in {path}")
        for event in found:
            body = base64.b64decode(event["http"].get("http_request_body", ""))
            check(SECRET.encode() not in body and SECRET.encode("utf-16-le") not in body, "no secret in a body")
        url = found[0]["http"]["url"]
        mask = url[len("/echo?token="):-len("&x=1")]
        check(mask.startswith("***:") and len(mask) == 16, f"a mask with a hash: {mask}")
        first = json.loads(base64.b64decode(found[0]["http"]["http_request_body"]))
        equal(first["deep"][0]["Password"], mask, "equal values have equal masks")
        headers = {header["name"]: header["value"] for header in found[0]["http"]["request_headers"]}
        equal(headers["X-Secret"], mask, "in headers too")
        equal(json.loads(base64.b64decode(found[1]["http"]["http_request_body"])), first, "the decoded body")
        check("decoded" in found[1]["podtap"]["tags"], "it says so")
        for event in found[3:]:
            check("body_withheld" in event["podtap"]["tags"], f"withheld: {event['podtap']['tags']}")
            check(event["podtap"]["request"]["body_bytes"] > 0, "sizes stay those of the wire")


@case
def filters_and_limits_leave_out_whole_exchanges_and_count_them():
    with Pod() as pod:
        servers.nginx(pod)
        path = os.path.join(pod.volume, "admin.sock")
        tap = pod.sidecar("--exclude_paths=/health*,/static/**", "--include_methods=GET,POST", "--max_exchanges_per_second=30",
                          f"--admin_address=unix:{path}")
        with Client(pod.connect(servers.PORT)) as client:
            for target in ("/health", "/healthz?x", "/static/a/b.css", "/kept"):
                client.ask("GET", target)
            client.ask("DELETE", "/kept")
            for i in range(300):
                client.ask("GET", f"/many?i={i}")
        admin = Admin(path)

        def skipped(reason):
            return admin.counter(f'podtap_events_skipped_total{{reason="{reason}"}}')

        wait_for(lambda: admin.counter("podtap_events_total") + skipped("max_exchanges_per_second") == 301, "each is counted")
        equal([skipped("path"), skipped("method")], [3, 1], "left out")
        check(skipped("max_exchanges_per_second") >= 150, "the limit holds")
        urls = [event["http"]["url"] for event in tap.final_events()]
        equal(urls[0], "/kept", "the first")
        check(30 <= len(urls) <= 151, f"{len(urls)} exchanges within the limit")
