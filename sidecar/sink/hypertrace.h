// SPDX-License-Identifier: Apache-2.0
// Headers and bodies as attributes, in the style of Hypertrace's agents (hypertrace/goagent): what Traceable's platform
// reads.
#pragma once

#include "sidecar/event/http_event.h"
#include "sidecar/sink/otlp_attributes.h"

namespace podtap {

// http.request.header.<name> and http.response.header.<name>, names in lower case, one plain string each; of a name
// that comes several times <name>[0], <name>[1], … http.request.body and http.response.body as text, or
// http.….body.base64 where the bytes are no text; http.….body.truncated where the wire had more.
void AppendHypertrace(const HttpEvent& event, OtlpAttributes& attributes);

}  // namespace podtap
