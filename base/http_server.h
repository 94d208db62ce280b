// SPDX-License-Identifier: Apache-2.0
// HttpServer: a small HTTP/1.1 server (RFC 9112) for metrics, health and control, over TCP or unix sockets. It gets
// listening descriptors, never opens anything by name, and runs in one thread of its own. Requests are hostile: head
// and body are bounded (8 KiB, 64 KiB), a connection that is silent for 10 s is closed, and so is the newest beyond 64
// of TCP or 64 of unix sockets: whoever reaches one kind cannot keep others from the other. Four tails at a time.
//
// The handler is called in the server's thread; it must not block for long.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace podtap {

struct HttpRequest {
  std::string method;
  std::string path;   // up to the '?', not decoded
  std::string query;  // after it
  std::string body;
  bool over_unix_socket = false;
};

// An answer without an end: whoever holds it pushes pieces, each goes out as one chunk. Thread-safe. A client that
// reads too slowly loses pieces whole (Push says false), it never slows the pusher.
class HttpTail {
 public:
  virtual ~HttpTail() = default;
  // False: not sent, because the client lags or is gone.
  virtual bool Push(std::string_view piece) = 0;
  virtual bool gone() const = 0;
};

struct HttpResponse {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body{};
  std::string allow{};  // the Allow field of a 405
  // Set: `body` is sent first, then the connection stays open for pieces; called once with where to push them.
  std::function<void(std::shared_ptr<HttpTail>)> tail{};

  static HttpResponse Text(unsigned status, std::string body) { return {.status = status, .body = std::move(body)}; }
  static HttpResponse Json(unsigned status, std::string body) {
    return {.status = status, .content_type = "application/json", .body = std::move(body)};
  }
};

class HttpServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  // Serves on `listeners` (bound, listening) until destroyed.
  HttpServer(std::vector<UniqueFd> listeners, Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Binds and listens: "unix:PATH" (a socket at PATH where nobody listens any more is replaced; mode 0600 unless `mode`
// says otherwise; PATH's folder is made, 0700, where only that is missing) or
// "HOST:PORT" with a numeric HOST, "[::]:8080" for all addresses. One clear line for anything else.
Result<UniqueFd> ListenOn(std::string_view address, unsigned mode = 0600);

// Whether ListenOn would understand the address; nothing is opened.
Status CheckListenAddress(std::string_view address);

}  // namespace podtap
