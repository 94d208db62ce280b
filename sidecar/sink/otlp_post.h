// SPDX-License-Identifier: Apache-2.0
// OtlpPost: sends one request after the other to a traces endpoint over a connection that it keeps, and opens anew when
// it is gone. For one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sidecar/sink/http_connection.h"
#include "sidecar/sink/http_url.h"
#include "sidecar/sink/otlp_options.h"

namespace podtap {

struct OtlpAnswer {
  unsigned status = 0;
  std::optional<uint64_t> retry_after_s;
  std::string body;  // its first bytes
};

class OtlpPost {
 public:
  // Everything that is borrowed outlives it.
  OtlpPost(const HttpUrl& url, const OtlpSettings& settings, const FileReader& read, HttpConnection::Options options);

  // Whether it can be talked to: token, connection, TLS. An error is one line without the endpoint's name. Takes a
  // moment where the endpoint says nothing by itself.
  Status TryEndpoint();
  // Sends `body` (gzipped already, if the settings say so) and waits for the answer. An error: there was none.
  Result<OtlpAnswer> Send(std::string_view body);

 private:
  Status Prepare();
  Status Connect();
  Result<OtlpAnswer> SendOnce(std::string_view body);
  Status ReadToken();

  const HttpUrl& url_;
  const OtlpSettings& settings_;
  const FileReader& read_;
  HttpConnection connection_;
  std::string token_;
  HttpConnection::Clock::time_point read_token_at_{};
};

}  // namespace podtap
