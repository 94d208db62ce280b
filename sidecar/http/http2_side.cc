// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/http2_side.h"

#include <algorithm>
#include <utility>

namespace podtap {
namespace {

constexpr uint16_t kSettingHeaderTableSize = 1;
constexpr size_t kSettingBytes = 6;

}  // namespace

Http2Side::Http2Side(MessageKind kind, bool in_view, const SessionContext& context, Handler& handler)
    : kind_(kind),
      context_(context),
      handler_(handler),
      reader_(*this),
      hpack_(context.budget, context.counters),
      sync_(context.budget) {
  if (in_view) {
    if (kind == MessageKind::kRequest) preface_left_ = kHttp2Preface.size();
  } else {
    searching_ = true;
    hpack_.Lose();
    context_.counters.Add(Counter::kHpackJoined);
  }
}

Http2Side::~Http2Side() { context_.budget.Release(head_charged_); }

void Http2Side::Feed(std::string_view data, uint64_t position, Timestamp at) {
  if (searching_) {
    Search(data, position, at);
  } else {
    Parse(data, at);
  }
  ChargeHead();
}

void Http2Side::Search(std::string_view data, uint64_t position, Timestamp at) {
  if (broken_ >= kMaxBroken) {
    searched_ += data.size();
    return;
  }
  // A client that begins: after a late join of a connection that had said nothing yet.
  if (kind_ == MessageKind::kRequest && sync_.empty() && data.starts_with(kHttp2Preface)) {
    preface_left_ = kHttp2Preface.size();
    searching_ = false;
    hpack_.Trust();
    Parse(data, at);
    if (!searching_) handler_.OnFound(kind_);
    return;
  }
  switch (sync_.Feed(data, position, at, kind_)) {
    case Http2Sync::Found::kMaybe:
      return;
    case Http2Sync::Found::kNo:
      searched_ += data.size();
      return;
    case Http2Sync::Found::kYes:
      break;
  }
  searching_ = false;
  searched_ = 0;
  for (const Session::Rest& rest : sync_.Take()) {
    if (searching_) {
      Search(rest.bytes, rest.position, rest.at);
    } else {
      Parse(rest.bytes, rest.at);
    }
  }
  if (!searching_) handler_.OnFound(kind_);
}

void Http2Side::Parse(std::string_view data, Timestamp at) {
  at_ = at;
  if (preface_left_ != 0) {
    const std::string_view expected = kHttp2Preface.substr(kHttp2Preface.size() - preface_left_);
    const size_t n = std::min(expected.size(), data.size());
    if (data.substr(0, n) != expected.substr(0, n)) return LoseFrames(true, Counter::kHpackLost);
    preface_left_ -= n;
    preface_seen_ = preface_left_ == 0;
    data.remove_prefix(n);
  }
  if (reader_.Feed(data)) return;
  context_.counters.Add(kind_ == MessageKind::kRequest ? Counter::kRequestErrors : Counter::kResponseErrors);
  ++broken_;
  LoseFrames(true, Counter::kHpackLost);
}

// ---- frames

void Http2Side::OnFrame(const Http2FrameHeader& header) {
  frame_ = header;
  const bool continues = header.type == Http2Frame::kContinuation;
  if (has_block() && (!continues || header.stream != block_stream_)) BreakBlock();
  const bool padded = header.has(kHttp2Padded);
  prefix_have_ = small_have_ = 0;
  prefix_need_ = 0;
  switch (header.type) {
    case Http2Frame::kData:
      prefix_need_ = padded ? 1 : 0;
      break;
    case Http2Frame::kHeaders:
      prefix_need_ = (padded ? 1 : 0) + (header.has(kHttp2HasPriority) ? 5 : 0);
      break;
    case Http2Frame::kPushPromise:
      prefix_need_ = (padded ? 1 : 0) + 4;
      break;
    default:
      break;
  }
  content_left_ = header.length - std::min<uint64_t>(prefix_need_, header.length);
  if (header.type != Http2Frame::kHeaders && header.type != Http2Frame::kPushPromise) return;
  head_.Clear();
  block_stream_ = header.stream;
  is_promise_ = header.type == Http2Frame::kPushPromise;
  promised_ = 0;
  block_ends_stream_ = !is_promise_ && header.has(kHttp2EndStream);
  block_good_ = true;
  if (!header.has(kHttp2EndHeaders) || header.length > HpackCutter::kLongest) hpack_.ExpectLong();
  block_start_ = at_;
}

void Http2Side::OnPayload(std::string_view piece) {
  if (prefix_have_ < prefix_need_) {
    const size_t n = std::min(piece.size(), prefix_need_ - prefix_have_);
    std::copy_n(piece.data(), n, prefix_.data() + prefix_have_);
    prefix_have_ += n;
    piece.remove_prefix(n);
    if (prefix_have_ < prefix_need_) return;
    const bool padded = frame_.has(kHttp2Padded);
    if (padded) content_left_ -= std::min<uint64_t>(content_left_, static_cast<unsigned char>(prefix_[0]));
    if (is_promise_ && has_block()) promised_ = ReadBig32(prefix_.data() + (padded ? 1 : 0)) & 0x7fffffff;
  }
  piece = piece.substr(0, content_left_);
  if (piece.empty()) return;
  content_left_ -= piece.size();
  OnContent(piece);
}

void Http2Side::OnContent(std::string_view piece) {
  switch (frame_.type) {
    case Http2Frame::kData:
      return handler_.OnData(kind_, frame_.stream, piece, content_left_);
    case Http2Frame::kHeaders:
    case Http2Frame::kPushPromise:
    case Http2Frame::kContinuation:
      if (has_block()) OnFragment(piece);
      return;
    case Http2Frame::kRstStream:
    case Http2Frame::kGoaway:
    case Http2Frame::kSettings:
      return OnSmall(piece);
    default:
      return;
  }
}

void Http2Side::OnSmall(std::string_view piece) {
  const bool settings = frame_.type == Http2Frame::kSettings;
  for (const char c : piece) {
    if (small_have_ >= small_.size()) return;
    small_[small_have_++] = c;
    if (!settings || small_have_ < kSettingBytes) continue;
    small_have_ = 0;
    const auto id = static_cast<uint16_t>(ReadBig32(small_.data()) >> 16);
    if (id == kSettingHeaderTableSize) handler_.OnTableSize(kind_, ReadBig32(small_.data() + 2));
  }
}

void Http2Side::OnFrameEnd() {
  switch (frame_.type) {
    case Http2Frame::kData:
      if (frame_.has(kHttp2EndStream)) handler_.OnEndStream(kind_, frame_.stream);
      return;
    case Http2Frame::kHeaders:
    case Http2Frame::kPushPromise:
    case Http2Frame::kContinuation:
      if (has_block() && frame_.has(kHttp2EndHeaders)) EndBlock();
      return;
    case Http2Frame::kRstStream:
      if (small_have_ == 4) handler_.OnReset(kind_, frame_.stream, ReadBig32(small_.data()));
      return;
    case Http2Frame::kGoaway:
      if (small_have_ == 8) handler_.OnGoaway(kind_, ReadBig32(small_.data()) & 0x7fffffff);
      return;
    default:
      return;
  }
}

// ---- header blocks

void Http2Side::OnField(std::string_view name, std::string_view value) {
  head_.Add(name, value, context_.limits.max_header_bytes);
}

void Http2Side::OnRestart() {
  const uint64_t wire_bytes = head_.wire_bytes;
  head_.Clear();
  head_.wire_bytes = wire_bytes;
}

void Http2Side::OnFragment(std::string_view piece) {
  head_.wire_bytes += piece.size();
  if (block_good_) block_good_ = hpack_.Feed(piece, false, *this);
}

void Http2Side::EndBlock() {
  // A block without a byte is one, too (trailers may be empty).
  if (block_good_) block_good_ = hpack_.Feed({}, true, *this);
  if (!block_good_) {
    hpack_.Abort();
    head_.undecodable = true;
  }
  if (head_.unknown_fields != 0) context_.counters.Add(Counter::kHpackUnknownFields, head_.unknown_fields);
  const uint32_t stream = std::exchange(block_stream_, 0);
  if (!is_promise_) {
    handler_.OnHeaders(kind_, stream, head_, block_start_, block_ends_stream_);
  } else if (kind_ == MessageKind::kRequest) {
    context_.counters.Add(Counter::kRequestErrors);  // clients promise nothing
  } else if (promised_ != 0) {
    handler_.OnPushPromise(stream, promised_, head_, block_start_);
  }
  head_.Clear();
}

// Its end will not come, or part of it is missing.
void Http2Side::BreakBlock() {
  block_good_ = false;
  hpack_.Abort();
  hpack_.Lose();
  EndBlock();
}

// ---- holes

void Http2Side::ForgetAll() {
  Forget();
  if (hpack_.Forget()) context_.counters.Add(Counter::kHpackLost);
  if (has_block()) {
    block_good_ = false;
    hpack_.Lose();
  }
  const uint64_t wire_bytes = head_.wire_bytes;
  head_.Free();
  head_.wire_bytes = wire_bytes;
  ChargeHead();
}

void Http2Side::ChargeHead() {
  const size_t now = head_.memory();
  if (now == head_charged_) return;
  context_.budget.Release(head_charged_);
  context_.budget.Charge(now);
  head_charged_ = now;
}

void Http2Side::LoseFrames(bool table_too, Counter why) {
  if (has_block()) BreakBlock();
  reader_.Reset();
  preface_left_ = 0;
  searching_ = true;
  searched_ = 0;
  context_.counters.Add(Counter::kHttp2Refound);
  if (table_too) {
    hpack_.Lose();
    context_.counters.Add(why);
  }
  handler_.OnLost(kind_);
}

void Http2Side::OnGap(std::optional<uint64_t> missing, GapReason reason, Timestamp at) {
  if (missing && *missing == 0) return;
  at_ = at;
  broken_ = 0;
  if (searching_) {
    sync_.Reset();
    hpack_.Lose();
    return;
  }
  const Counter why = reason == GapReason::kJoinedLate ? Counter::kHpackJoined : Counter::kHpackLost;
  if (!reader_.in_payload()) return LoseFrames(true, why);
  const uint64_t rest = reader_.remaining();
  const uint64_t covered = std::min(missing.value_or(rest), rest);
  if (frame_.type == Http2Frame::kData) {
    // Where the padding begins is known once its length was seen.
    const uint64_t content = std::min(covered, content_left_);
    content_left_ -= content;
    prefix_have_ = prefix_need_;
    if (content != 0) handler_.OnDataHole(kind_, frame_.stream, content, reason);
  } else if (has_block()) {
    block_good_ = false;
    hpack_.Abort();
    hpack_.Lose();
    context_.counters.Add(why);
    prefix_have_ = prefix_need_;
    content_left_ -= std::min(covered, content_left_);
  } else {
    small_have_ = small_.size() + 1;  // not to be read
    content_left_ = 0;
  }
  reader_.Skip(covered);
  if (!missing || covered < *missing) LoseFrames(true, why);
}

}  // namespace podtap
