# SPDX-License-Identifier: Apache-2.0
"""Reads OTLP trace requests: a plain reader of protobuf's wire format and the few field numbers that tests look at."""

import struct


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data):
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 1:
            value, at = struct.unpack_from("<Q", data, at)[0], at + 8
        elif kind == 5:
            value, at = struct.unpack_from("<I", data, at)[0], at + 4
        elif kind == 2:
            size, at = varint(data, at)
            if at + size > len(data):
                raise ValueError("a field is longer than its message")
            value, at = data[at:at + size], at + size
        else:
            raise ValueError(f"wire type {kind}")
        yield tag >> 3, value


def any_value(data):
    for number, value in fields(data):
        if number == 1:
            return value.decode()
        if number == 2:
            return bool(value)
        if number == 3:
            return value
        if number == 5:
            return [any_value(element) for _, element in fields(value)]
    return None


def attributes(messages):
    result = {}
    for message in messages:
        pair = dict(fields(message))
        result[pair[1].decode()] = any_value(pair[2])
    return result


class Span:
    def __init__(self, data, resource):
        self.resource = resource
        got = {}
        for number, value in fields(data):
            got.setdefault(number, []).append(value)
        one = {number: values[0] for number, values in got.items()}
        self.trace_id = one[1].hex()
        self.span_id = one[2].hex()
        self.trace_state = one.get(3, b"").decode()
        self.parent_id = one.get(4, b"").hex()
        self.name = one[5].decode()
        self.kind = {2: "SERVER", 3: "CLIENT"}[one[6]]
        self.start, self.end = one[7], one[8]
        self.attributes = attributes(got.get(9, []))
        self.status = dict(fields(one[15])).get(3, 0) if 15 in one else 0


def spans(body):
    result = []
    for _, resource_spans in fields(body):
        resource = {}
        for number, value in fields(resource_spans):
            if number == 1:
                resource = attributes(message for inner, message in fields(value) if inner == 1)
        for number, value in fields(resource_spans):
            if number == 2:
                result += [Span(span, resource) for inner, span in fields(value) if inner == 2]
    return result
