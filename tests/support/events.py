# SPDX-License-Identifier: Apache-2.0
"""Reading EVE records, and comparing one with the exchange that a client really had."""

import base64
import hashlib

from support.case import Failure, equal


def body(event, side):
    return base64.b64decode(event["http"].get(f"http_{side}_body", ""))


def fields(event, side):
    return [(field["name"], field["value"]) for field in event["http"].get(f"{side}_headers", [])]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def check_message(event, side, data, limit=131072):
    """The body of one side: its size, what was kept of it, and every byte of that."""
    where = f"{event['http'].get('http_method')} {event['http'].get('url')}, {side}"
    sizes = event["podtap"][side]
    equal(sizes["body_bytes"], len(data), f"{where}: body_bytes")
    equal(sizes["body_captured_bytes"], min(len(data), limit), f"{where}: body_captured_bytes")
    equal(sizes["missing_bytes"], 0, f"{where}: missing_bytes")
    equal(sha256(body(event, side)), sha256(data[:limit]), f"{where}: SHA-256 of the body")


def check_exchange(event, method, url, response, sent=b"", sent_headers=None, limit=131072, tags=None):
    """One event against the response that the client read and the request that it sent."""
    http, podtap = event["http"], event["podtap"]
    where = f"{method} {url}"
    equal(http.get("http_method"), method, f"{where}: method")
    equal(http.get("url"), url, f"{where}: url")
    equal(http.get("status"), response.status, f"{where}: status")
    equal(http.get("protocol"), "HTTP/1.1", f"{where}: protocol")
    # Values that are redacted by default are compared by the tests about redaction.
    equal([field for field in fields(event, "response") if field[1] != "***"],
          [field for field in response.headers + response.trailers if field[0].lower() != "set-cookie"],
          f"{where}: response headers")
    if sent_headers is not None:
        equal(fields(event, "request"), sent_headers, f"{where}: request headers")
    check_message(event, "request", sent, limit)
    if method != "HEAD":
        check_message(event, "response", response.body, limit)
    equal(podtap["informational"], response.informational, f"{where}: informational")
    equal(podtap["complete"], True, f"{where}: complete (tags {podtap['tags']})")
    wanted = set(tags or [])
    if len(sent) > limit or len(response.body) > limit:
        wanted.add("truncated")
    equal(set(podtap["tags"]), wanted, f"{where}: tags")


def by_url(events):
    """Events by URL; two with the same URL are a failure."""
    table = {}
    for event in events:
        url = event["http"].get("url")
        if url in table:
            raise Failure(f"two events for {url}")
        table[url] = event
    return table
