// SPDX-License-Identifier: Apache-2.0
// What a collector answers, from bytes that are not trusted (OTLP/HTTP, opentelemetry.io/docs/specs/otlp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace podtap {

// ExportTraceServiceResponse.partial_success. What is no protobuf says nothing.
struct PartialSuccess {
  uint64_t rejected_spans = 0;
  std::string message;
};
PartialSuccess ParsePartialSuccess(std::string_view body);

// The message in a google.rpc.Status, which is the body of an answer that is no success.
std::string ParseStatusMessage(std::string_view body);

// Seconds that Retry-After asks for (RFC 9110 10.2.3): a number, or a date, of which `now` (seconds since 1970) is
// taken away. At most an hour.
std::optional<uint64_t> ParseRetryAfter(std::string_view value, int64_t now);

// For the log: printable ASCII only, at most 200 characters.
std::string Shown(std::string_view text);

}  // namespace podtap
