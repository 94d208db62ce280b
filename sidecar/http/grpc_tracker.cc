// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/grpc_tracker.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "sidecar/http/http2_frames.h"

namespace podtap {
namespace {

constexpr std::string_view kGrpc = "application/grpc";

bool StartsWithIgnoreCase(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && EqualsIgnoreCase(text.substr(0, prefix.size()), prefix);
}

// "+proto", ";charset", "-web…" and nothing may follow, but not "application/grpcfoo".
bool IsGrpc(std::string_view content_type) {
  if (!StartsWithIgnoreCase(content_type, kGrpc)) return false;
  const std::string_view rest = content_type.substr(kGrpc.size());
  return rest.empty() || rest[0] == '+' || rest[0] == ';' || rest[0] == ' ' || StartsWithIgnoreCase(rest, "-web");
}

int Sextet(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  return c == '/' || c == '_' ? 63 : -1;
}

std::string PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr == text.data() + i + 3) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

void TakeField(std::string_view name, std::string_view value, GrpcCall& call) {
  if (EqualsIgnoreCase(name, "grpc-status")) {
    uint32_t status = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), status);
    if (error == std::errc() && end == value.data() + value.size()) call.status = status;
  } else if (EqualsIgnoreCase(name, "grpc-message")) {
    call.message = PercentDecode(value);
  }
}

void TakeFields(const HeaderList& fields, GrpcCall& call) {
  for (size_t i = 0; i < fields.size(); ++i) TakeField(fields[i].name, fields[i].value, call);
}

}  // namespace

bool GrpcTracker::Suspects(const HttpMessage& head) {
  const std::string_view type = head.headers.Get("content-type");
  return type.empty() ? head.unknown_fields != 0 : IsGrpc(type);
}

void GrpcTracker::OnHead(MessageKind kind, const HttpMessage& head) {
  const std::string_view type = head.headers.Get("content-type");
  sides_[static_cast<size_t>(kind)].foreign = !IsGrpc(type) && (!type.empty() || head.unknown_fields == 0);
  if (!IsGrpc(type)) return;
  is_grpc_ = true;
  if (!StartsWithIgnoreCase(type, "application/grpc-web")) return;
  web_ = true;
  sides_[static_cast<size_t>(kind)].text = StartsWithIgnoreCase(type, "application/grpc-web-text");
}

void GrpcTracker::OnBody(MessageKind kind, std::string_view data, Timestamp at) {
  Side& side = sides_[static_cast<size_t>(kind)];
  if (!side.exact || side.foreign) return;
  if (side.text) {
    ReadBase64(kind, data, at);
  } else {
    Read(kind, data, at);
  }
}

void GrpcTracker::Read(MessageKind kind, std::string_view data, Timestamp at) {
  Side& side = sides_[static_cast<size_t>(kind)];
  while (!data.empty()) {
    if (side.rest != 0) {
      const std::string_view piece = data.substr(0, side.rest);
      if (side.trailers)
        web_trailers_.append(piece.substr(0, kMaxTrailers - std::min(kMaxTrailers, web_trailers_.size())));
      side.rest -= piece.size();
      data.remove_prefix(piece.size());
      if (side.rest == 0) EndMessage(side, at);
      continue;
    }
    const size_t n = std::min(data.size(), kPrefixBytes - side.have);
    std::copy_n(data.data(), n, side.prefix.data() + side.have);
    side.have += n;
    data.remove_prefix(n);
    if (side.have < kPrefixBytes) return;
    side.have = 0;
    const auto flags = static_cast<unsigned char>(side.prefix[0]);
    side.rest = ReadBig32(side.prefix.data() + 1);
    side.trailers = web_ && kind == MessageKind::kResponse && (flags & 0x80) != 0;
    if (!side.trailers && (flags & 1) != 0) compressed_ = true;
    if (side.rest == 0) EndMessage(side, at);
  }
}

// Several base64 texts may follow each other, each with padding of its own.
void GrpcTracker::ReadBase64(MessageKind kind, std::string_view data, Timestamp at) {
  Side& side = sides_[static_cast<size_t>(kind)];
  std::array<char, 768> out{};
  size_t size = 0;
  for (const char c : data) {
    const int sextet = Sextet(c);
    if (c == '=') side.sextets = 0;
    if (sextet < 0) continue;
    side.bits = side.bits << 6 | static_cast<uint32_t>(sextet);
    side.sextets = (side.sextets + 1) % 4;
    if (side.sextets == 1) continue;
    const int shift = side.sextets == 2 ? 4 : side.sextets == 3 ? 2 : 0;
    out[size++] = static_cast<char>(side.bits >> shift & 0xff);
    if (size < out.size()) continue;
    Read(kind, {out.data(), std::exchange(size, 0)}, at);
  }
  Read(kind, {out.data(), size}, at);
}

void GrpcTracker::EndMessage(Side& side, Timestamp at) {
  if (side.trailers) return;
  if (side.count++ == 0) side.first = at;
  side.last = at;
}

void GrpcTracker::OnHole(MessageKind kind, uint64_t n, Timestamp at) {
  Side& side = sides_[static_cast<size_t>(kind)];
  if (n == 0 || side.foreign) return;
  // Inside one message its prefix still says where it ends.
  if (n > side.rest || side.text || side.trailers) {
    side.exact = false;
    return;
  }
  side.rest -= n;
  if (side.rest == 0) EndMessage(side, at);
}

std::optional<GrpcCall> GrpcTracker::Describe(const HttpEvent& event) const {
  GrpcCall call;
  TakeFields(event.response.headers, call);
  TakeFields(event.response.trailers, call);
  if (!is_grpc_ && !call.status) return std::nullopt;
  for (std::string_view rest = web_trailers_; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (const size_t colon = line.find(':'); colon != std::string_view::npos)
      TakeField(Trim(line.substr(0, colon)), Trim(line.substr(colon + 1)), call);
  }
  std::string_view path = event.target;
  path = path.substr(0, path.find('?'));
  if (const size_t slash = path.rfind('/'); path.starts_with('/') && slash != 0) {
    call.service = path.substr(1, slash - 1);
    call.method = path.substr(slash + 1);
  }
  call.timeout = event.request.headers.Get("grpc-timeout");
  call.compressed = compressed_;
  call.web = web_;
  for (const MessageKind kind : {MessageKind::kRequest, MessageKind::kResponse}) {
    const Side& side = sides_[static_cast<size_t>(kind)];
    GrpcMessages& messages = kind == MessageKind::kRequest ? call.requests : call.responses;
    messages = {.count = side.exact ? std::optional(side.count) : std::nullopt, .first = side.first, .last = side.last};
  }
  return call;
}

}  // namespace podtap
