// SPDX-License-Identifier: Apache-2.0
// What a running cluster knows beyond a pod and its namespace, as decisions see it: plain facts from memory, what is
// worth a look-up before the answer, and what the cluster is told after it. Without a cluster there is none of it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "webhook/injector_config.h"
#include "webhook/json_view.h"
#include "webhook/reasons.h"

namespace podtap::webhook {

struct NamespaceLimits;

struct LiveFacts {
  ClusterFacts cluster;                           // where unknown, the configuration's
  bool windows = false;                           // of the node that the pod names
  std::string platform;                           // why the pod's nodes run nothing privileged; empty: they may
  std::shared_ptr<const NamespaceLimits> limits;  // nullptr: nobody asked for the check
  std::string scc_refusal;      // why OpenShift would refuse a privileged container; empty: it would not
  std::string switched_off_by;  // who has switched capture off; empty: nobody
};

// What only the API server can say, and only now.
struct Lookup {
  std::string namespace_name;  // read this namespace; empty: it is known
  std::string access_in;       // may `service_account` of this namespace use the privileged SCC; empty: not asked
  std::string service_account;
};

// A pod that asked for capture and was answered without it.
struct SkippedPod {
  std::string namespace_name;
  std::string pod_name;  // empty if the API server will make one up
  Reason reason{};
  std::string decided_by;
  // The controller that made the pod; empty if nobody did.
  std::string owner_api_version, owner_kind, owner_name, owner_uid;
};

// Thread-safe; only Lookup takes time.
class LiveSource {
 public:
  virtual ~LiveSource() = default;
  virtual LiveFacts FactsFor(const json::object& pod, std::string_view namespace_name) const = 0;
  // Whether FactsFor() would know more after a look-up; fills in what of `lookup` concerns the pod.
  virtual bool WorthLookup(const json::object& pod, std::string_view namespace_name, bool namespace_known,
                           Lookup& lookup) const = 0;
  // Calls `done` when it is over, whatever came of it, in another thread; within some 200 ms.
  virtual void Look(const Lookup& lookup, std::function<void()> done) = 0;
  virtual void TellSkipped(SkippedPod pod) = 0;
};

}  // namespace podtap::webhook
