// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string>

#include "base/http_server.h"

namespace podtap {
namespace {

constexpr int kBacklog = 128;

UniqueFd NewSocket(int family) { return UniqueFd(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); }

// Of /run/podtap/admin.sock only /run is there on a machine without pods. What is missing above stays missing, and
// bind() says so.
void MakeFolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash != std::string::npos && slash > 0) mkdir(path.substr(0, slash).c_str(), 0700);
}

bool SomebodyListens(const sockaddr_un& address) {
  const UniqueFd probe = NewSocket(AF_UNIX);
  if (!probe) return false;
  const int error = connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ? 0 : errno;
  return error == 0 || error == EAGAIN;  // EAGAIN: its queue is full
}

Result<sockaddr_un> UnixAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path))
    return UsageError("unix:" + path + ": the path must have 1 to " + std::to_string(sizeof(address.sun_path) - 1) +
                      " bytes");
  path.copy(address.sun_path, path.size());
  return address;
}

Result<UniqueFd> ListenUnix(const std::string& path, unsigned mode) {
  auto parsed = UnixAddress(path);
  if (!parsed) return std::unexpected(parsed.error());
  sockaddr_un& address = *parsed;
  UniqueFd fd = NewSocket(AF_UNIX);
  if (!fd) return ErrnoError("cannot make a unix socket");
  MakeFolderOf(path);
  struct stat there{};
  if (lstat(path.c_str(), &there) == 0 && S_ISSOCK(there.st_mode)) {
    if (SomebodyListens(address))
      return EnvironmentError("cannot listen on unix:" + path + ": another process does; name another path");
    unlink(path.c_str());
  }
  // The mode from the beginning: changed afterwards by name it could be that of whatever stands there by then.
  const mode_t old_mask = umask(~mode & 0777);
  const int bound = bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
  const int error = errno;
  umask(old_mask);
  if (bound < 0) return ErrnoError("cannot bind unix:" + path, error);
  if (listen(fd.get(), kBacklog) < 0) return ErrnoError("cannot listen on unix:" + path);
  return fd;
}

struct TcpAddress {
  sockaddr_storage address{};
  socklen_t size = 0;
};

Result<TcpAddress> ParseTcp(std::string_view text) {
  const size_t colon = text.rfind(':');
  std::string_view host = text.substr(0, colon == std::string_view::npos ? 0 : colon);
  const std::string_view digits = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size())
    return UsageError("'" + std::string(text) + "' is not an address; use unix:PATH or HOST:PORT");
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  TcpAddress result;
  const std::string name(host);
  auto* v4 = reinterpret_cast<sockaddr_in*>(&result.address);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&result.address);
  if (inet_pton(AF_INET, name.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET, v4->sin_port = htons(port), result.size = sizeof(*v4);
  } else if (inet_pton(AF_INET6, name.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6, v6->sin6_port = htons(port), result.size = sizeof(*v6);
  } else {
    return UsageError("'" + std::string(text) +
                      "' has no numeric address; use HOST:PORT like 127.0.0.1:8080 or [::]:8080");
  }
  return result;
}

Result<UniqueFd> ListenTcp(const std::string& text) {
  auto parsed = ParseTcp(text);
  if (!parsed) return std::unexpected(parsed.error());
  auto& [address, size] = *parsed;
  UniqueFd fd = NewSocket(address.ss_family);
  if (const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
      !fd && address.ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
    return ListenTcp("0.0.0.0:" + std::to_string(ntohs(v6->sin6_port)));  // no IPv6 here
  if (!fd) return ErrnoError("cannot make a TCP socket");
  const int one = 1, zero = 0;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (address.ss_family == AF_INET6) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) < 0 || listen(fd.get(), kBacklog) < 0)
    return ErrnoError("cannot listen on " + text);
  return fd;
}

}  // namespace

Status CheckListenAddress(std::string_view address) {
  if (address.starts_with("unix:")) {
    if (auto path = UnixAddress(std::string(address.substr(5))); !path) return std::unexpected(path.error());
  } else if (auto tcp = ParseTcp(address); !tcp) {
    return std::unexpected(tcp.error());
  }
  return {};
}

Result<UniqueFd> ListenOn(std::string_view address, unsigned mode) {
  if (address.starts_with("unix:")) return ListenUnix(std::string(address.substr(5)), mode);
  return ListenTcp(std::string(address));
}

}  // namespace podtap
