// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/http1_head.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>

#include "sidecar/http/tolerant_head.h"

namespace podtap {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using ErrorCode = beast::error_code;

std::string_view View(beast::string_view text) { return {text.data(), text.size()}; }
std::string_view VersionText(int version) { return version == 10 ? "HTTP/1.0" : "HTTP/1.1"; }

// Beast's parser, stopped at the end of the head: it validates the grammar, the fields go where they belong at once.
template <bool kIsRequest>
class StrictParser final : public http::basic_parser<kIsRequest> {
 public:
  StrictParser(HeaderList& fields, Http1Head& out) : fields_(fields), out_(out) {
    this->eager(false);
    this->skip(true);  // body framing is not Beast's business here
    this->body_limit(boost::none);
  }

 private:
  void on_request_impl(http::verb, beast::string_view method, beast::string_view target, int version,
                       ErrorCode&) override {
    out_.method = View(method);
    out_.target = View(target);
    out_.version = VersionText(version);
  }
  void on_response_impl(int status, beast::string_view reason, int version, ErrorCode&) override {
    out_.status = static_cast<uint16_t>(status);
    out_.reason = View(reason);
    out_.version = VersionText(version);
  }
  void on_field_impl(http::field field, beast::string_view name, beast::string_view value, ErrorCode&) override {
    fields_.Add(View(name), View(value));
    if (field == http::field::content_length || field == http::field::transfer_encoding) out_.has_length = true;
    if (field == http::field::upgrade) out_.has_upgrade = true;
  }
  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  size_t on_body_impl(beast::string_view data, ErrorCode&) override { return data.size(); }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, ErrorCode&) override {}
  size_t on_chunk_body_impl(std::uint64_t, beast::string_view data, ErrorCode&) override { return data.size(); }
  void on_finish_impl(ErrorCode&) override {}

  HeaderList& fields_;
  Http1Head& out_;
};

template <bool kIsRequest>
bool ParseStrictly(std::string_view text, HeaderList& fields, Http1Head& out) {
  StrictParser<kIsRequest> parser(fields, out);
  parser.header_limit(static_cast<std::uint32_t>(text.size() + 1));
  ErrorCode error;
  const size_t used = parser.put(boost::asio::const_buffer(text.data(), text.size()), error);
  return !error && parser.is_header_done() && used == text.size() && (kIsRequest || out.status >= 100);
}

}  // namespace

bool ParseHead(MessageKind kind, std::string_view text, HeadShape shape, HeaderList& fields, Http1Head& out) {
  out = {};
  fields.Reserve(shape.lines, text.size());
  if (!shape.folded)
    out.strict = kind == MessageKind::kRequest ? ParseStrictly<true>(text, fields, out)
                                               : ParseStrictly<false>(text, fields, out);
  if (out.strict) return true;
  out = {};
  fields.Clear();
  return ParseHeadTolerantly(kind, text, fields, out);
}

}  // namespace podtap
