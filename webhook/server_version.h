// SPDX-License-Identifier: Apache-2.0
// What an API server says of itself: its version, and whether it is an OpenShift.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>

#include "webhook/injector_config.h"
#include "webhook/kube_client.h"

namespace podtap::webhook {

struct ServerVersion {
  std::string text;                     // as the server says it: "v1.30.2"
  std::optional<KernelVersion> number;  // 1.30; nothing if `text` is no such version
  bool openshift = false;
};

// Two calls; nothing, and a line in the log, if one of them failed.
boost::asio::awaitable<std::optional<ServerVersion>> AskServerVersion(KubeClient& client);

}  // namespace podtap::webhook
