// SPDX-License-Identifier: Apache-2.0
#include "webhook/https_server.h"

#include <glog/logging.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <condition_variable>
#include <thread>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "webhook/admission_review.h"
#include "webhook/body_blocks.h"

namespace podtap::webhook {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

// One TLS record; also bounds the head.
constexpr size_t kReadBuffer = 16 << 10;
constexpr size_t kHeadLimit = 12 << 10;
// Larger reviews take milliseconds to parse and much memory; they take turns.
constexpr size_t kLargeBody = 1 << 20;
// A look-up has a shorter deadline of its own.
constexpr std::chrono::seconds kLookLimit(2);

using RequestParser = http::request_parser<http::buffer_body>;

std::string_view ReasonPhrase(unsigned status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    default:
      return "Error";
  }
}

std::string WriteResponse(const MutateAnswer& answer, bool keep_alive, unsigned http_version, bool to_head) {
  std::string text = "HTTP/1.1 " + std::to_string(answer.status) + " ";
  text.append(ReasonPhrase(answer.status)).append("\r\nContent-Type: ");
  text.append(answer.status == 200 ? "application/json" : "text/plain; charset=utf-8");
  text.append("\r\nContent-Length: ").append(std::to_string(answer.body.size()));
  if (answer.status == 405) text.append("\r\nAllow: POST");
  if (!keep_alive)
    text.append("\r\nConnection: close");
  else if (http_version == 10)
    text.append("\r\nConnection: keep-alive");
  text.append("\r\n\r\n");
  if (!to_head) text.append(answer.body);
  return text;
}

// What the peer sent is no HTTP, as opposed to: it went, or took too long.
bool IsBadMessage(const error_code& error) {
  return error.category() == http::make_error_code(http::error::bad_method).category() &&
         error != http::error::end_of_stream && error != http::error::partial_message;
}

// One at a time; a second one waits without blocking its thread.
class LargeBodyTurn {
 public:
  explicit LargeBodyTurn(std::atomic<bool>& busy) : busy_(busy) {}
  LargeBodyTurn(const LargeBodyTurn&) = delete;
  LargeBodyTurn& operator=(const LargeBodyTurn&) = delete;
  ~LargeBodyTurn() {
    if (mine_) busy_.store(false, std::memory_order_release);
  }
  bool Try() { return mine_ = !busy_.exchange(true, std::memory_order_acquire); }

 private:
  std::atomic<bool>& busy_;
  bool mine_ = false;
};

}  // namespace

class HttpsServer::Impl {
 public:
  Impl(UniqueFd listener, const HttpsServerOptions& options, const ServingCertificate& certificates,
       const Mutator& mutator, WebhookMetrics& metrics, LiveSource* live)
      : options_(options),
        certificates_(certificates),
        mutator_(mutator),
        metrics_(metrics),
        live_(live),
        budget_(options.max_bytes_in_flight, metrics.bytes_in_flight),
        context_(static_cast<int>(options.threads)),
        work_(asio::make_work_guard(context_)),
        acceptor_(context_) {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
    ::listen(listener.get(), SOMAXCONN);
    acceptor_.assign(address.ss_family == AF_INET ? tcp::v4() : tcp::v6(), listener.release());
    asio::co_spawn(context_, AcceptAll(), asio::detached);
    for (unsigned i = 0; i < options.threads; ++i) threads_.emplace_back([this] { RunThread(); });
  }

  ~Impl() { Stop(std::chrono::milliseconds(0)); }

  void StartDraining() { draining_.store(true); }

