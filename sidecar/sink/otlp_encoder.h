// SPDX-License-Identifier: Apache-2.0
// OtlpEncoder: exchanges as the spans of one ExportTraceServiceRequest (proto/opentelemetry/…): a SERVER span for what
// the pod answered, a CLIENT span for what it asked, by OpenTelemetry's stable semantic conventions for HTTP.
// docs/events.md lists the attributes. Pure: events in, bytes out; const and without shared state.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sidecar/event/http_event.h"
#include "sidecar/sink/sink.h"

namespace podtap {

class OtlpEncoder {
 public:
  struct Options {
    Identity identity;
    bool hypertrace = false;  // headers and bodies too, in Hypertrace's attribute style
    // Of the resource; a name that podtap would set by itself gets this value instead.
    std::vector<std::pair<std::string, std::string>> resource_attributes{};
    // Makes the ids of spans that have no trace to join unguessable; random unless a test sets it.
    std::array<uint64_t, 2> seed{};
  };
  explicit OtlpEncoder(const Options& options);

  // Appends the whole request. Spans are grouped by container, which is part of their resource.
  void Encode(std::span<const HttpEventPtr> events, std::string& out) const;

 private:
  void AppendSpan(const HttpEvent& event, std::string& out) const;
  void AppendIds(const HttpEvent& event, std::string& out) const;

  const std::string run_id_;
  const bool hypertrace_;
  const std::array<uint64_t, 2> seed_;
  std::string resource_;  // encoded attributes, without container.id
  std::string scope_;     // encoded field
  bool own_container_id_ = true;
};

}  // namespace podtap
