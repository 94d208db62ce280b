// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/resolve.h"

#include <netdb.h>
#include <nss.h>

#include <cstring>
#include <memory>

namespace podtap {

std::string SocketAddress::Text() const {
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&storage), size, host, sizeof(host), port, sizeof(port),
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return "?";
  return storage.ss_family == AF_INET6 ? "[" + std::string(host) + "]:" + port : std::string(host) + ":" + port;
}

Result<std::vector<SocketAddress>> Resolve(const std::string& host, uint16_t port) {
  // Both are parts of libc; what else nsswitch.conf may name would have to be loaded, which the worker cannot.
  static const int configured = __nss_configure_lookup("hosts", "files dns");
  (void)configured;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    const char* why = error == EAI_SYSTEM ? strerrordesc_np(errno) : gai_strerror(error);
    return EnvironmentError("cannot find the address of " + host + ": " + why);
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  std::vector<SocketAddress> addresses;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    SocketAddress& address = addresses.emplace_back();
    if (at->ai_addrlen > sizeof(address.storage)) continue;
    std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
    address.size = at->ai_addrlen;
  }
  return addresses;
}

}  // namespace podtap
