// SPDX-License-Identifier: Apache-2.0
// HttpAttributes: an exchange by OpenTelemetry's semantic conventions for HTTP spans (stable, 1.27), and for gRPC calls
// those for RPC beside them: name, attributes, and whether it counts as an error. Points into the event.
#pragma once

#include <string>
#include <string_view>

#include "sidecar/event/http_event.h"
#include "sidecar/sink/http_fields.h"
#include "sidecar/sink/otlp_attributes.h"
#include "sidecar/sink/request_url.h"

namespace podtap {

class HttpAttributes {
 public:
  explicit HttpAttributes(const HttpEvent& event);

  // The method, "HTTP" if it is none that the conventions know; of a gRPC call "<service>/<method>".
  std::string name() const;
  bool is_error() const { return !error_.empty(); }
  void Append(OtlpAttributes& attributes) const;

 private:
  void AppendServer(OtlpAttributes& attributes) const;
  void AppendUrl(OtlpAttributes& attributes) const;

  const HttpEvent& event_;
  const RequestFields fields_;
  const RequestUrl url_;
  const RequestHost host_;
  const bool client_;
  const bool known_method_;
  const std::string error_;  // the value of error.type, empty if it is no error
};

}  // namespace podtap
