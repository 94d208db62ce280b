// SPDX-License-Identifier: Apache-2.0
#include "webhook/server_version.h"

#include <glog/logging.h>

#include <boost/json/parse.hpp>

#include "webhook/json_view.h"
#include "webhook/node_cache.h"

namespace podtap::webhook {

boost::asio::awaitable<std::optional<ServerVersion>> AskServerVersion(KubeClient& client) {
  KubeRequest request;
  request.target = "/version";
  const KubeAnswer answer = co_await client.Call(std::move(request));
  boost::json::error_code error;
  const json::value said = answer.ok() ? json::parse(answer.body, error) : json::value();
  ServerVersion version;
  version.text = TextMember(said.if_object(), "gitVersion");
  KubeRequest group;
  group.target = "/apis/security.openshift.io/v1";
  const KubeAnswer openshift = co_await client.Call(std::move(group));
  const bool knows_group = openshift.ok() || openshift.status == 404 || openshift.status == 403;
  if (!answer.ok() || version.text.empty() || !knows_group) {
    LOG(WARNING) << "asking for the API server's version: " << (knows_group ? answer : openshift).Describe();
    co_return std::nullopt;
  }
  version.number = ParseMajorMinor(version.text);
  version.openshift = openshift.ok();
  co_return version;
}

}  // namespace podtap::webhook
