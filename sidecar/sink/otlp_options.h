// SPDX-License-Identifier: Apache-2.0
// What an operator can set of the OTLP sinks, and the files that they name. All of them share it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace podtap {

// Files that the worker needs the content of. It cannot open them: the attacher does, each time anew, so that what
// replaced them is seen.
enum class NamedFile : uint32_t { kToken, kCaBundle, kClientCertificate, kClientKey, kHashKey, kCount };

// The content of a file; an error for one that cannot be read.
using FileReader = std::function<Result<std::string>(NamedFile)>;

struct OtlpSettings {
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  bool hypertrace = false;
  bool gzip = false;
  Pairs headers;              // of each request
  Pairs resource_attributes;  // beside podtap's own
  std::string token_file;
  std::string ca_file;  // empty: the system's
  std::string client_certificate_file, client_key_file;
  uint64_t batch_spans = 512;
  uint64_t batch_bytes = 1 << 20;  // of exchanges in memory, about
  uint64_t batch_ms = 1000;
  uint64_t timeout_ms = 10'000;     // of a connection attempt, and of a request
  uint64_t max_retry_ms = 300'000;  // then a batch is given up
  bool operator==(const OtlpSettings&) const = default;
};

// "name=value,name=value", as OTEL_EXPORTER_OTLP_HEADERS and OTEL_RESOURCE_ATTRIBUTES are written: names and values may
// be percent-encoded. `flag` is for the message.
Result<OtlpSettings::Pairs> ParsePairs(std::string_view flag, std::string_view text);
// Whether they can be sent as headers of a request, and are not those that say what a request holds.
Status CheckHeaders(std::string_view flag, const OtlpSettings::Pairs& headers);

}  // namespace podtap
