// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/http_connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "sidecar/sink/resolve.h"

namespace podtap {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLook{200};  // between two looks at whether to give up

boost::beast::error_code SystemError(int error) { return {error, boost::system::system_category()}; }

}  // namespace

Status HttpConnection::Open(const HttpUrl& url, SSL_CTX* context, milliseconds timeout) {
  Close();
  auto addresses = Resolve(url.host, url.port);
  if (!addresses) return std::unexpected(addresses.error());
  Status outcome = EnvironmentError("cannot find the address of " + url.host + ": it has none");
  const auto end = Clock::now() + timeout;
  for (size_t i = 0; i < addresses->size() && !options_.give_up(); ++i) {
    // Each gets its share of the time that is left, so that a silent one does not take all.
    const auto now = Clock::now();
    deadline_ = now + (end - now) / static_cast<int>(addresses->size() - i);
    const SocketAddress& address = (*addresses)[i];
    outcome = ConnectTo(reinterpret_cast<const sockaddr*>(&address.storage), address.size, address.Text());
    if (!outcome) continue;
    if (context == nullptr) return {};
    outcome = Handshake(context, url.host);
    if (outcome) return {};
    Close();
  }
  return outcome;
}

void HttpConnection::Close() {
  session_.reset();
  socket_.reset();
}

bool HttpConnection::IsStale() const {
  pollfd ready{socket_.get(), POLLIN | POLLRDHUP, 0};
  if (poll(&ready, 1, 0) <= 0) return false;
  if (!session_) return true;
  // A TLS 1.3 server sends session tickets whenever it likes; anything but the end is fine.
  return (ready.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

Status HttpConnection::ConnectTo(const sockaddr* address, unsigned size, const std::string& text) {
  socket_ = UniqueFd(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  if (!socket_) return ErrnoError("cannot make a socket");
  if (options_.on_socket) options_.on_socket(socket_.get());
  const int one = 1;
  setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  int error = connect(socket_.get(), address, size) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    const ErrorCode waited = Wait(POLLOUT);
    socklen_t length = sizeof(error);
    if (waited)
      error = waited.value();
    else
      getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  }
  if (error == 0) return {};
  socket_.reset();
  return ErrnoError("cannot connect to " + text, error);
}

Status HttpConnection::Handshake(SSL_CTX* context, const std::string& host) {
  auto session = MakeSslSession(context, socket_.get(), host);
  if (!session) return std::unexpected(session.error());
  session_ = *std::move(session);
  tls_failure_.clear();
  while (true) {
    ERR_clear_error();
    const int outcome = SSL_connect(session_.get());
    if (outcome == 1) return {};
    const int error = SSL_get_error(session_.get(), outcome);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
      return EnvironmentError("no TLS with " + host + ": " + HandshakeError(session_.get()));
    if (Wait(error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT))
      return EnvironmentError("no TLS with " + host + ": no answer in time");
  }
}

Status HttpConnection::AwaitVerdict(milliseconds timeout) {
  if (!session_) return {};
  set_deadline(Clock::now() + timeout);
  if (Wait(POLLIN)) return {};
  char byte;
  ERR_clear_error();
  const int outcome = SSL_peek(session_.get(), &byte, 1);  // takes session tickets on the way
  if (outcome > 0 || SSL_get_error(session_.get(), outcome) != SSL_ERROR_SSL) return {};
  Status refused = EnvironmentError("it refuses TLS: " + HandshakeError(session_.get()));
  Close();
  return refused;
}

HttpConnection::ErrorCode HttpConnection::Wait(short events) const {
  while (!options_.give_up()) {
    const auto now = Clock::now();
    if (now >= deadline_) break;
    const auto left = std::chrono::ceil<milliseconds>(std::min<Clock::duration>(deadline_ - now, kLook));
    pollfd ready{socket_.get(), events, 0};
    const int count = poll(&ready, 1, static_cast<int>(left.count()));
    if (count > 0) return {};
    if (count < 0 && errno != EINTR) return SystemError(errno);
  }
  return SystemError(ETIMEDOUT);
}

HttpConnection::ErrorCode HttpConnection::AfterTls(int outcome) {
  switch (SSL_get_error(session_.get(), outcome)) {
    case SSL_ERROR_WANT_READ:
      return Wait(POLLIN);
    case SSL_ERROR_WANT_WRITE:
      return Wait(POLLOUT);
    case SSL_ERROR_ZERO_RETURN:
      return boost::asio::error::eof;
    case SSL_ERROR_SYSCALL:
      return errno == 0 ? ErrorCode(boost::asio::error::eof) : SystemError(errno);
    default:
      tls_failure_ = HandshakeError(session_.get());
      return SystemError(EPROTO);
  }
}

size_t HttpConnection::Read(char* data, size_t size, ErrorCode& error) {
  error = {};
  while (!error) {
    if (session_) {
      ERR_clear_error();
      const int count = SSL_read(session_.get(), data, static_cast<int>(std::min<size_t>(size, 1 << 20)));
      if (count > 0) return static_cast<size_t>(count);
      error = AfterTls(count);
      continue;
    }
    const ssize_t count = recv(socket_.get(), data, size, 0);
    if (count > 0) return static_cast<size_t>(count);
    if (count == 0)
      error = boost::asio::error::eof;
    else if (errno == EAGAIN)
      error = Wait(POLLIN);
    else if (errno != EINTR)
      error = SystemError(errno);
  }
  return 0;
}

size_t HttpConnection::Write(const char* data, size_t size, ErrorCode& error) {
  error = {};
  while (!error) {
    if (session_) {
      ERR_clear_error();
      const int count = SSL_write(session_.get(), data, static_cast<int>(std::min<size_t>(size, 1 << 20)));
      if (count > 0) return static_cast<size_t>(count);
      error = AfterTls(count);
      continue;
    }
    const ssize_t count = send(socket_.get(), data, size, MSG_NOSIGNAL);
    if (count >= 0) return static_cast<size_t>(count);
    if (errno == EAGAIN)
      error = Wait(POLLOUT);
    else if (errno != EINTR)
      error = SystemError(errno);
  }
  return 0;
}

}  // namespace podtap
