// SPDX-License-Identifier: Apache-2.0
#include "base/http_server.h"

#include <sys/socket.h>

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <mutex>
#include <optional>
#include <thread>

namespace podtap {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Stream = beast::basic_stream<net::generic::stream_protocol>;
using boost::system::error_code;

constexpr size_t kMaxHeadBytes = 8 << 10, kMaxBodyBytes = 64 << 10, kMaxTailBytes = 4 << 20;
constexpr size_t kMaxConnections = 64;  // of each kind of socket
constexpr size_t kMaxTails = 4;         // each may hold kMaxTailBytes twice
constexpr std::chrono::seconds kSilence(10);

// Waits for nothing but completion; errors are values.
auto Into(error_code& error) { return net::redirect_error(net::use_awaitable, error); }

// The pieces of one tail, pushed from any thread, taken by the connection's coroutine. It may outlive the server:
// nothing of Asio lives here but inside `wake`, which the coroutine takes away when it ends.
class Tail final : public HttpTail {
 public:
  explicit Tail(std::function<void()> wake) : wake_(std::move(wake)) {}

  bool Push(std::string_view piece) override {
    const std::lock_guard lock(mutex_);
    if (!wake_ || pieces_.size() + piece.size() > kMaxTailBytes) return false;
    if (pieces_.empty()) wake_();
    pieces_ += piece;
    return true;
  }
  bool gone() const override {
    const std::lock_guard lock(mutex_);
    return !wake_;
  }
  void Leave() {
    const std::lock_guard lock(mutex_);
    wake_ = nullptr;
  }
  std::string Take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(pieces_, {});
  }

 private:
  mutable std::mutex mutex_;
  std::function<void()> wake_;
  std::string pieces_;
};

// Ends a tail when its connection does, however that ends.
struct TailEnd {
  std::shared_ptr<Tail> tail;
  ~TailEnd() { tail->Leave(); }
};

