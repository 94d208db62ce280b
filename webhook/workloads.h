// SPDX-License-Identifier: Apache-2.0
// Workloads: where the pods are in a Kubernetes object. Pods, Deployments, StatefulSets, DaemonSets, ReplicaSets, Jobs,
// CronJobs, and Lists of them, nested too.
#pragma once

#include <string>
#include <vector>

#include "webhook/json_view.h"

namespace podtap::webhook {

struct Workload {
  std::string kind;
  std::string name;            // or generateName and '*'
  std::string namespace_name;  // as written; empty if it is not
  json::value* pod = nullptr;  // the pod or the pod template, inside the document
};

// The workloads of one document, in order. The pointers are good until the document changes its shape around them.
std::vector<Workload> FindWorkloads(json::value& document);

}  // namespace podtap::webhook
