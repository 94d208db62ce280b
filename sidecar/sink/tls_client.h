// SPDX-License-Identifier: Apache-2.0
// The client's side of TLS (1.2 or later) for sinks: whom to trust, who we are. Built from the files' content.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "base/result.h"
#include "sidecar/sink/otlp_options.h"

namespace podtap {

using SslContext = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
using SslSession = std::unique_ptr<SSL, decltype(&SSL_free)>;

// Certificates in PEM; certificate and key empty: we show none. An error names the file by what it is for.
Result<SslContext> MakeSslContext(const std::string& ca_bundle, const std::string& certificate, const std::string& key);
// The same from the files that `settings` name.
Result<SslContext> ReadSslContext(const OtlpSettings& settings, const FileReader& read);

// A session on `socket` that will take the peer's certificate only for `host`, a name or an address.
Result<SslSession> MakeSslSession(SSL_CTX* context, int socket, const std::string& host);

// Why the last handshake on `session` failed: "self-signed certificate", "certificate has expired", …
std::string HandshakeError(const SSL* session);

}  // namespace podtap
