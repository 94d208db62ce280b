// SPDX-License-Identifier: Apache-2.0
// Names to addresses, in the worker: /etc/hosts, then DNS. The answers are hostile bytes, which is why this runs where
// there is no privilege. Blocks as long as the resolver's own timeouts (resolv.conf).
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace podtap {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  // "10.0.0.7:4318".
  std::string Text() const;
};

Result<std::vector<SocketAddress>> Resolve(const std::string& host, uint16_t port);

}  // namespace podtap
