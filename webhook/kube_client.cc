// SPDX-License-Identifier: Apache-2.0
#include "webhook/kube_client.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/json/parse.hpp>
#include <charconv>

#include "base/read_file.h"
#include "webhook/json_view.h"

namespace podtap::webhook {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr size_t kMaxAnswerBytes = 64 << 20;  // a page of 500 objects is far below it
constexpr size_t kMaxLineBytes = 8 << 20;
constexpr uint32_t kMaxHeadBytes = 64 << 10;
constexpr size_t kMaxKept = 8;
constexpr size_t kMaxFileBytes = 1 << 20;

auto Into(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

std::string SslErrorText(const error_code& error) {
  return error == asio::error::operation_aborted || error == beast::error::timeout ? "deadline exceeded"
                                                                                   : error.message();
}

std::optional<std::chrono::seconds> RetryAfter(std::string_view text) {
  unsigned seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return std::chrono::seconds(std::min(seconds, 300U));
}

std::string_view View(beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct KubeClient::Connection {
  // The TLS context lives as long as its stream; without TLS there is only `plain`.
  std::optional<asio::ssl::context> context;
  std::optional<asio::ssl::stream<beast::tcp_stream>> tls;
  std::optional<beast::tcp_stream> plain;
  beast::flat_buffer buffer{1 << 20};
  bool used = false;

  beast::tcp_stream& lowest() { return tls ? beast::get_lowest_layer(*tls) : *plain; }
};

std::string KubeAnswer::Describe() const {
  std::string text;
  if (status == 0) {
    text = error;
  } else {
    text = "HTTP " + std::to_string(status);
    boost::json::error_code bad;
    const json::value value = json::parse(std::string_view(body).substr(0, 64 << 10), bad);
    if (const std::string_view message = TextMember(value.if_object(), "message"); !bad && !message.empty())
      text.append(": ").append(message);
    if (!error.empty()) text.append(", ").append(error);
  }
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return text.substr(0, 300);
}

std::string UrlEncode(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                            c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.append({'%', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  return out;
}

KubeClient::KubeClient(asio::io_context& context, KubeConfig config, std::string user_agent)
    : context_(context), config_(std::move(config)), user_agent_(std::move(user_agent)) {}

KubeClient::~KubeClient() = default;

asio::awaitable<KubeClient::ConnectionPtr> KubeClient::Connect(SteadyTime deadline, std::string& failure) {
  auto connection = std::make_unique<Connection>();
  error_code error;
  if (config_.tls) {
    connection->context.emplace(asio::ssl::context::tls_client);
    (void)connection->context->set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1, error);
    if (config_.ca_file.empty() && config_.ca_pem.empty()) {
      (void)connection->context->set_default_verify_paths(error);
    } else {
      Result<std::string> ca = config_.ca_pem;
      if (!config_.ca_file.empty()) ca = ReadFile(config_.ca_file, kMaxFileBytes);
      if (!ca) {
        failure = ca.error().message;
        co_return nullptr;
      }
      (void)connection->context->add_certificate_authority(asio::buffer(*ca), error);
      if (error) {
        failure = (config_.ca_file.empty() ? "the CA" : config_.ca_file) + " holds no PEM certificate";
        co_return nullptr;
      }
    }
    if (!config_.client_pem.empty()) {
      (void)connection->context->use_certificate_chain(asio::buffer(config_.client_pem), error);
      if (!error)
        (void)connection->context->use_private_key(asio::buffer(config_.client_pem), asio::ssl::context::pem, error);
      if (error) {
        failure = "the client certificate: " + error.message();
        co_return nullptr;
      }
    }
    connection->tls.emplace(context_, *connection->context);
    (void)connection->tls->set_verify_mode(asio::ssl::verify_peer, error);
    (void)connection->tls->set_verify_callback(asio::ssl::host_name_verification(config_.host), error);
    error_code no_address;
    (void)asio::ip::make_address(config_.host, no_address);
    if (no_address) SSL_set_tlsext_host_name(connection->tls->native_handle(), config_.host.c_str());
  } else {
    connection->plain.emplace(context_);
  }

  std::vector<tcp::endpoint> endpoints;
  const asio::ip::address address = asio::ip::make_address(config_.host, error);
  if (!error) {
    unsigned port = 0;
    std::from_chars(config_.port.data(), config_.port.data() + config_.port.size(), port);
    endpoints.emplace_back(address, static_cast<uint16_t>(port));
  } else {
    tcp::resolver resolver(context_);
    asio::steady_timer limit(context_, deadline);
    limit.async_wait([&resolver](const error_code& gone) {
      if (!gone) resolver.cancel();
    });
    const auto found = co_await resolver.async_resolve(config_.host, config_.port, Into(error));
    limit.cancel();
    if (error) {
      failure = config_.host + ": " + SslErrorText(error);
      co_return nullptr;
    }
    for (const auto& entry : found) endpoints.push_back(entry.endpoint());
  }
  connection->lowest().expires_at(deadline);
  co_await connection->lowest().async_connect(endpoints, Into(error));
  if (!error) {
    (void)connection->lowest().socket().set_option(tcp::no_delay(true), error);
    (void)connection->lowest().socket().set_option(asio::socket_base::keep_alive(true), error);
    error = {};
    if (connection->tls) co_await connection->tls->async_handshake(asio::ssl::stream_base::client, Into(error));
  }
  if (error) {
    failure = "connecting to " + config_.Authority() + ": " + SslErrorText(error);
    if (connection->tls) {
      const long verified = SSL_get_verify_result(connection->tls->native_handle());
      if (verified != X509_V_OK) failure.append(" (").append(X509_verify_cert_error_string(verified)).append(")");
    }
    co_return nullptr;
  }
  co_return connection;
}

namespace {

http::request<http::string_body> MakeRequest(const KubeRequest& request, const KubeConfig& config,
                                             const std::string& user_agent, const std::string& token) {
  http::request<http::string_body> message;
  message.version(11);
  message.method_string(request.method);
  message.target(config.path_prefix + request.target);
  message.set(http::field::host, config.Authority());
  message.set(http::field::user_agent, user_agent);
  message.set(http::field::accept, request.accept);
  if (!token.empty()) message.set(http::field::authorization, "Bearer " + token);
  if (!request.content_type.empty()) {
    message.set(http::field::content_type, request.content_type);
    message.body() = request.body;
    message.content_length(request.body.size());
  }
  return message;
}

Result<std::string> ReadToken(const KubeConfig& config) {
  const std::string& file = config.token_file;
  if (file.empty()) return config.token;
  auto token = ReadFile(file, 64 << 10);
  if (!token) return token;
  const size_t end = token->find_last_not_of(" \t\r\n");
  token->resize(end == std::string::npos ? 0 : end + 1);
  if (token->empty() || token->find_first_of("\r\n") != std::string::npos)
    return EnvironmentError(file + " holds no token");
  return token;
}

}  // namespace

asio::awaitable<KubeAnswer> KubeClient::CallOnce(const KubeRequest& request, ConnectionPtr connection,
                                                 SteadyTime deadline, bool& answered) {
  KubeAnswer answer;
  const auto token = ReadToken(config_);
  if (!token) {
    answered = true;
    answer.error = token.error().message;
    co_return answer;
  }
  const auto message = MakeRequest(request, config_, user_agent_, *token);
  http::response_parser<http::string_body> parser;
  parser.header_limit(kMaxHeadBytes);
  parser.body_limit(kMaxAnswerBytes);
  error_code error;
  connection->lowest().expires_at(deadline);
  if (connection->tls)
    co_await http::async_write(*connection->tls, message, Into(error));
  else
    co_await http::async_write(*connection->plain, message, Into(error));
  if (!error) {
    if (connection->tls)
      co_await http::async_read(*connection->tls, connection->buffer, parser, Into(error));
    else
      co_await http::async_read(*connection->plain, connection->buffer, parser, Into(error));
  }
  answered = parser.got_some();
  if (error) {
    answer.error = request.method + " " + request.target + ": " + SslErrorText(error);
    if (error == beast::error::timeout) answered = true;  // trying again would take as long
    co_return answer;
  }
  answer.status = parser.get().result_int();
  answer.retry_after = RetryAfter(View(parser.get()[http::field::retry_after]));
  const bool keep = parser.keep_alive();
  answer.body = std::move(parser.get().body());
  if (keep && kept_.size() < kMaxKept) {
    connection->used = true;
    connection->lowest().expires_never();
    kept_.push_back(std::move(connection));
  }
  co_return answer;
}

asio::awaitable<KubeAnswer> KubeClient::Call(KubeRequest request) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + request.deadline;
  while (!kept_.empty()) {
    ConnectionPtr connection = std::move(kept_.back());
    kept_.pop_back();
    bool answered = false;
    KubeAnswer answer = co_await CallOnce(request, std::move(connection), deadline, answered);
    // An API server that turns a token away may have it from before a rotation; the next call reads the new one.
    if (answered) co_return answer;
  }
  std::string failure;
  ConnectionPtr connection = co_await Connect(deadline, failure);
  if (!connection) {
    KubeAnswer answer;
    answer.error = failure;
    co_return answer;
  }
  bool answered = false;
  co_return co_await CallOnce(request, std::move(connection), deadline, answered);
}

asio::awaitable<KubeAnswer> KubeClient::Watch(KubeRequest request, std::chrono::milliseconds silence,
                                              LineHandler on_line) {
  KubeAnswer answer;
  const SteadyTime deadline = std::chrono::steady_clock::now() + request.deadline;
  const auto token = ReadToken(config_);
  if (!token) {
    answer.error = token.error().message;
    co_return answer;
  }
  ConnectionPtr connection = co_await Connect(deadline, answer.error);
  if (!connection) co_return answer;
  const auto message = MakeRequest(request, config_, user_agent_, *token);
  http::response_parser<http::buffer_body> parser;
  parser.header_limit(kMaxHeadBytes);
  parser.body_limit(boost::none);
  error_code error;
  if (connection->tls) {
    co_await http::async_write(*connection->tls, message, Into(error));
    if (!error) co_await http::async_read_header(*connection->tls, connection->buffer, parser, Into(error));
  } else {
    co_await http::async_write(*connection->plain, message, Into(error));
    if (!error) co_await http::async_read_header(*connection->plain, connection->buffer, parser, Into(error));
  }
  if (error) {
    answer.error = "watching " + request.target + ": " + SslErrorText(error);
    co_return answer;
  }
  answer.status = parser.get().result_int();
  answer.retry_after = RetryAfter(View(parser.get()[http::field::retry_after]));
  std::string pending;
  std::vector<char> chunk(32 << 10);
  bool going = true;
  while (going && !parser.is_done()) {
    parser.get().body().data = chunk.data();
    parser.get().body().size = chunk.size();
    parser.get().body().more = true;
    // What refuses is short; what streams may be silent for long.
    if (answer.ok()) connection->lowest().expires_after(silence);
    if (connection->tls)
      co_await http::async_read_some(*connection->tls, connection->buffer, parser, Into(error));
    else
      co_await http::async_read_some(*connection->plain, connection->buffer, parser, Into(error));
    if (error == http::error::need_buffer) error = {};
    pending.append(chunk.data(), chunk.size() - parser.get().body().size);
    if (!answer.ok()) {
      if (error || pending.size() > kMaxFileBytes) break;
      continue;
    }
    size_t begin = 0;
    for (size_t end; going && (end = pending.find('\n', begin)) != std::string::npos; begin = end + 1)
      if (end > begin) going = on_line(std::string_view(pending).substr(begin, end - begin));
    pending.erase(0, begin);
    if (error) {
      answer.error = "watching " + request.target + ": " +
                     (error == beast::error::timeout ? "silent for too long" : error.message());
      break;
    }
    if (pending.size() > kMaxLineBytes) {
      answer.error = "watching " + request.target + ": a line longer than 8 MiB";
      break;
    }
  }
  if (!answer.ok()) answer.body = std::move(pending);
  co_return answer;
}

}  // namespace podtap::webhook
