// SPDX-License-Identifier: Apache-2.0
// The one translation unit of the sinks that includes Beast's HTTP.
#include "sidecar/sink/otlp_post.h"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/span_body.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <ctime>

#include "sidecar/sink/otlp_response.h"

namespace podtap {
namespace {

namespace http = boost::beast::http;

constexpr size_t kMaxAnswerHead = 16 << 10, kMaxAnswerBody = 64 << 10;
constexpr std::chrono::seconds kLookAtToken(1);
constexpr std::chrono::milliseconds kVerdict(300);

}  // namespace

OtlpPost::OtlpPost(const HttpUrl& url, const OtlpSettings& settings, const FileReader& read,
                   HttpConnection::Options options)
    : url_(url), settings_(settings), read_(read), connection_(std::move(options)) {}

Status OtlpPost::Prepare() {
  if (Status ok = ReadToken(); !ok) return ok;
  return Connect();
}

Status OtlpPost::Connect() {
  if (connection_.is_open() && !connection_.IsStale()) return {};
  SslContext context(nullptr, &SSL_CTX_free);
  if (url_.tls) {
    // From the files as they are now: certificates are replaced while we run.
    auto made = ReadSslContext(settings_, read_);
    if (!made) return std::unexpected(made.error());
    context = *std::move(made);
  }
  return connection_.Open(url_, context.get(), std::chrono::milliseconds(settings_.timeout_ms));
}

Status OtlpPost::TryEndpoint() {
  if (Status ok = Prepare(); !ok) return ok;
  return connection_.AwaitVerdict(kVerdict);
}

Result<OtlpAnswer> OtlpPost::Send(std::string_view body) {
  const bool kept = connection_.is_open();
  if (Status ok = Prepare(); !ok) return std::unexpected(ok.error());
  auto answer = SendOnce(body);
  if (answer) return answer;
  connection_.Close();
  // A server may close a kept connection just when we write to it (RFC 9110 9.3.1): that alone is no failure.
  if (!kept || answer.error().exit_code != Error::kUsage) return answer;
  if (Status ok = Connect(); !ok) return std::unexpected(ok.error());
  answer = SendOnce(body);
  if (!answer) connection_.Close();
  return answer;
}

// An error with kUsage as its code: the connection ended before any byte of an answer.
Result<OtlpAnswer> OtlpPost::SendOnce(std::string_view body) {
  connection_.set_deadline(HttpConnection::Clock::now() + std::chrono::milliseconds(settings_.timeout_ms));
  http::request<http::span_body<const char>> request(http::verb::post, url_.path, 11);
  request.set(http::field::host, url_.Authority());
  request.set(http::field::user_agent, "podtap/" PODTAP_VERSION);
  request.set(http::field::content_type, "application/x-protobuf");
  if (settings_.gzip) request.set(http::field::content_encoding, "gzip");
  if (!token_.empty()) request.set(http::field::authorization, "Bearer " + token_);
  for (const auto& [name, value] : settings_.headers) request.set(name, value);
  request.body() = {body.data(), body.size()};
  request.prepare_payload();

  HttpConnection::ErrorCode error;
  http::write(connection_, request, error);
  boost::beast::flat_buffer buffer(kMaxAnswerHead + kMaxAnswerBody);
  http::response_parser<http::string_body> parser;
  parser.header_limit(kMaxAnswerHead);
  parser.body_limit(kMaxAnswerBody);
  // A server that refuses early may have answered before it took everything.
  const HttpConnection::ErrorCode write_error = error;
  http::read_header(connection_, buffer, parser, error);
  if (error) {
    const bool ended = error == http::error::end_of_stream || error == boost::system::errc::connection_reset ||
                       error == boost::system::errc::broken_pipe;
    const bool late = error == boost::system::errc::timed_out;
    const std::string& tls = connection_.tls_failure();
    std::string why = !tls.empty() ? "it refuses TLS: " + tls
                      : late       ? "no answer within " + std::to_string(settings_.timeout_ms) + " ms"
                      : ended      ? "the connection ended without an answer"
                                   : "its answer is no HTTP: " + error.message();
    return std::unexpected(Error{std::move(why), ended ? Error::kUsage : Error::kEnvironment});
  }
  OtlpAnswer answer;
  answer.status = parser.get().result_int();
  const auto retry_after = parser.get()[http::field::retry_after];
  answer.retry_after_s = ParseRetryAfter({retry_after.data(), retry_after.size()}, time(nullptr));
  HttpConnection::ErrorCode body_error;
  http::read(connection_, buffer, parser, body_error);
  answer.body = parser.get().body();
  if (write_error || body_error || !parser.keep_alive()) connection_.Close();
  return answer;
}

Status OtlpPost::ReadToken() {
  if (settings_.token_file.empty() || HttpConnection::Clock::now() < read_token_at_ + kLookAtToken) return {};
  auto token = read_(NamedFile::kToken);
  if (token) {
    while (!token->empty() && (token->back() == '\n' || token->back() == '\r' || token->back() == ' '))
      token->pop_back();
    if (token->empty() || token->find_first_of("\r\n") != std::string::npos)
      token = EnvironmentError("the token file holds no single line");
  }
  // Without any token nothing is sent; the one before may still be good.
  if (!token && token_.empty()) return std::unexpected(token.error());
  read_token_at_ = HttpConnection::Clock::now();
  if (token) token_ = *std::move(token);
  return {};
}

}  // namespace podtap
