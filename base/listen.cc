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

Result<UniqueFd> ListenUnix(const std::string& path, unsigned mode) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path))
    return UsageError("unix:" + path + ": the path must have 1 to " + std::to_string(sizeof(address.sun_path) - 1) +
                      " bytes");
  path.copy(address.sun_path, path.size());
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

Result<UniqueFd> ListenTcp(std::string_view host, uint16_t port, const std::string& text) {
  sockaddr_storage address{};
  socklen_t size = 0;
  const std::string name(host);
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
  if (inet_pton(AF_INET, name.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET, v4->sin_port = htons(port), size = sizeof(*v4);
  } else if (inet_pton(AF_INET6, name.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6, v6->sin6_port = htons(port), size = sizeof(*v6);
  } else {
    return UsageError("'" + text + "' has no numeric address; use HOST:PORT like 127.0.0.1:8080 or [::]:8080");
  }
  UniqueFd fd = NewSocket(address.ss_family);
  if (!fd && address.ss_family == AF_INET6 && name == "::") return ListenTcp("0.0.0.0", port, text);  // no IPv6 here
  if (!fd) return ErrnoError("cannot make a TCP socket");
  const int one = 1, zero = 0;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (address.ss_family == AF_INET6) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) < 0 || listen(fd.get(), kBacklog) < 0)
    return ErrnoError("cannot listen on " + text);
  return fd;
}

}  // namespace

Result<UniqueFd> ListenOn(std::string_view address, unsigned mode) {
  const std::string text(address);
  if (address.starts_with("unix:")) return ListenUnix(text.substr(5), mode);
  const size_t colon = address.rfind(':');
  std::string_view host = address.substr(0, colon == std::string_view::npos ? 0 : colon);
  const std::string_view digits = colon == std::string_view::npos ? std::string_view() : address.substr(colon + 1);
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size())
    return UsageError("'" + text + "' is not an address; use unix:PATH or HOST:PORT");
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return ListenTcp(host, port, text);
}

}  // namespace podtap
