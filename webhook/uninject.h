// SPDX-License-Identifier: Apache-2.0
// Uninject: takes out of a pod or pod template what Inject() has put in, and nothing else. For files; the webhook never
// removes.
#pragma once

#include "webhook/json_view.h"

namespace podtap::webhook {

// Whether the pod has changed. A container of our name without our status annotation is somebody else's and stays.
bool Uninject(json::value& pod);

}  // namespace podtap::webhook
