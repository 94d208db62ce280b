// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/http2_sync.h"

#include <utility>

namespace podtap {
namespace {

// The vector may be half empty.
size_t CostOf(const Session::Rest& segment) { return segment.bytes.capacity() + 2 * sizeof(segment); }

// The walk over frames whose headers may lie across pieces.
class FrameWalk {
 public:
  FrameWalk(const std::vector<Session::Rest>& pieces) : pieces_(pieces) {}

  // Copies up to `n` bytes and moves on; returns how many there were.
  size_t Read(char* to, size_t n) {
    size_t done = 0;
    while (done < n && piece_ < pieces_.size()) {
      const std::string& bytes = pieces_[piece_].bytes;
      if (at_ == bytes.size()) {
        ++piece_, at_ = 0;
        continue;
      }
      to[done++] = bytes[at_++];
    }
    return done;
  }
  bool Skip(uint64_t n) {
    while (piece_ < pieces_.size()) {
      const size_t here = pieces_[piece_].bytes.size() - at_;
      if (n < here) return at_ += n, true;
      n -= here;
      ++piece_, at_ = 0;
    }
    return false;
  }

 private:
  const std::vector<Session::Rest>& pieces_;
  size_t piece_ = 0;
  size_t at_ = 0;
};

}  // namespace

Http2Sync::Found Http2Sync::Check(std::optional<MessageKind> sender) const {
  FrameWalk walk(segments_);
  uint32_t block = 0;  // stream of the header block that goes on
  for (int frames = 0;;) {
    char header[kHttp2HeaderBytes];
    const size_t got = walk.Read(header, sizeof(header));
    if (got < sizeof(header)) {
      // Part of a header: frames of 128 KiB and more are not believable.
      if (got > 0 && static_cast<unsigned char>(header[0]) > 1) return Found::kNo;
      return frames >= kFrames ? Found::kYes : Found::kMaybe;
    }
    if (!IsBelievable(header, sender)) return Found::kNo;
    const Http2FrameHeader frame = ReadHttp2FrameHeader(header);
    const bool continues = frame.type == Http2Frame::kContinuation;
    if (continues != (block != 0) || (continues && frame.stream != block)) return Found::kNo;
    const bool has_block = continues || frame.type == Http2Frame::kHeaders || frame.type == Http2Frame::kPushPromise;
    block = has_block && !frame.has(kHttp2EndHeaders) ? frame.stream : 0;
    ++frames;
    if (!walk.Skip(frame.length)) return frames >= kFrames ? Found::kYes : Found::kMaybe;
  }
}

Http2Sync::Found Http2Sync::Feed(std::string_view data, uint64_t position, Timestamp at,
                                 std::optional<MessageKind> sender) {
  if (data.empty()) return empty() ? Found::kNo : Found::kMaybe;
  if (empty() && data.size() >= kHttp2HeaderBytes && !IsBelievable(data.data(), sender)) return Found::kNo;
  segments_.push_back({std::string(data), position, at});
  Charge(segments_.back());
  while (!empty()) {
    const Found found = Check(sender);
    const bool room = kept_ <= kMaxKept && segments_.size() <= kMaxSegments;
    if (found == Found::kYes || (found == Found::kMaybe && room)) return found;
    Release(segments_.front());
    segments_.erase(segments_.begin());
  }
  std::vector<Session::Rest>().swap(segments_);
  return Found::kNo;
}

void Http2Sync::Charge(const Session::Rest& segment) {
  kept_ += segment.bytes.size();
  budget_.Charge(CostOf(segment));
}

void Http2Sync::Release(const Session::Rest& segment) {
  kept_ -= segment.bytes.size();
  budget_.Release(CostOf(segment));
}

std::vector<Session::Rest> Http2Sync::Take() {
  for (const Session::Rest& segment : segments_) Release(segment);
  return std::exchange(segments_, {});
}

void Http2Sync::DropLast() {
  if (empty()) return;
  Release(segments_.back());
  segments_.pop_back();
}

void Http2Sync::Reset() { Take(); }

std::optional<MessageKind> Http2Sync::Sender() const {
  FrameWalk walk(segments_);
  for (;;) {
    char header[kHttp2HeaderBytes];
    if (walk.Read(header, sizeof(header)) < sizeof(header)) return std::nullopt;
    const Http2FrameHeader frame = ReadHttp2FrameHeader(header);
    uint64_t rest = frame.length;
    if (frame.type == Http2Frame::kPushPromise) return MessageKind::kResponse;
    if (frame.type == Http2Frame::kHeaders) {
      if (frame.stream % 2 == 0) return MessageKind::kResponse;
      const size_t before = (frame.has(kHttp2Padded) ? 1 : 0) + (frame.has(kHttp2HasPriority) ? 5 : 0);
      char block[7] = {};
      if (rest <= before || walk.Read(block, before + 1) < before + 1) return std::nullopt;
      rest -= before + 1;
      // An index of the static table (RFC 7541 appendix A), as a whole field or as the name of a literal: 2..7 are
      // :method, :path, :scheme, 8..14 are :status.
      const auto first = static_cast<unsigned char>(block[before]);
      const unsigned index = (first & 0x80) != 0 ? first & 0x7f : (first & 0x40) != 0 ? first & 0x3f : first & 0x0f;
      if (index >= 2 && index <= 7) return MessageKind::kRequest;
      if (index >= 8 && index <= 14) return MessageKind::kResponse;
    }
    if (!walk.Skip(rest)) return std::nullopt;
  }
}

}  // namespace podtap
