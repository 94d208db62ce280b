// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/http2_frames.h"

#include <algorithm>
#include <utility>

namespace podtap {
namespace {

uint32_t Byte(char c) { return static_cast<unsigned char>(c); }

enum class StreamRule : uint8_t { kOne, kNone, kAny };
struct Rule {
  Http2Frame type;
  uint8_t flags;         // that senders may set
  StreamRule stream;     // on a stream, on the connection, or both
  uint32_t least, most;  // payload
};
constexpr uint32_t kAnyLength = 0xffffff;
constexpr uint32_t kMaxBelievable = 0x1ffff;  // eight times the default of 16 KiB
constexpr Rule kRules[] = {
    {Http2Frame::kData, 0x09, StreamRule::kOne, 0, kAnyLength},
    {Http2Frame::kHeaders, 0x2d, StreamRule::kOne, 0, kAnyLength},
    {Http2Frame::kPriority, 0, StreamRule::kOne, 5, 5},
    {Http2Frame::kRstStream, 0, StreamRule::kOne, 4, 4},
    {Http2Frame::kSettings, 0x01, StreamRule::kNone, 0, kAnyLength},
    {Http2Frame::kPushPromise, 0x0c, StreamRule::kOne, 4, kAnyLength},
    {Http2Frame::kPing, 0x01, StreamRule::kNone, 8, 8},
    {Http2Frame::kGoaway, 0, StreamRule::kNone, 8, kAnyLength},
    {Http2Frame::kWindowUpdate, 0, StreamRule::kAny, 4, 4},
    {Http2Frame::kContinuation, 0x04, StreamRule::kOne, 0, kAnyLength},
    {Http2Frame::kAltSvc, 0, StreamRule::kAny, 2, kAnyLength},
    {Http2Frame::kOrigin, 0, StreamRule::kNone, 0, kAnyLength},
    {Http2Frame::kPriorityUpdate, 0, StreamRule::kNone, 4, kAnyLength},
};

const Rule* RuleOf(Http2Frame type) {
  const auto* rule =
      std::find_if(std::begin(kRules), std::end(kRules), [type](const Rule& r) { return r.type == type; });
  return rule == std::end(kRules) ? nullptr : rule;
}

bool Obeys(const Rule& rule, const Http2FrameHeader& header) {
  if (header.length < rule.least || header.length > rule.most) return false;
  if (rule.type == Http2Frame::kSettings && (header.length % 6 != 0 || (header.has(kHttp2Ack) && header.length != 0)))
    return false;
  return rule.stream == StreamRule::kAny || (rule.stream == StreamRule::kOne) == (header.stream != 0);
}

}  // namespace

uint32_t ReadBig32(const char* p) { return Byte(p[0]) << 24 | Byte(p[1]) << 16 | Byte(p[2]) << 8 | Byte(p[3]); }

Http2FrameHeader ReadHttp2FrameHeader(const char* p) {
  return {.length = Byte(p[0]) << 16 | Byte(p[1]) << 8 | Byte(p[2]),
          .type = static_cast<Http2Frame>(Byte(p[3])),
          .flags = static_cast<uint8_t>(Byte(p[4])),
          .stream = ReadBig32(p + 5) & 0x7fffffff};
}

bool IsWellFormed(const Http2FrameHeader& header) {
  if (header.type > Http2Frame::kContinuation) return header.length <= kMaxBelievable;
  if (header.type == Http2Frame::kPriority) return true;
  return Obeys(*RuleOf(header.type), header);
}

bool IsBelievable(const char* nine_bytes, std::optional<MessageKind> sender) {
  constexpr uint32_t kMaxSettings = 6 * 1024;
  const Http2FrameHeader header = ReadHttp2FrameHeader(nine_bytes);
  const Rule* rule = RuleOf(header.type);
  if (rule == nullptr || !Obeys(*rule, header) || header.length > kMaxBelievable) return false;
  if (header.type == Http2Frame::kSettings && header.length > kMaxSettings) return false;
  if ((header.flags & ~rule->flags) != 0 || (Byte(nine_bytes[5]) & 0x80) != 0) return false;
  const bool odd = header.stream % 2 == 1;
  // Requests and what belongs to them have odd ids; even ones are streams that a server pushes.
  if (sender == MessageKind::kRequest && header.type == Http2Frame::kPushPromise) return false;
  const bool carries_request = header.type == Http2Frame::kHeaders || header.type == Http2Frame::kData ||
                               header.type == Http2Frame::kContinuation;
  if (sender == MessageKind::kRequest && carries_request && !odd) return false;
  return header.type != Http2Frame::kPushPromise || odd;
}

bool Http2FrameReader::Feed(std::string_view data) {
  while (!data.empty()) {
    if (in_payload_) {
      const std::string_view piece = data.substr(0, remaining_);
      data.remove_prefix(piece.size());
      remaining_ -= piece.size();
      handler_.OnPayload(piece);
      if (remaining_ == 0) End();
      continue;
    }
    const size_t n = std::min(data.size(), header_.size() - have_);
    std::copy_n(data.data(), n, header_.data() + have_);
    have_ += n;
    data.remove_prefix(n);
    if (have_ < header_.size()) return true;
    have_ = 0;
    const Http2FrameHeader header = ReadHttp2FrameHeader(header_.data());
    if (!IsWellFormed(header)) return false;
    in_payload_ = true;
    remaining_ = header.length;
    handler_.OnFrame(header);
    if (remaining_ == 0) End();
  }
  return true;
}

void Http2FrameReader::Skip(uint64_t n) {
  remaining_ -= std::min(n, remaining_);
  if (remaining_ == 0) End();
}

void Http2FrameReader::End() {
  if (std::exchange(in_payload_, false)) handler_.OnFrameEnd();
}

void Http2FrameReader::Reset() {
  have_ = 0;
  in_payload_ = false;
  remaining_ = 0;
}

}  // namespace podtap
