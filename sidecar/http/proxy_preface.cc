// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/proxy_preface.h"

#include <algorithm>
#include <initializer_list>

#include "sidecar/http/start_line.h"

namespace podtap {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kSignature = "\r\n\r\n\0\r\nQUIT\n"sv;  // of version 2, section 2.2
constexpr size_t kFixedBytes = 16;                                 // signature, command, family, length
constexpr size_t kMaxLine = 107;                                   // of version 1, section 2.1

bool Begins(std::string_view bytes, std::string_view with) {
  const size_t common = std::min(bytes.size(), with.size());
  return bytes.substr(0, common) == with.substr(0, common);
}

std::optional<size_t> Line(std::string_view bytes) {
  const size_t end = bytes.substr(0, kMaxLine).find('\n');
  const std::string_view line = bytes.substr(0, std::min({end, bytes.size(), kMaxLine}));
  // A control character ends it; the CR belongs to the line end.
  const auto bad = std::find_if(line.begin(), line.end(), IsControl);
  if (bad != line.end() && (*bad != '\r' || bad + 1 != line.end())) return 0;
  if (end != std::string_view::npos) return line.ends_with('\r') ? end + 1 : 0;
  if (bytes.size() >= kMaxLine) return 0;
  return std::nullopt;
}

std::optional<size_t> Binary(std::string_view bytes) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  if (bytes.size() > 12 && (at(12) & 0xF0U) != 0x20) return 0;
  if (bytes.size() < kFixedBytes) return std::nullopt;
  const size_t whole = kFixedBytes + (at(14) << 8U | at(15));
  if (whole > kMaxProxyPrefaceBytes) return 0;
  if (bytes.size() < whole) return std::nullopt;
  return whole;
}

}  // namespace

std::optional<size_t> ProxyPrefaceBytes(std::string_view bytes) {
  if (Begins(bytes, kSignature)) return bytes.size() < kSignature.size() ? std::nullopt : Binary(bytes);
  for (const std::string_view start : {"PROXY TCP4 "sv, "PROXY TCP6 "sv, "PROXY UNKNOWN"sv})
    if (Begins(bytes, start)) return bytes.size() < start.size() ? std::nullopt : Line(bytes);
  return 0;
}

}  // namespace podtap
