// SPDX-License-Identifier: Apache-2.0
// The exchange that the sinks' tests vary: GET /api?x=1 of 10.0.0.7:51234, answered 200 with 150 bytes after 1.3 ms.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sidecar/event/http_event.h"

namespace podtap {

inline HttpEvent SampleEvent() {
  HttpEvent event;
  event.connection.id = ConnectionId{0x2a};
  event.connection.role = Role::kAccepted;
  event.connection.local = Endpoint::V4(10, 0, 0, 1, 8080);
  event.connection.remote = Endpoint::V4(10, 0, 0, 7, 51234);
  event.exchange = 1;
  event.wall = WallTime{1'767'268'801'123'456'789};  // 2026-01-01 12:00:01.123456789 UTC
  event.method = "GET";
  event.target = "/api?x=1";
  event.version = "HTTP/1.1";
  event.request.seen = event.request.finished = true;
  event.request.headers.Add("Host", "shop.example:8080");
  event.request.headers.Add("User-Agent", "curl/8");
  event.request.header_bytes = 70;
  event.request.start = Timestamp{5'000'000'000};
  event.request.end = Timestamp{5'000'000'500};
  event.response.seen = event.response.finished = true;
  event.status = 200;
  event.reason = "OK";
  event.response_version = "HTTP/1.1";
  event.response.headers.Add("Content-Type", "text/plain; charset=utf-8");
  event.response.header_bytes = 90;
  event.response.body = std::string(150, 'b');
  event.response.body_bytes = 150;
  event.response.start = Timestamp{5'001'000'000};
  event.response.end = Timestamp{5'001'300'000};
  return event;
}

// Event number `n` of a series, with a response body of `body_bytes`.
inline HttpEventPtr NumberedEvent(uint64_t n, size_t body_bytes = 10) {
  auto event = std::make_shared<HttpEvent>(SampleEvent());
  event->exchange = n;
  event->target = "/" + std::to_string(n);
  event->response.body.assign(body_bytes, 'x');
  event->response.body_bytes = body_bytes;
  return event;
}

inline std::vector<HttpEventPtr> Series(uint64_t first, uint64_t last, size_t body_bytes = 10) {
  std::vector<HttpEventPtr> events;
  for (uint64_t n = first; n <= last; ++n) events.push_back(NumberedEvent(n, body_bytes));
  return events;
}

}  // namespace podtap
