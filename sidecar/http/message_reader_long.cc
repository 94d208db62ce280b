// SPDX-License-Identifier: Apache-2.0
// The part of MessageReader for heads that are longer than the limit: what fits is kept, the rest is only looked
// through for the fields that give the body's length, so that nothing behind the head is lost.
#include <algorithm>
#include <utility>

#include "sidecar/http/message_reader.h"
#include "sidecar/http/tolerant_head.h"

namespace podtap {
namespace {

constexpr size_t kKeptLine = 256;         // of a field line beyond the limit, to see whether it gives a length
constexpr uint32_t kMaxLengthLines = 16;  // of those

}  // namespace

// A start line longer than the limit: its beginning is in buffer_, its last bytes (the version) in long_line_.
size_t MessageReader::TakeLongLine(std::string_view data, Timestamp at) {
  const size_t lf = data.find('\n');
  const std::string_view piece = data.substr(0, lf);
  head_bytes_ += piece.size();
  long_line_.append(piece.substr(piece.size() - std::min<size_t>(piece.size(), 16)));
  if (long_line_.size() > 16) long_line_.erase(0, long_line_.size() - 16);
  if (lf == std::string_view::npos) return piece.size();
  const size_t blank = long_line_.rfind(' ');
  if (kind_ == MessageKind::kRequest && blank != std::string::npos) {
    const uint64_t version_start = head_bytes_ - (long_line_.size() - blank);
    if (version_start < buffer_.size()) buffer_.resize(static_cast<size_t>(version_start));
    buffer_.append(long_line_, blank);
  }
  ++head_bytes_;
  while (buffer_.ends_with('\r')) buffer_.pop_back();
  const LineKind line = ClassifyLine(buffer_);
  if (line != (kind_ == MessageKind::kRequest ? LineKind::kRequest : LineKind::kResponse)) {
    Reject(at, true);
    return lf + 1;
  }
  buffer_ += "\r\n";
  scan_.ResetAfterStartLine();
  long_line_.clear();
  kept_length_lines_ = 0;
  state_ = State::kLongHead;
  return lf + 1;
}

// The limit is reached inside the head: whole lines stay, the line it cuts through is looked at like those that follow.
void MessageReader::GoLong() {
  const size_t whole = buffer_.rfind('\n') + 1;
  long_line_.assign(buffer_, whole, kKeptLine);
  buffer_.resize(whole);
  kept_length_lines_ = 0;
  truncated_ = true;
  state_ = State::kLongHead;
}

size_t MessageReader::TakeLongHead(std::string_view data, Timestamp at) {
  const size_t lf = data.find('\n');
  const std::string_view piece = data.substr(0, lf);
  head_bytes_ += piece.size();
  if (long_line_.size() < kKeptLine) long_line_.append(piece.substr(0, kKeptLine - long_line_.size()));
  if (lf == std::string_view::npos) return piece.size();
  ++head_bytes_;
  if (long_line_ == "\r" || long_line_.empty()) {
    buffer_ += "\r\n";
    if (!Deliver(buffer_, scan_.shape(), at)) Reject(at, true);
    return lf + 1;
  }
  if (kept_length_lines_ < kMaxLengthLines && IsLengthLine(long_line_)) {
    ++kept_length_lines_;
    buffer_.append(long_line_);
    buffer_ += '\n';
  }
  long_line_.clear();
  return lf + 1;
}

void MessageReader::CutHead() {
  if (!in_head()) return;
  if (state_ == State::kHead) GoLong();
  std::string kept;
  size_t line_start = 0;
  for (size_t lf = buffer_.find('\n'); lf != std::string::npos; lf = buffer_.find('\n', line_start)) {
    const std::string_view line = std::string_view(buffer_).substr(line_start, lf + 1 - line_start);
    if (line_start == 0 || (IsLengthLine(line) && kept_length_lines_++ < kMaxLengthLines)) kept.append(line);
    line_start = lf + 1;
  }
  buffer_ = std::move(kept);
  buffer_.shrink_to_fit();
  ChargeBuffer();
}

}  // namespace podtap
