// SPDX-License-Identifier: Apache-2.0
// The URL of an OTLP endpoint (RFC 3986, http and https only).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace podtap {

struct HttpUrl {
  bool tls = false;
  std::string host;  // a name or an address; IPv6 without brackets
  uint16_t port = 0;
  std::string path;  // from '/', with query

  // "collector.example:4318" or "[2001:db8::1]:4318", as the Host field carries it.
  std::string Authority() const;
  std::string Text() const;
};

// As OpenTelemetry's exporters read OTEL_EXPORTER_OTLP_ENDPOINT: "/v1/traces" is appended unless the path ends with it.
// Ports default to 4318. The error says what is wrong, as the rest of a sentence.
Result<HttpUrl> ParseTracesUrl(std::string_view text);

// What may be shown of a sink's address that was refused: without the user name, password and query of a URL.
std::string WithoutSecrets(std::string_view address);

}  // namespace podtap
