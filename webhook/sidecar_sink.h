// SPDX-License-Identifier: Apache-2.0
// Where a sidecar may send to, as the operator writes it: stdout, a socket of the node, or an OTLP endpoint.
#pragma once

#include <string_view>

#include "base/result.h"

namespace podtap::webhook {

// Refuses what a container of a pod cannot have as a sink. `flag` is named in the error.
Status CheckSink(std::string_view flag, std::string_view sink);

// The directory of a unix or unix-dgram sink, or empty for one without a socket.
std::string_view SinkDirectory(std::string_view sink);

// Whether the sink is an OTLP endpoint, which the sidecar shows a token to.
bool IsOtlpSink(std::string_view sink);

}  // namespace podtap::webhook