HttpRequest RequestOf(http::request<http::string_body>& message, bool over_unix_socket) {
  HttpRequest request;
  request.method = std::string(message.method_string());
  const std::string_view target(message.target().data(), message.target().size());
  const size_t mark = target.find('?');
  request.path = std::string(target.substr(0, mark));
  if (mark != std::string_view::npos) request.query = std::string(target.substr(mark + 1));
  request.body = std::move(message.body());
  request.over_unix_socket = over_unix_socket;
  return request;
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(std::vector<UniqueFd> listeners, Handler handler) : handler_(std::move(handler)) {
    for (UniqueFd& listener : listeners) {
      const int descriptor = listener.release();
      net::co_spawn(context_, Accept(net::posix::stream_descriptor(context_, descriptor)), net::detached);
    }
    thread_ = std::thread([this] { context_.run(); });
  }
  ~Impl() {
    context_.stop();
    thread_.join();
  }

 private:
  struct Count {
    size_t& n;
    explicit Count(size_t& count) : n(count) { ++n; }
    ~Count() { --n; }
  };

  net::awaitable<void> Accept(net::posix::stream_descriptor listener) {
    listener.non_blocking(true);
    while (true) {
      error_code error;
      co_await listener.async_wait(net::posix::descriptor_base::wait_read, Into(error));
      if (error) co_return;
      sockaddr_storage peer{};
      socklen_t size = sizeof(peer);
      UniqueFd accepted(
          accept4(listener.native_handle(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!accepted) {
        // Out of descriptors, or the peer has gone again: not at once once more.
        if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR) continue;
        net::steady_timer pause(context_, std::chrono::milliseconds(100));
        co_await pause.async_wait(Into(error));
        continue;
      }
      const bool over_unix_socket = peer.ss_family == AF_UNIX;
      if (connections_[over_unix_socket] >= kMaxConnections) continue;
      Stream stream(context_);
      (void)stream.socket().assign(net::generic::stream_protocol(peer.ss_family, 0), accepted.release(), error);
      if (error) continue;
      net::co_spawn(context_, Serve(std::move(stream), over_unix_socket), net::detached);
    }
  }

  net::awaitable<void> Serve(Stream stream, bool over_unix_socket) {
    const Count count(connections_[over_unix_socket]);
    beast::flat_buffer buffer;
    error_code error;
    while (!error) {
      http::request_parser<http::string_body> parser;
      parser.header_limit(kMaxHeadBytes);
      parser.body_limit(kMaxBodyBytes);
      stream.expires_after(kSilence);
      co_await http::async_read(stream, buffer, parser, Into(error));
      if (error == http::error::end_of_stream || error == beast::error::timeout) co_return;
      const bool readable = !error;
      HttpResponse answer = readable ? Call(RequestOf(parser.get(), over_unix_socket))
                                     : HttpResponse::Text(400, "cannot read this request\n");
      if (answer.tail && tails_ >= kMaxTails)
        answer = HttpResponse::Text(503, "too many look at this already; try again when one of them has gone\n");
      const bool head_only = readable && parser.get().method() == http::verb::head;
      const bool keep_alive = readable && parser.get().keep_alive() && !answer.tail;
      http::response<http::string_body> message(static_cast<http::status>(answer.status), 11);
      message.set(http::field::content_type, answer.content_type);
      message.set(http::field::cache_control, "no-store");
      if (!answer.allow.empty()) message.set(http::field::allow, answer.allow);
      message.keep_alive(keep_alive);
      if (answer.tail) {
        co_await ServeTail(stream, std::move(message), std::move(answer));
        co_return;
      }
      const size_t length = answer.body.size();
      if (!head_only) message.body() = std::move(answer.body);
      if (answer.status != 204) message.content_length(length);
      error = {};
      co_await http::async_write(stream, message, Into(error));
      if (!keep_alive) break;
    }
    (void)stream.socket().shutdown(net::socket_base::shutdown_send, error);
  }

  net::awaitable<void> ServeTail(Stream& stream, http::response<http::string_body> head, HttpResponse answer) {
    const Count count(tails_);
    error_code error;
    http::response<http::empty_body> empty(std::move(head.base()));
    empty.chunked(true);
    http::response_serializer<http::empty_body> serializer(empty);
    co_await http::async_write_header(stream, serializer, Into(error));
    const auto timer = std::make_shared<net::steady_timer>(context_);
    const auto wake = [this, weak = std::weak_ptr(timer)] {
      net::post(context_, [weak] {
        if (const auto sleeping = weak.lock()) sleeping->cancel();
      });
    };
    const TailEnd end{std::make_shared<Tail>(wake)};
    if (!error) answer.tail(end.tail);
    std::string pieces = std::move(answer.body);
    // A client sends nothing more; that its socket is readable means it has gone.
    const auto closed = std::make_shared<bool>(false);
    stream.socket().async_wait(net::socket_base::wait_read, [closed, wake](error_code) { *closed = true, wake(); });
    while (!error && !*closed) {
      pieces += end.tail->Take();
      if (pieces.empty()) {
        timer->expires_at(std::chrono::steady_clock::time_point::max());
        error_code woken;
        co_await timer->async_wait(Into(woken));
        continue;
      }
      stream.expires_after(kSilence);
      co_await net::async_write(stream, http::make_chunk(net::const_buffer(pieces.data(), pieces.size())), Into(error));
      stream.expires_never();
      pieces.clear();
    }
  }

  HttpResponse Call(const HttpRequest& request) {
    try {
      return handler_(request);
    } catch (const std::exception& exception) {
      return HttpResponse::Text(500, std::string(exception.what()) + "\n");
    }
  }

  Handler handler_;
  size_t connections_[2] = {0, 0};  // TCP, unix
  size_t tails_ = 0;
  net::io_context context_{1};  // after what its coroutines use: they go with it
  std::thread thread_;
};

HttpServer::HttpServer(std::vector<UniqueFd> listeners, Handler handler)
    : impl_(std::make_unique<Impl>(std::move(listeners), std::move(handler))) {}
HttpServer::~HttpServer() = default;

}  // namespace podtap
