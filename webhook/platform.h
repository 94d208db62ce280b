// SPDX-License-Identifier: Apache-2.0
// Where a pod is going to run, as far as the pod itself says it: platforms that refuse privileged pods.
#pragma once

#include <string>

#include "webhook/json_view.h"

namespace podtap::webhook {

// The mark that says so, e.g. "spec.nodeSelector eks.amazonaws.com/compute-type=fargate"; empty if there is none.
// Virtual nodes (virtual-kubelet: Azure ACI, Alibaba ECI, Huawei CCI), AWS Fargate, GKE Autopilot.
std::string RefusingPlatform(const json::object& pod);

}  // namespace podtap::webhook
