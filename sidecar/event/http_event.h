// SPDX-License-Identifier: Apache-2.0
// HttpEvent: one HTTP exchange (request, response, or both), as podtap saw it. Sessions make it, sinks write it; once
// emitted it is shared and never changed. docs/events.md describes every field for users; keep it true.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "sidecar/event/header_list.h"
#include "sidecar/stream/connection.h"

namespace podtap {

// The closed list of tags. X(enumerator, text, meaning).
#define PODTAP_TAGS(X)                                                                                                 \
  X(kTruncated, "truncated",                                                                                           \
    "A body was longer than the body limit; its first bytes are here, its full size is told.")                         \
  X(kTruncatedMemory, "truncated_memory", "A body was cut because the memory limit was reached.")                      \
  X(kBodiesDropped, "bodies_dropped",                                                                                  \
    "Sent without bodies: the datagram did not fit, or the queue to the sink was full.")                               \
  X(kHeadersTruncated, "headers_truncated",                                                                            \
    "The head was longer than the header limit; the fields up to it are here.")                                        \
  X(kBodyIncomplete, "body_incomplete", "The connection ended before the announced end of a body.")                    \
  X(kHeadIncomplete, "head_incomplete", "The connection ended, or bytes were lost, inside a head.")                    \
  X(kMalformed, "malformed", "A head, chunk or frame broke the grammar of its RFC and was read tolerantly.")           \
  X(kAmbiguousLength, "ambiguous_length", "Several or conflicting body lengths (request smuggling looks like this).")  \
  X(kUnrequested, "unrequested", "A response without a request.")                                                      \
  X(kUnanswered, "unanswered", "The connection ended before a response.")                                              \
  X(kJoinedLate, "joined_late", "The connection was already open when capture started.")                               \
  X(kLost, "lost", "Bytes of this exchange were lost between the kernel and podtap.")                                  \
  X(kReset, "reset", "The connection, or the HTTP/2 stream, was reset during the exchange.")                           \
  X(kTimeout, "timeout", "The exchange was unfinished for longer than the idle timeout and was emitted as it was.")    \
  X(kShutdown, "shutdown", "podtap ended during the exchange.")                                                        \
  X(kForgotten, "forgotten", "The connection or exchange was given up to stay within limits.")                         \
  X(kTcpConflict, "tcp_conflict", "Two versions of one range of the stream, or a segment the kernel did not accept.")  \
  X(kUpgrade, "upgrade",                                                                                               \
    "The connection, or the HTTP/2 stream, changed protocol after this exchange (101, or CONNECT with 2xx).")          \
  X(kEarlyResponse, "early_response", "The response began before the request was complete.")                           \
  X(kHttp09, "http09", "A request line without a version (HTTP/0.9).")                                                 \
  X(kUnpaired, "unpaired",                                                                                             \
    "Bytes were lost nearby, or could not be read, and nobody can say what this request or response belongs to; it "   \
    "stands alone.")                                                                                                   \
  X(kResynchronised, "resynchronised",                                                                                 \
    "Messages before it were lost or could not be read; request and response were paired again at a pause of the "     \
    "connection.")                                                                                                     \
  X(kHeadersUnknown, "headers_unknown",                                                                                \
    "Header fields are missing: they refer to a compression table from before the capture or a loss (HTTP/2).")        \
  X(kPushed, "pushed", "The server sent this response unasked; the request is the one it promised (HTTP/2).")          \
  X(kInterim, "interim", "The stream goes on: what it was so far, without bodies. Its final record comes at its end.") \
  X(kDecoded, "decoded", "A body is shown as it was before its content coding (gzip, deflate, br, zstd).")             \
  X(kBodyWithheld, "body_withheld",                                                                                    \
    "A body that a redaction rule applies to could not be read as text; its bytes did not leave.")                     \
  X(kBodyLeftOut, "body_left_out", "A body of a content type that is not kept.")

enum class Tag : uint8_t {
#define X(enumerator, text, meaning) enumerator,
  PODTAP_TAGS(X)
#undef X
      kCount
};
std::string_view TextOf(Tag tag);
std::string_view MeaningOf(Tag tag);

class TagSet {
 public:
  void Add(Tag tag) { bits_ |= uint64_t{1} << static_cast<unsigned>(tag); }
  bool Has(Tag tag) const { return (bits_ >> static_cast<unsigned>(tag) & 1) != 0; }
  bool empty() const { return bits_ == 0; }
  void Merge(TagSet other) { bits_ |= other.bits_; }
  // Calls f(Tag) in the order of the list.
  template <typename F>
  void ForEach(F f) const {
    for (unsigned i = 0; i < static_cast<unsigned>(Tag::kCount); ++i)
      if ((bits_ >> i & 1) != 0) f(static_cast<Tag>(i));
  }