  void Stop(std::chrono::milliseconds limit) {
    if (threads_.empty()) return;
    draining_.store(true);
    asio::post(context_, [this] {
      stopped_ = true;
      error_code ignored;
      (void)acceptor_.close(ignored);
    });
    {
      std::unique_lock lock(connections_mutex_);
      for (Connection* connection : connections_) CloseIfIdle(*connection);
      all_gone_.wait_for(lock, limit, [this] { return connections_.empty(); });
    }
    work_.reset();
    context_.stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  // A connection as others see it: lives inside its coroutine, listed while it is open.
  struct Connection {
    explicit Connection(tcp::socket socket, asio::ssl::context& tls) : stream(std::move(socket), tls) {}
    asio::ssl::stream<beast::tcp_stream> stream;
    beast::flat_buffer buffer{kReadBuffer};
    std::atomic<bool> idle{false};
  };

  // Between two requests nothing is lost by closing. Called with connections_mutex_ held, so the connection is there.
  void CloseIfIdle(Connection& connection) {
    if (!connection.idle.load()) return;
    asio::post(connection.stream.get_executor(), [this, at = &connection] {
      const std::lock_guard lock(connections_mutex_);
      if (connections_.contains(at) && at->idle.load()) beast::get_lowest_layer(at->stream).cancel();
    });
  }

  void RunThread() {
    for (;;) {
      try {
        context_.run();
        return;
      } catch (const std::exception& error) {
        LOG(ERROR) << "a connection failed: " << error.what();
      }
    }
  }

  asio::awaitable<void> AcceptAll() {
    error_code error;
    while (!stopped_) {
      tcp::socket socket = co_await acceptor_.async_accept(asio::make_strand(context_),
                                                           asio::redirect_error(asio::use_awaitable, error));
      if (stopped_) co_return;
      if (error) {
        // Out of descriptors, or the peer was gone already: neither ends the server.
        asio::steady_timer pause(context_, std::chrono::milliseconds(50));
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
        continue;
      }
      metrics_.connections.fetch_add(1, std::memory_order_relaxed);
      if (metrics_.connections_open.load() >= static_cast<int64_t>(options_.max_connections)) {
        metrics_.connections_refused.fetch_add(1, std::memory_order_relaxed);
        continue;
      }
      const auto executor = socket.get_executor();
      asio::co_spawn(executor, Serve(std::move(socket)), asio::detached);
    }
  }

  asio::awaitable<void> Serve(tcp::socket socket) {
    const std::shared_ptr<SSL_CTX> certificate = certificates_.Current();
    if (!certificate) co_return;
    error_code error;
    (void)socket.set_option(tcp::no_delay(true), error);  // without it we are only slower
    SSL_CTX_up_ref(certificate.get());
    asio::ssl::context tls(certificate.get());
    Connection connection(std::move(socket), tls);
    {
      const std::lock_guard lock(connections_mutex_);
      connections_.insert(&connection);
      metrics_.connections_open.fetch_add(1, std::memory_order_relaxed);
    }
    try {
      co_await Converse(connection);
    } catch (const std::exception& exception) {
      LOG(ERROR) << "a connection failed: " << exception.what();
    }
    const std::lock_guard lock(connections_mutex_);
    connections_.erase(&connection);
    metrics_.connections_open.fetch_sub(1, std::memory_order_relaxed);
    if (connections_.empty()) all_gone_.notify_all();
  }

  void CountEnd(const error_code& error) {
    if (error == beast::error::timeout) metrics_.timeouts.fetch_add(1, std::memory_order_relaxed);
  }

  asio::awaitable<void> Converse(Connection& connection) {
    auto& stream = connection.stream;
    auto& lowest = beast::get_lowest_layer(stream);
    error_code error;
    lowest.expires_after(options_.handshake_timeout);
    co_await stream.async_handshake(asio::ssl::stream_base::server, asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      metrics_.handshakes_failed.fetch_add(1, std::memory_order_relaxed);
      CountEnd(error);
      co_return;
    }
    bool keep_alive = true;
    while (keep_alive) {
      if (connection.buffer.size() == 0) {
        connection.idle.store(true);
        lowest.expires_after(options_.idle_timeout);
        const size_t n = co_await stream.async_read_some(connection.buffer.prepare(kReadBuffer),
                                                         asio::redirect_error(asio::use_awaitable, error));
        connection.idle.store(false);
        if (error) break;
        connection.buffer.commit(n);
      }
      keep_alive = co_await ServeRequest(connection, error);
    }
    CountEnd(error);
    if (error) co_return;
    lowest.expires_after(std::chrono::seconds(2));
    co_await stream.async_shutdown(asio::redirect_error(asio::use_awaitable, error));
  }

  // One request and its answer; false ends the connection.
  asio::awaitable<bool> ServeRequest(Connection& connection, error_code& error) {
    auto& lowest = beast::get_lowest_layer(connection.stream);
    RequestParser parser;
    parser.header_limit(kHeadLimit);
    parser.body_limit(boost::none);
    lowest.expires_after(options_.head_timeout);
    co_await http::async_read_header(connection.stream, connection.buffer, parser,
                                     asio::redirect_error(asio::use_awaitable, error));
    const bool readable = !error;
    if (error && !IsBadMessage(error)) co_return false;
    error = {};

    MutateAnswer answer;
    bool keep_alive = readable && parser.keep_alive();
    const std::string_view target = parser.get().target();
    if (!readable) {
      answer = {400, "not an HTTP/1.1 request\n"};
    } else if (target.substr(0, target.find('?')) != "/mutate") {
      answer = {404, "reviews are answered at /mutate\n"};
    } else if (parser.get().method() != http::verb::post) {
      answer = {405, "send the review with POST\n"};
    } else {
      BodyBlocks body(budget_);
      Dropped dropped;
      const bool read = co_await ReadBody(connection, parser, body, dropped, error);
      if (!read && !IsBadMessage(error)) co_return false;
      keep_alive = keep_alive && parser.is_done();
      if (read) {
        answer = co_await Answer(body, dropped);
      } else {
        error = {};
        answer = {400, "the body's framing cannot be read\n"};
        metrics_.requests_bad.fetch_add(1, std::memory_order_relaxed);
      }
    }
    if (answer.status != 200) {
      // The rest of the body, if any, would be taken for the next request.
      keep_alive = keep_alive && parser.is_done();
      if (answer.status != 400 || !readable) metrics_.requests_bad.fetch_add(1, std::memory_order_relaxed);
    }
    keep_alive = keep_alive && !draining_.load();
    const std::string response = WriteResponse(answer, keep_alive, readable ? parser.get().version() : 11,
                                               readable && parser.get().method() == http::verb::head);
    lowest.expires_after(options_.write_timeout);
    co_await asio::async_write(connection.stream, asio::buffer(response),
                               asio::redirect_error(asio::use_awaitable, error));
    co_return keep_alive && !error;
  }

  // A body that is not kept: why, and what is looked for as it passes by.
  struct Dropped {
    bool yes = false;
    Reason reason = Reason::kOverloaded;
    UidReader uid;
    size_t bytes = 0;

    void Begin(BodyBlocks& body, Reason why) {
      yes = true;
      reason = why;
      for (const std::string_view block : body.Views())
        if (uid.Add(block)) break;
      body.Clear();
    }
    void Add(std::string_view piece) {
      bytes += piece.size();
      uid.Add(piece);
    }
  };

  // False: the connection is of no more use. A body that stays unfinished in `parser` was too long even to be dropped.
  asio::awaitable<bool> ReadBody(Connection& connection, RequestParser& parser, BodyBlocks& body, Dropped& dropped,
                                 error_code& error) {
    beast::get_lowest_layer(connection.stream).expires_after(options_.body_timeout);
    const bool expects_continue = beast::iequals(parser.get()[http::field::expect], "100-continue");
    if (expects_continue && !parser.is_done()) {
      static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      co_await asio::async_write(connection.stream, asio::buffer(kContinue),
                                 asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return false;
    }
    std::array<char, 4096> scratch;
    while (!parser.is_done()) {
      if (!dropped.yes && body.size() > options_.max_body_bytes) dropped.Begin(body, Reason::kTooLarge);
      std::span<char> room;
      if (!dropped.yes) {
        room = body.Room();
        if (room.empty()) dropped.Begin(body, Reason::kOverloaded);
      }
      if (dropped.yes) room = scratch;
      parser.get().body().data = room.data();
      parser.get().body().size = room.size();
      parser.get().body().more = true;
      co_await http::async_read(connection.stream, connection.buffer, parser,
                                asio::redirect_error(asio::use_awaitable, error));
      if (error == http::error::need_buffer) error = {};
      if (error) co_return false;
      const size_t n = room.size() - parser.get().body().size;
      metrics_.bytes_received.fetch_add(n, std::memory_order_relaxed);
      if (!dropped.yes)
        body.Commit(n);
      else
        dropped.Add({room.data(), n});
      if (dropped.bytes > options_.max_dropped_bytes) co_return true;
    }
    if (!dropped.yes && body.size() > options_.max_body_bytes) dropped.Begin(body, Reason::kTooLarge);
    co_return true;
  }

  // Waits for a look-up without holding up the thread.
  asio::awaitable<void> Look(const Lookup& lookup) {
    const auto executor = co_await asio::this_coro::executor;
    const auto timer = std::make_shared<asio::steady_timer>(executor, kLookLimit);
    live_->Look(lookup, [executor, timer] { asio::post(executor, [timer] { timer->cancel(); }); });
    error_code ignored;
    co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }

  asio::awaitable<MutateAnswer> Answer(BodyBlocks& body, Dropped& dropped) {
    const Timestamp begin = MonotonicNow();
    MutateAnswer answer;
    if (dropped.yes) {
      answer = mutator_.AllowUnread(dropped.uid.uid(), dropped.reason);
    } else {
      LargeBodyTurn turn(large_body_);
      while (body.size() > kLargeBody && !turn.Try()) {
        asio::steady_timer pause(context_, std::chrono::milliseconds(2));
        error_code ignored;
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      }
      const std::vector<std::string_view> views = body.Views();
      answer = mutator_.Mutate(views, live_ != nullptr);
      if (answer.lookup) {
        const Lookup lookup = *answer.lookup;
        co_await Look(lookup);
        answer = mutator_.Mutate(views, false);
      }
      body.Clear();
    }
    metrics_.latency.Observe(NanosecondsBetween(begin, MonotonicNow()));
    co_return answer;
  }

  const HttpsServerOptions options_;
  const ServingCertificate& certificates_;
  const Mutator& mutator_;
  WebhookMetrics& metrics_;
  LiveSource* const live_;
  ByteBudget budget_;
  std::atomic<bool> large_body_{false};
  std::atomic<bool> draining_{false};
  std::atomic<bool> stopped_{false};
  std::mutex connections_mutex_;
  std::unordered_set<Connection*> connections_;
  std::condition_variable all_gone_;
  // Destroyed first: the coroutines it holds use everything above.
  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  tcp::acceptor acceptor_;
  std::vector<std::thread> threads_;
};

HttpsServer::HttpsServer(UniqueFd listener, const HttpsServerOptions& options, const ServingCertificate& certificates,
                         const Mutator& mutator, WebhookMetrics& metrics, LiveSource* live)
    : impl_(std::make_unique<Impl>(std::move(listener), options, certificates, mutator, metrics, live)) {}

HttpsServer::~HttpsServer() = default;

void HttpsServer::StartDraining() { impl_->StartDraining(); }
void HttpsServer::Stop(std::chrono::milliseconds limit) { impl_->Stop(limit); }

}  // namespace podtap::webhook
