// SPDX-License-Identifier: Apache-2.0
// KubeConfig: where the Kubernetes API server is and how a caller shows who it is: as a container of the cluster (the
// service account's files and the KUBERNETES_SERVICE_* variables), or as flags say.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace podtap::webhook {

struct KubeConfig {
  bool tls = true;
  std::string host;  // a name or an address, IPv6 without brackets
  std::string port;
  std::string path_prefix;  // of the URL, without a '/' at its end; usually empty
  std::string token_file;   // read again for every call, because tokens rotate; empty: `token`
  std::string token;        // empty, and no file: no Authorization
  std::string ca_file;      // read again for every new connection; empty: `ca_pem`
  std::string ca_pem;       // empty, and no file: the system's certificates
  std::string client_pem;   // certificate and key for a client that shows a certificate; empty: none
  // host:port as a Host field has it.
  std::string Authority() const;
};

inline constexpr std::string_view kServiceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

// "https://HOST[:PORT][/PREFIX]" or "http://…" (a local proxy); the files are left empty.
Result<KubeConfig> ParseKubeUrl(std::string_view url);

// Whether this process runs in a pod of a cluster.
bool InCluster();
// Host and port from the environment, files of the service account.
Result<KubeConfig> InClusterConfig();

// What kubectl would use: the current context of a kubeconfig file. Credentials that another program makes are not run;
// the error then says what to do instead.
Result<KubeConfig> ReadKubeconfig(const std::string& file);
// $KUBECONFIG (its first file), else ~/.kube/config; empty if there is none.
std::string DefaultKubeconfig();

// The namespace that this process runs in: POD_NAMESPACE, else the service account's, else empty.
std::string OwnNamespace();

}  // namespace podtap::webhook
