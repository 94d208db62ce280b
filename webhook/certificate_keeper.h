// SPDX-License-Identifier: Apache-2.0
// CertificateKeeper (--certificates=self): an authority and a serving certificate, kept in a Secret that all replicas
// share (they agree by its resourceVersion; whoever is late reads what the first has written), the authority in the
// caBundle of every entry of the webhook configuration, renewal at two thirds of each life. A new authority is trusted
// beside the old one before its certificate is presented. Everything is looked at again when Secret or configuration
// change, so that what somebody clears is repaired.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "webhook/certificate_authority.h"
#include "webhook/cluster_metrics.h"
#include "webhook/kube_follow.h"
#include "webhook/serving_certificate.h"

namespace podtap::webhook {

struct CertificateKeeperOptions {
  std::string namespace_name;  // of Secret and Service
  std::string secret_name;
  std::string service_name;
  std::string configuration_name;  // of the MutatingWebhookConfiguration
  std::string revision;            // the configuration is labelled with it
  std::chrono::seconds lifetime{90 * 86400};
  std::chrono::seconds authority_lifetime{365 * 86400};
  std::chrono::seconds trust_delay{5};  // from writing a caBundle until every API server reads it
};

class CertificateKeeper {
 public:
  CertificateKeeper(KubeClient& client, CertificateKeeperOptions options, ServingCertificate& certificate,
                    ClusterMetrics& metrics);

  // Starts everything in the client's io_context; it ends with that.
  void Start();

 private:
  // Wakes the keeper when anything about what it keeps changes.
  class Alarm final : public FollowedObjects {
   public:
    explicit Alarm(CertificateKeeper& keeper) : keeper_(keeper) {}
    void BeginList() override {}
    void Listed(const json::object&) override {}
    void EndList() override { keeper_.Wake(); }
    void Changed(const json::object&) override { keeper_.Wake(); }
    void Deleted(const json::object&) override { keeper_.Wake(); }

   private:
    CertificateKeeper& keeper_;
  };

  // The Secret's content.
  struct Stored {
    std::string version;  // resourceVersion; empty: there is no Secret
    std::string bundle;   // the authority in use first, older ones after it
    std::string authority_key;
    KeyPair serving;
    json::value secret;  // as it was read
  };

  void Wake();
  boost::asio::awaitable<void> Run();
  // One look at everything. False: something has failed or was in conflict, try again soon.
  boost::asio::awaitable<bool> Look();
  boost::asio::awaitable<KubeAnswer> ReadSecret(Stored& stored);
  boost::asio::awaitable<KubeAnswer> WriteSecret(const Stored& stored);
  // Renews what is due. False: nothing is.
  bool Renew(Stored& stored);
  boost::asio::awaitable<bool> WriteBundle(const std::string& bundle);
  boost::asio::awaitable<void> Present(const Stored& stored);
  void Complain(const std::string& what);

  KubeClient& client_;
  const CertificateKeeperOptions options_;
  const std::vector<std::string> dns_names_;
  ServingCertificate& certificate_;
  ClusterMetrics& metrics_;
  Alarm alarm_;
  FollowMetrics secret_metrics_, configuration_metrics_;
  boost::asio::steady_timer timer_;
  bool woken_ = false;
  std::string presented_;            // the certificate in use
  std::string presented_authority_;  // and who has signed it
  std::string last_complaint_;
};

}  // namespace podtap::webhook