 private:
  uint64_t bits_ = 0;
};

// One message's fields and body, request or response. Sizes are of the wire: body_bytes counts the body's own bytes
// after chunked coding is removed (what Content-Length would say), header_bytes the head from the first byte of the
// start line to the empty line's end.
struct HttpMessage {
  bool seen = false;  // its start line was seen
  HeaderList headers;
  HeaderList trailers;
  std::string body;  // the first bytes, up to the body limit, without holes; stops at the first hole
  uint64_t header_bytes = 0;
  uint64_t body_bytes = 0;      // on the wire, counting missing ones whose number is known
  uint64_t missing_bytes = 0;   // of head and body: lost, never seen (not those skipped past the body limit)
  uint32_t unknown_fields = 0;  // header and trailer fields that could not be decoded (HTTP/2, tag headers_unknown)
  bool finished = false;        // its end was seen
  bool body_decoded = false;    // `body` is what a content coding was undone to
  std::shared_ptr<const std::string> wire_body{};  // then: the body as it was, where a record must have that
  Timestamp start;                                 // first byte
  Timestamp end;                                   // last byte
};

// What only HTTP/2 has. Error codes are those of RST_STREAM frames, by who sent them (RFC 9113 section 7).
struct Http2Stream {
  uint32_t id = 0;
  std::optional<uint32_t> request_error;   // sent by the client
  std::optional<uint32_t> response_error;  // sent by the server
};
std::string_view TextOfHttp2Error(uint32_t code);  // "CANCEL"; empty for a code that is not registered

// One direction's messages of a gRPC call: complete ones.
struct GrpcMessages {
  std::optional<uint64_t> count = 0;  // absent: bytes were lost, nobody knows how many
  Timestamp first;                    // when the first one was complete
  Timestamp last;
};

// A gRPC call (or gRPC-Web, over HTTP/2 or HTTP/1.1), as far as path, fields, message prefixes and trailers tell.
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
struct GrpcCall {
  std::string service;  // "shop.v1.Cart" of "/shop.v1.Cart/Add"; empty: the path is unknown or has no such form
  std::string method;   // "Add"
  std::optional<uint32_t> status;  // grpc-status; absent: the server never said (reset, connection lost)
  std::string message;             // grpc-message, percent-decoded
  std::string timeout;             // grpc-timeout as on the wire: "100m"; empty: none
  GrpcMessages requests;
  GrpcMessages responses;
  bool compressed = false;  // at least one message had its compressed flag set
  bool web = false;         // gRPC-Web
};
std::string_view TextOfGrpcStatus(uint32_t status);  // "NOT_FOUND"; empty for a number that has no name

struct HttpEvent {
  Connection connection;  // role is never kUnknown here
  uint64_t exchange = 0;  // number on its connection, from 1
  // 0: the connection was followed from its first byte. Otherwise it was joined late, perhaps not for the first time,
  // and this number tells the times apart.
  uint64_t joined_as = 0;
  WallTime wall;  // wall time of `at()`

  HttpMessage request;
  std::string method;
  std::string target;     // as on the request line: origin, absolute, authority or asterisk form (RFC 9112 3.2); :path
  std::string version;    // "HTTP/1.1", "HTTP/2"; of the request, or of the response if no request was seen
  std::string scheme;     // :scheme (HTTP/2)
  std::string authority;  // :authority (HTTP/2); HTTP/1 has a Host field
  std::string protocol;   // :protocol of an extended CONNECT (RFC 8441)

  HttpMessage response;
  uint16_t status = 0;
  std::string reason;
  std::string response_version;
  std::vector<uint16_t> informational;  // statuses of 1xx responses before the final one, in order

  std::optional<Http2Stream> http2;
  std::optional<GrpcCall> grpc;

  bool complete = true;  // false only when bytes or messages that should be here are missing
  TagSet tags;
  std::string container_id;  // of the socket's cgroup, empty if unknown

  // Start of the exchange: first byte of the request, or of the response where no request was seen.
  Timestamp at() const { return request.start ? request.start : response.start; }
  Timestamp finished_at() const { return response.end > request.end ? response.end : request.end; }
  uint64_t duration_ns() const { return NanosecondsBetween(at(), finished_at()); }
  const Endpoint& client() const { return connection.role == Role::kOpened ? connection.local : connection.remote; }
  const Endpoint& server() const { return connection.role == Role::kOpened ? connection.remote : connection.local; }
  // Wall time of a point of this exchange.
  WallTime WallAt(Timestamp t) const {
    return WallTime{wall.ns + static_cast<int64_t>(t.ns) - static_cast<int64_t>(at().ns)};
  }
};

using HttpEventPtr = std::shared_ptr<const HttpEvent>;

// A copy that has no bodies and says so (tag bodies_dropped).
HttpEventPtr WithoutBodies(const HttpEvent& event);

// Appends the event's unique id: "<run id>-<cookie in hex>-<exchange>", with ".<joined_as>" after the cookie where that
// is not 0. The run id is random per start of the sidecar,
// so the id is unique across pods, nodes and restarts. An exchange inside one pod has two events, one per role, with
// two ids.
void AppendEventId(const HttpEvent& event, std::string_view run_id, TextCursor& out);
void AppendEventId(const HttpEvent& event, std::string_view run_id, std::string& out);

class HttpEventHandler {
 public:
  virtual ~HttpEventHandler() = default;
  virtual void OnHttpEvent(HttpEventPtr event) = 0;
};

}  // namespace podtap
