// SPDX-License-Identifier: Apache-2.0
#include "sidecar/event/http_event.h"

#include <array>

namespace podtap {
namespace {

struct TagInfo {
  std::string_view text;
  std::string_view meaning;
};

constexpr TagInfo kTags[] = {
#define X(enumerator, text, meaning) {text, meaning},
    PODTAP_TAGS(X)
#undef X
};
static_assert(static_cast<unsigned>(Tag::kCount) <= 64, "TagSet holds 64 tags");

// RFC 9113 section 7.
constexpr std::string_view kHttp2Errors[] = {"NO_ERROR",
                                             "PROTOCOL_ERROR",
                                             "INTERNAL_ERROR",
                                             "FLOW_CONTROL_ERROR",
                                             "SETTINGS_TIMEOUT",
                                             "STREAM_CLOSED",
                                             "FRAME_SIZE_ERROR",
                                             "REFUSED_STREAM",
                                             "CANCEL",
                                             "COMPRESSION_ERROR",
                                             "CONNECT_ERROR",
                                             "ENHANCE_YOUR_CALM",
                                             "INADEQUATE_SECURITY",
                                             "HTTP_1_1_REQUIRED"};

// https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
constexpr std::string_view kGrpcStatuses[] = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

}  // namespace

std::string_view TextOfHttp2Error(uint32_t code) {
  return code < std::size(kHttp2Errors) ? kHttp2Errors[code] : std::string_view();
}
std::string_view TextOfGrpcStatus(uint32_t status) {
  return status < std::size(kGrpcStatuses) ? kGrpcStatuses[status] : std::string_view();
}
std::string_view TextOf(Tag tag) { return kTags[static_cast<size_t>(tag)].text; }
std::string_view MeaningOf(Tag tag) { return kTags[static_cast<size_t>(tag)].meaning; }

HttpEventPtr WithoutBodies(const HttpEvent& event) {
  auto copy = std::make_shared<HttpEvent>(event);
  // An assignment would keep the memory.
  std::string().swap(copy->request.body);
  std::string().swap(copy->response.body);
  copy->request.wire_body.reset();
  copy->response.wire_body.reset();
  copy->tags.Add(Tag::kBodiesDropped);
  return copy;
}

void AppendEventId(const HttpEvent& event, std::string_view run_id, TextCursor& out) {
  out += run_id;
  out += '-';
  out.Number(event.connection.id.value, 16);
  if (event.joined_as != 0) {
    out += '.';
    out.Number(event.joined_as);
  }
  out += '-';
  out.Number(event.exchange);
}
void AppendEventId(const HttpEvent& event, std::string_view run_id, std::string& out) {
  TextCursor cursor(out);
  AppendEventId(event, run_id, cursor);
}

}  // namespace podtap
