// SPDX-License-Identifier: Apache-2.0
// Where a pod is going to run, as far as the pod itself says it: Windows, and platforms that refuse privileged pods.
#pragma once

#include <string>

#include "webhook/json_view.h"

namespace podtap::webhook {

// The mark that says so, e.g. "spec.nodeSelector eks.amazonaws.com/compute-type=fargate"; empty if there is none.
// Virtual nodes (virtual-kubelet: Azure ACI, Alibaba ECI, Huawei CCI), AWS Fargate, GKE Autopilot.
// `of_daemon_set`: it is made from a DaemonSet's template; a pod says so itself.
std::string RefusingPlatform(const json::object& pod, bool of_daemon_set = false);

// What says that it runs on Windows: spec.os, or the nodes that it asks for; empty if nothing does.
std::string WindowsMark(const json::object& pod);

}  // namespace podtap::webhook
