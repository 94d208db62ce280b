// SPDX-License-Identifier: Apache-2.0
#include "webhook/sidecar_sink.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace podtap::webhook {
namespace {

constexpr std::string_view kOtlp = "otlp:";

std::unexpected<Error> Refuse(std::string_view flag, std::string_view sink, std::string_view use) {
  return UsageError("--" + std::string(flag) + "=" + std::string(sink) + " is not valid; use " + std::string(use));
}

// Places of the sidecar's own mounts; a sink's directory must neither hold one nor lie inside one.
constexpr std::string_view kOwnPlaces[] = {
    "/run/podtap",      "/host",        "/hostproc",       "/etc/podtap", "/proc", "/sys", "/dev",
    "/var/run/secrets", "/run/secrets", "/var/run/podtap", "/usr",        "/bin",  "/lib"};

bool Overlaps(std::string_view a, std::string_view b) {
  if (a.size() > b.size()) std::swap(a, b);
  return b.starts_with(a) && (b.size() == a.size() || a == "/" || b[a.size()] == '/');
}

bool IsCleanPath(std::string_view path) {
  return path.starts_with('/') && !path.ends_with('/') && path.find("//") == std::string_view::npos &&
         (std::string(path) + "/").find("/../") == std::string::npos &&
         (std::string(path) + "/").find("/./") == std::string::npos && path.find(':') == std::string_view::npos &&
         path.find(',') == std::string_view::npos;
}

bool IsText(std::string_view value) {
  return std::none_of(value.begin(), value.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

bool IsHostCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

bool IsPort(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port > 0 && port < 65536;
}

// http://HOST:PORT or https://…, without user, query and fragment. A comma would begin another sink.
bool IsOtlpUrl(std::string_view url) {
  const size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  if (scheme == 0) return false;
  url.remove_prefix(scheme);
  const size_t slash = std::min(url.find('/'), url.size());
  const std::string_view path = url.substr(slash);
  if (!std::all_of(path.begin(), path.end(),
                   [](char c) { return c > ' ' && c < 0x7f && c != '?' && c != '#' && c != ','; }))
    return false;
  std::string_view host = url.substr(0, slash), rest;
  if (host.starts_with('[')) {
    const size_t close = host.find(']');
    if (close == std::string_view::npos) return false;
    rest = host.substr(close + 1);
    host = host.substr(1, close - 1);
    if (!std::all_of(host.begin(), host.end(), [](char c) { return IsHostCharacter(c) || c == ':'; })) return false;
  } else {
    rest = host.substr(std::min(host.find(':'), host.size()));
    host.remove_suffix(rest.size());
    if (!std::all_of(host.begin(), host.end(), IsHostCharacter)) return false;
  }
  return !host.empty() && (rest.empty() || (rest.front() == ':' && IsPort(rest.substr(1))));
}

}  // namespace

std::string_view SinkDirectory(std::string_view sink) {
  for (std::string_view scheme : {std::string_view("unix:"), std::string_view("unix-dgram:")})
    if (sink.starts_with(scheme)) {
      const std::string_view path = sink.substr(scheme.size());
      const size_t slash = path.rfind('/');
      return slash == std::string_view::npos ? std::string_view() : path.substr(0, std::max<size_t>(slash, 1));
    }
  return {};
}

bool IsOtlpSink(std::string_view sink) { return sink.starts_with(kOtlp); }

Status CheckSink(std::string_view flag, std::string_view sink) {
  if (sink == "stdout") return {};
  if (IsOtlpSink(sink)) {
    if (IsOtlpUrl(sink.substr(kOtlp.size()))) return {};
    return Refuse(flag, sink, "otlp:http://HOST:PORT or otlp:https://HOST:PORT");
  }
  constexpr std::string_view kUse =
      "stdout, unix:PATH or unix-dgram:PATH with an absolute path of the node, or otlp:http://HOST:PORT";
  const std::string_view directory = SinkDirectory(sink);
  const std::string_view path = sink.substr(std::min(sink.find(':') + 1, sink.size()));
  if (directory.empty() || !IsText(sink) || !IsCleanPath(path) || path.size() > 107) return Refuse(flag, sink, kUse);
  for (std::string_view place : kOwnPlaces)
    if (Overlaps(directory, place))
      return Refuse(flag, sink, "a directory of its own for the socket, such as unix:/var/run/collector/podtap.sock");
  return {};
}

}  // namespace podtap::webhook
