// SPDX-License-Identifier: Apache-2.0
// HttpConnection: one TCP connection to an HTTP server, with TLS or without, for one thread that waits: every wait ends
// at a deadline, or when the owner is told to give up. Speaks Beast's SyncReadStream and SyncWriteStream.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/beast/core/error.hpp>
#include <chrono>
#include <functional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "sidecar/sink/http_url.h"
#include "sidecar/sink/tls_client.h"

namespace podtap {

class HttpConnection {
 public:
  using Clock = std::chrono::steady_clock;
  using ErrorCode = boost::beast::error_code;

  struct Options {
    // Asked a few times a second while waiting: true ends the wait.
    std::function<bool()> give_up;
    // Called with each new socket before it connects.
    std::function<void(int socket)> on_socket;
  };

  explicit HttpConnection(Options options) : options_(std::move(options)) {}

  // Finds the server's addresses and tries one after the other. `context` null: no TLS. Takes at most about
  // `timeout` besides what the resolver takes.
  Status Open(const HttpUrl& url, SSL_CTX* context, std::chrono::milliseconds timeout);
  void Close();
  bool is_open() const { return static_cast<bool>(socket_); }
  // Whether the server has closed it, or said something that nobody asked for, while it was idle.
  bool IsStale() const;

  // Waits until the server has said something or `timeout` is over, and tells what it said against the connection: in
  // TLS 1.3 it judges the client's certificate after the handshake.
  Status AwaitVerdict(std::chrono::milliseconds timeout);
  // What TLS broke on; empty if it did not.
  const std::string& tls_failure() const { return tls_failure_; }

  // Of all reads and writes from now on.
  void set_deadline(Clock::time_point deadline) { deadline_ = deadline; }

  template <typename Buffers>
  size_t read_some(const Buffers& buffers, ErrorCode& error) {
    const boost::asio::mutable_buffer first = First<boost::asio::mutable_buffer>(buffers);
    return first.size() == 0 ? 0 : Read(static_cast<char*>(first.data()), first.size(), error);
  }
  template <typename Buffers>
  size_t write_some(const Buffers& buffers, ErrorCode& error) {
    const boost::asio::const_buffer first = First<boost::asio::const_buffer>(buffers);
    return first.size() == 0 ? 0 : Write(static_cast<const char*>(first.data()), first.size(), error);
  }
  template <typename Buffers>
  size_t read_some(const Buffers& buffers) {
    return Thrown([&](ErrorCode& error) { return read_some(buffers, error); });
  }
  template <typename Buffers>
  size_t write_some(const Buffers& buffers) {
    return Thrown([&](ErrorCode& error) { return write_some(buffers, error); });
  }

 private:
  // The first buffer that is not empty.
  template <typename Buffer, typename Buffers>
  static Buffer First(const Buffers& buffers) {
    for (auto it = boost::asio::buffer_sequence_begin(buffers); it != boost::asio::buffer_sequence_end(buffers); ++it)
      if (Buffer buffer(*it); buffer.size() != 0) return buffer;
    return {};
  }
  template <typename F>
  static size_t Thrown(F f) {
    ErrorCode error;
    const size_t size = f(error);
    if (error) throw boost::system::system_error(error);
    return size;
  }
  size_t Read(char* data, size_t size, ErrorCode& error);
  size_t Write(const char* data, size_t size, ErrorCode& error);
  Status ConnectTo(const sockaddr* address, unsigned size, const std::string& text);
  Status Handshake(SSL_CTX* context, const std::string& host);
  // Until the socket is ready for `events`; an error at the deadline or when told to give up.
  ErrorCode Wait(short events) const;
  // What to do about the outcome of a call of OpenSSL: try again (no error) or give up.
  ErrorCode AfterTls(int outcome);

  const Options options_;
  UniqueFd socket_;
  SslSession session_{nullptr, &SSL_free};
  std::string tls_failure_;
  Clock::time_point deadline_{};
};

}  // namespace podtap
