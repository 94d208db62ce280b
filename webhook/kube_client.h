// SPDX-License-Identifier: Apache-2.0
// KubeClient: calls of the Kubernetes API over HTTP/1.1 (RFC 9112) and TLS, as coroutines of the caller's io_context,
// which one thread runs. Connections are kept and used again; the token is read for every call and the CA for every new
// connection, so that both may rotate. Every call has a deadline; answers are bounded. The server is checked against
// the CA and its name; what it says is hostile bytes all the same.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "webhook/kube_config.h"

namespace podtap::webhook {

struct KubeRequest {
  std::string method = "GET";
  std::string target;  // path and query, encoded
  std::string accept = "application/json";
  std::string content_type{};
  std::string body{};
  std::chrono::milliseconds deadline{10000};  // from now to the last byte of the answer
};

struct KubeAnswer {
  unsigned status = 0;  // 0: there was no answer, `error` says why
  std::string body{};
  std::string error{};
  std::optional<std::chrono::seconds> retry_after{};  // the server's wish, of a 429 or 503

  bool ok() const { return status >= 200 && status < 300; }
  // For the log: "HTTP 403: namespaces is forbidden: …" or the error. One line, at most 300 characters.
  std::string Describe() const;
};

class KubeClient {
 public:
  // Handles a line of a watch; false ends it.
  using LineHandler = std::function<bool(std::string_view line)>;

  KubeClient(boost::asio::io_context& context, KubeConfig config, std::string user_agent);
  ~KubeClient();
  KubeClient(const KubeClient&) = delete;
  KubeClient& operator=(const KubeClient&) = delete;

  // One call. A kept connection that the server has closed meanwhile is replaced by a new one, once; so every call must
  // be one that may reach the server twice.
  boost::asio::awaitable<KubeAnswer> Call(KubeRequest request);

  // A call whose answer is lines without an end. The request's deadline holds for its head; then `silence` without a
  // byte ends it. With status 200 and no error the server (or the handler) has ended it.
  boost::asio::awaitable<KubeAnswer> Watch(KubeRequest request, std::chrono::milliseconds silence, LineHandler on_line);

  boost::asio::io_context& context() { return context_; }

 private:
  struct Connection;
  using ConnectionPtr = std::unique_ptr<Connection>;

  boost::asio::awaitable<KubeAnswer> CallOnce(const KubeRequest& request, ConnectionPtr connection,
                                              std::chrono::steady_clock::time_point deadline, bool& answered);
  boost::asio::awaitable<ConnectionPtr> Connect(std::chrono::steady_clock::time_point deadline, std::string& error);

  boost::asio::io_context& context_;
  const KubeConfig config_;
  const std::string user_agent_;
  std::vector<ConnectionPtr> kept_;
};

// Percent-encodes what is not unreserved (RFC 3986), for a path segment or a query value.
std::string UrlEncode(std::string_view text);

}  // namespace podtap::webhook
