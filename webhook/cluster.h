// SPDX-License-Identifier: Apache-2.0
// Cluster: all that the webhook knows of and tells to the cluster it serves, in one thread of its own: copies of
// namespaces, nodes, quotas and limit ranges, live look-ups, events, the off switch, the survey of pods, and with
// --certificates=self the certificate. Decisions read it from memory through LiveSource.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "webhook/certificate_keeper.h"
#include "webhook/cluster_metrics.h"
#include "webhook/injector_config.h"
#include "webhook/kube_config.h"
#include "webhook/live_source.h"
#include "webhook/namespaces.h"
#include "webhook/serving_certificate.h"

namespace podtap::webhook {

struct ClusterOptions {
  KubeConfig api;
  std::string own_namespace;
  bool check_quota = false;
  bool send_events = true;
  KernelVersion native_min_kubelet{1, 29};
  std::string privileged_scc = "privileged";
  std::string off_switch_configmap;  // empty: none
  std::chrono::seconds survey_interval{300};
  std::chrono::milliseconds watch_silence{180000};
  bool keep_certificate = false;
  CertificateKeeperOptions keeper;
};

class Cluster final : public LiveSource {
 public:
  // Everything else outlives the cluster.
  Cluster(ClusterOptions options, const InjectorConfig& injector, ServingCertificate& certificate,
          ClusterMetrics& metrics);
  ~Cluster() override;

  // Ends the thread; callbacks that are still due are dropped. What was learned stays readable.
  void Stop();
  // Empty when reviews can be answered; else what is waited for.
  std::string WaitsFor() const;
  const NamespaceSource& namespaces() const;

  LiveFacts FactsFor(const json::object& pod, std::string_view namespace_name) const override;
  bool WorthLookup(const json::object& pod, std::string_view namespace_name, bool namespace_known,
                   Lookup& lookup) const override;
  void Look(const Lookup& lookup, std::function<void()> done) override;
  void TellSkipped(SkippedPod pod) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace podtap::webhook
