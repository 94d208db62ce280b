// SPDX-License-Identifier: Apache-2.0
// Reads an ExportTraceServiceRequest from standard input with the classes that OpenTelemetry's JavaScript SDK carries,
// and prints it as JSON. An unknown or misplaced field would be missing in it.
const path = require('path');
const transformer = path.dirname(require.resolve('@opentelemetry/otlp-transformer'));
const root = require(path.join(transformer, 'generated/root'));
const type = root.opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest;
const request = type.decode(require('fs').readFileSync(0));
const invalid = type.verify(request);
if (invalid) throw new Error(invalid);
console.log(JSON.stringify(type.toObject(request, {longs: String, enums: String, bytes: String})));
