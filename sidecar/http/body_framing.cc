// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/body_framing.h"

#include <algorithm>

namespace podtap {
namespace {

constexpr uint8_t kMaxSizeDigits = 15;  // without leading zeros: 2^60 bytes, far from overflow

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void BodyFraming::Start(const MessageLength& length, size_t max_trailer_bytes) {
  kind_ = length.kind;
  malformed_ = trailers_truncated_ = last_was_cr_ = false;
  digits_ = 0;
  remaining_ = 0;
  trailer_line_ = 0;
  max_trailer_bytes_ = max_trailer_bytes;
  trailers_.clear();
  switch (kind_) {
    case MessageLength::Kind::kNone:
      state_ = State::kDone;
      break;
    case MessageLength::Kind::kLength:
      remaining_ = length.length;
      state_ = remaining_ == 0 ? State::kDone : State::kData;
      break;
    case MessageLength::Kind::kUntilClose:
      state_ = State::kData;
      break;
    case MessageLength::Kind::kChunked:
      state_ = State::kBetween;
      line_ = Line::kSize;
      break;
  }
}

std::optional<uint64_t> BodyFraming::known_remaining() const {
  if (state_ != State::kData || until_close()) return std::nullopt;
  return remaining_;
}

void BodyFraming::EndOfData() {
  if (!chunked()) {
    state_ = State::kDone;
    return;
  }
  state_ = State::kBetween;
  line_ = Line::kDataEnd;
}

size_t BodyFraming::TakeData(size_t available) {
  if (until_close()) return available;
  const auto n = static_cast<size_t>(std::min<uint64_t>(available, remaining_));
  remaining_ -= n;
  if (remaining_ == 0) EndOfData();
  return n;
}

uint64_t BodyFraming::Skip(uint64_t n) {
  if (until_close()) return n;
  const uint64_t covered = std::min(n, remaining_);
  remaining_ -= covered;
  if (remaining_ == 0) EndOfData();
  if (covered < n && chunked()) state_ = State::kBroken;
  return covered;
}

size_t BodyFraming::TakeFraming(std::string_view data) {
  if (state_ == State::kTrailers) return TakeTrailers(data);
  size_t used = 0;
  while (used < data.size() && state_ == State::kBetween) {
    if (line_ == Line::kExtension && data[used] != '\n') {  // extensions may be long: look for their end at once
      const size_t end = std::min(data.find('\n', used), data.size());
      last_was_cr_ = data[end - 1] == '\r';
      used = end;
      continue;
    }
    if (!TakeChunkByte(data[used])) {
      state_ = State::kBroken;
      malformed_ = true;
      return used;
    }
    ++used;
  }
  return used;
}

bool BodyFraming::TakeChunkByte(char c) {
  switch (line_) {
    case Line::kDataEnd:
      if (c == '\r') {
        line_ = Line::kDataEndLf;
        return true;
      }
      malformed_ = true;
      [[fallthrough]];
    case Line::kDataEndLf:
      line_ = Line::kSize;
      digits_ = 0;
      remaining_ = 0;
      last_was_cr_ = false;
      return c == '\n';
    case Line::kSize:
      if (const int value = HexValue(c); value >= 0) {
        if (digits_ > kMaxSizeDigits) return false;
        remaining_ = remaining_ << 4 | static_cast<uint64_t>(value);
        // Leading zeros do not count towards an overflow, but there is a first digit now.
        if (remaining_ != 0 || digits_ == 0) ++digits_;
        return remaining_ >> 60 == 0;
      }
      if (digits_ == 0) {
        malformed_ = true;
        return c == ' ' || c == '\t';
      }
      line_ = Line::kAfterSize;
      [[fallthrough]];
    case Line::kAfterSize:
      if (c == '\n') {
        if (!last_was_cr_) malformed_ = true;
        EndOfSizeLine();
        return true;
      }
      if (last_was_cr_) return false;
      if (c == '\r') {
        last_was_cr_ = true;
        return true;
      }
      if (c == ';') {
        line_ = Line::kExtension;
        return true;
      }
      malformed_ = true;  // blanks before an extension are "bad white space"
      return c == ' ' || c == '\t';
    case Line::kExtension:
      if (!last_was_cr_) malformed_ = true;  // c is LF
      EndOfSizeLine();
      return true;
  }
  return false;
}

void BodyFraming::EndOfSizeLine() {
  last_was_cr_ = false;
  if (remaining_ != 0) {
    state_ = State::kData;
    return;
  }
  state_ = State::kTrailers;
  trailer_line_ = 0;
}

size_t BodyFraming::TakeTrailers(std::string_view data) {
  size_t used = 0;
  while (used < data.size()) {
    const size_t end = data.find('\n', used);
    const size_t line_end = std::min(end, data.size());
    const std::string_view piece = data.substr(used, line_end - used);
    // A CR counts as part of its line unless LF follows it.
    if (last_was_cr_ && !piece.empty()) ++trailer_line_;
    if (!piece.empty()) {
      last_was_cr_ = piece.back() == '\r';
      trailer_line_ += piece.size() - (last_was_cr_ ? 1 : 0);
    }
    const bool whole = end != std::string_view::npos;
    if (trailers_.size() + piece.size() + 1 > max_trailer_bytes_) {
      if (trailer_line_ != 0) trailers_truncated_ = true;
    } else if (!trailers_truncated_) {
      trailers_.append(piece);
      if (whole) trailers_ += '\n';
    }
    used = line_end;
    if (!whole) return used;
    ++used;
    if (!last_was_cr_) malformed_ = true;
    const bool empty_line = trailer_line_ == 0;
    trailer_line_ = 0;
    last_was_cr_ = false;
    if (empty_line) {
      state_ = State::kDone;
      return used;
    }
  }
  return used;
}

}  // namespace podtap
