// SPDX-License-Identifier: Apache-2.0
#include <sys/un.h>

#include "sidecar/sink/http_url.h"
#include "sidecar/sink/sink.h"

namespace podtap {
namespace {

using Kind = SinkAddress::Kind;

struct Form {
  std::string_view prefix;
  Kind kind;
};
constexpr Form kForms[] = {
    {"file:", Kind::kFile}, {"unix:", Kind::kUnixStream}, {"unix-dgram:", Kind::kUnixDatagram}, {"otlp:", Kind::kOtlp}};

std::unexpected<Error> Refuse(std::string_view text, std::string_view why) {
  return UsageError("sink \"" + WithoutSecrets(text) + "\" " + std::string(why) +
                    "; use stdout, file:PATH, unix:PATH (stream socket), unix-dgram:PATH (datagram socket) or "
                    "otlp:http://HOST:PORT");
}

}  // namespace

Result<SinkAddress> SinkAddress::Parse(std::string_view text) {
  if (text == "stdout") return SinkAddress{};
  for (const Form& form : kForms) {
    if (!text.starts_with(form.prefix)) continue;
    SinkAddress address{form.kind, std::string(text.substr(form.prefix.size()))};
    if (address.path.empty()) return Refuse(text, "names no path");
    if (form.kind == Kind::kOtlp) {
      auto url = ParseTracesUrl(address.path);
      if (!url) return Refuse(text, url.error().message);
      address.path = url->Text();
      return address;
    }
    if (address.path.find('\0') != std::string::npos) return Refuse(text, "has a zero byte in its path");
    if (form.kind == Kind::kFile && address.path.ends_with('/')) return Refuse(text, "names a directory");
    if (address.is_socket() && address.path.size() >= sizeof(sockaddr_un::sun_path))
      return Refuse(text, "is longer than a socket's path can be (107 bytes)");
    return address;
  }
  return Refuse(text, "is none that podtap knows");
}

std::string SinkAddress::Text() const {
  for (const Form& form : kForms)
    if (form.kind == kind) return std::string(form.prefix) + path;
  return "stdout";
}

}  // namespace podtap
