// SPDX-License-Identifier: Apache-2.0
#include <sys/un.h>

#include "sidecar/sink/sink.h"

namespace podtap {
namespace {

using Kind = SinkAddress::Kind;

struct Form {
  std::string_view prefix;
  Kind kind;
};
constexpr Form kForms[] = {{"file:", Kind::kFile}, {"unix:", Kind::kUnixStream}, {"unix-dgram:", Kind::kUnixDatagram}};

std::unexpected<Error> Refuse(std::string_view text, std::string_view why) {
  return UsageError("sink \"" + std::string(text) + "\" " + std::string(why) +
                    "; use stdout, file:PATH, unix:PATH (stream socket) or unix-dgram:PATH (datagram socket)");
}

}  // namespace

Result<SinkAddress> SinkAddress::Parse(std::string_view text) {
  if (text == "stdout") return SinkAddress{};
  for (const Form& form : kForms) {
    if (!text.starts_with(form.prefix)) continue;
    SinkAddress address{form.kind, std::string(text.substr(form.prefix.size()))};
    if (address.path.empty()) return Refuse(text, "names no path");
    if (address.path.find('\0') != std::string::npos) return Refuse(text, "has a zero byte in its path");
    if (form.kind == Kind::kFile && address.path.ends_with('/')) return Refuse(text, "names a directory");
    if (form.kind != Kind::kFile && address.path.size() >= sizeof(sockaddr_un::sun_path))
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
