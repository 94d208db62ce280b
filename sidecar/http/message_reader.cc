// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/message_reader.h"

#include <algorithm>

namespace podtap {
namespace {

constexpr size_t kSmallestLimit = 64;  // below it no start line would fit
constexpr size_t kKeptBuffer = 512;    // an idle connection holds no more

}  // namespace

MessageReader::MessageReader(MessageKind kind, size_t max_header_bytes, MemoryBudget& budget, Handler& handler)
    : kind_(kind),
      max_header_bytes_(std::max(max_header_bytes, kSmallestLimit)),
      budget_(budget),
      handler_(handler),
      probe_(kind) {}

MessageReader::~MessageReader() { budget_.Release(charged_); }

void MessageReader::ChargeBuffer() {
  const size_t now = buffer_.capacity() + long_line_.capacity();
  if (now == charged_) return;
  budget_.Charge(now);
  budget_.Release(charged_);
  charged_ = now;
}

void MessageReader::ClearBuffer() {
  for (std::string* text : {&buffer_, &long_line_}) {
    text->clear();
    if (text->capacity() > kKeptBuffer) std::string().swap(*text);
  }
  ChargeBuffer();
}

size_t MessageReader::Feed(std::string_view data, Timestamp at, Turn turn) {
  stopped_ = false;
  turn_ = turn != Turn::kNo || (turn_ && state_ == State::kStart);  // nothing but line ends since
  if (turn == Turn::kYes && found_ != Found::kExact && found_ != Found::kTurnStart &&
      (state_ == State::kStart || state_ == State::kLine || state_ == State::kSkipLine)) {
    ClearBuffer();  // a new turn is a better place to look than where we were
    state_ = State::kStart;
    found_ = Found::kTurnStart;
  }
  size_t used = 0;
  while (used < data.size() && !stopped_) {
    const std::string_view rest = data.substr(used);
    if (state_ != State::kStart) turn_ = false;
    switch (state_) {
      case State::kStart:
        used += TakeStart(rest, at);
        break;
      case State::kLine:
        used += TakeLine(rest, at);
        break;
      case State::kLongLine:
        used += TakeLongLine(rest, at);
        break;
      case State::kSkipLine: {
        const size_t lf = rest.find('\n');
        if (lf != std::string_view::npos) state_ = State::kStart;
        used += lf == std::string_view::npos ? rest.size() : lf + 1;
        break;
      }
      case State::kHead:
        used += TakeHead(rest, at);
        break;
      case State::kLongHead:
        used += TakeLongHead(rest, at);
        break;
      case State::kBody:
        used += TakeBody(rest, at);
        break;
    }
  }
  if (charged_ != buffer_.capacity() + long_line_.capacity()) ChargeBuffer();
  return used;
}

size_t MessageReader::TakeStart(std::string_view data, Timestamp at) {
  size_t used = 0;
  if (!raw_possible_)
    while (used < data.size() && (data[used] == '\r' || data[used] == '\n')) ++used;
  if (used == data.size()) return used;
  data.remove_prefix(used);
  start_ = at;
  head_turn_ = turn_;
  turn_ = false;
  head_bytes_ = 0;
  truncated_ = false;
  if (found_ == Found::kExact) {  // the common case: a whole head in one piece
    scan_.Reset();
    if (const size_t end = scan_.Scan(data.substr(0, max_header_bytes_)); end != HeadScan::kNotYet) {
      head_bytes_ = end;
      if (Deliver(data.substr(0, end), scan_.shape(), at)) return used + end;
      head_bytes_ = 0;
    }
  }
  probe_.Reset();
  state_ = State::kLine;
  return used;
}

size_t MessageReader::TakeLine(std::string_view data, Timestamp at) {
  const size_t room = max_header_bytes_ - buffer_.size();
  const size_t lf = data.substr(0, room).find('\n');
  const std::string_view piece = data.substr(0, std::min(lf, room));
  if (!probe_.Feed(piece)) {
    Reject(at, false);
    return 0;
  }
  buffer_.append(piece);
  head_bytes_ += piece.size();
  if (lf != std::string_view::npos) {
    buffer_ += '\n';
    ++head_bytes_;
    if (AcceptLine(at)) return lf + 1;
    // What was rejected is not looked at again, but for a body without a head.
    Reject(at, true);
    return lf + 1;
  }
  if (buffer_.size() >= max_header_bytes_) {
    if (!probe_.plausible()) {
      Reject(at, false);
    } else {
      truncated_ = true;
      state_ = State::kLongLine;
      long_line_.assign(buffer_, buffer_.size() - std::min<size_t>(buffer_.size(), 16));
    }
  }
  return piece.size();
}

// buffer_ holds a line with its LF. HTTP/0.9's request is complete with it.
bool MessageReader::AcceptLine(Timestamp at) {
  const LineKind line = ClassifyLine(std::string_view(buffer_).substr(0, buffer_.size() - 1));
  if (kind_ == MessageKind::kResponse ? line != LineKind::kResponse
                                      : line != LineKind::kRequest && line != LineKind::kRequest09)
    return false;
  scan_.ResetAfterStartLine();
  if (line != LineKind::kRequest09) {
    state_ = State::kHead;
    return true;
  }
  if (found_ != Found::kExact) return false;  // in the middle of something, two words prove nothing
  return Deliver(buffer_, scan_.shape(), at);
}

// The bytes since the start are no start line. What follows is searched from the next line on.
void MessageReader::Reject(Timestamp at, bool line_ended) {
  const bool exact = found_ == Found::kExact;
  found_ = Found::kMidData;
  state_ = line_ended ? State::kStart : State::kSkipLine;
  if (exact && handler_.OnNoMessage(kind_, start_)) {
    MessageLength until_close;
    until_close.kind = MessageLength::Kind::kUntilClose;
    const std::string text(buffer_);
    ClearBuffer();
    StartBody(until_close, at);
    if (!text.empty()) handler_.OnBody(kind_, text, std::nullopt);
    return;
  }
  ClearBuffer();
}

size_t MessageReader::TakeHead(std::string_view data, Timestamp at) {
  const std::string_view piece = data.substr(0, max_header_bytes_ - buffer_.size());
  const size_t end = scan_.Scan(piece);
  const size_t used = end == HeadScan::kNotYet ? piece.size() : end;
  buffer_.append(piece.substr(0, used));
  head_bytes_ += used;
  if (end != HeadScan::kNotYet) {
    if (!Deliver(buffer_, scan_.shape(), at)) Reject(at, true);
  } else if (buffer_.size() >= max_header_bytes_) {
    GoLong();
  }
  return used;
}

size_t MessageReader::TakeBody(std::string_view data, Timestamp at) {
  const size_t used =
      body_.Feed(data, [this](std::string_view piece) { handler_.OnBody(kind_, piece, body_.known_remaining()); });
  if (body_.state() == BodyFraming::State::kDone) {
    EndMessage(at);
  } else if (body_.state() == BodyFraming::State::kBroken) {
    found_ = Found::kMidData;
    state_ = State::kSkipLine;
    handler_.OnBroken(kind_);
  }
  return used;
}

bool MessageReader::Deliver(std::string_view text, HeadShape shape, Timestamp at) {
  const Head head{.text = text,
                  .shape = shape,
                  .bytes = head_bytes_,
                  .start = start_,
                  .found = found_,
                  .turn = head_turn_,
                  .truncated = truncated_,
                  .incomplete = false};
  const auto length = handler_.OnHead(kind_, head);
  if (!length) return false;
  ClearBuffer();
  StartBody(*length, at);
  return true;
}

void MessageReader::StartBody(const MessageLength& length, Timestamp at) {
  found_ = Found::kExact;
  raw_possible_ = false;
  body_.Start(length, max_header_bytes_);
  state_ = State::kBody;
  if (body_.state() == BodyFraming::State::kDone) EndMessage(at);
}

void MessageReader::EndMessage(Timestamp at) {
  state_ = State::kStart;
  found_ = Found::kExact;
  handler_.OnEnd(kind_, at);
}

void MessageReader::Lose() {
  ClearBuffer();
  found_ = Found::kAfterGap;
  state_ = State::kStart;
}

void MessageReader::AfterSkip(Timestamp at, uint64_t beyond) {
  if (body_.state() == BodyFraming::State::kDone) EndMessage(at);
  if (beyond != 0) Lose();
}

bool MessageReader::End(Timestamp at) {
  if (state_ == State::kBody && body_.EndsHere()) EndMessage(at);
  if (in_start_line() && raw_possible_) {
    Reject(at, false);
    if (state_ == State::kBody) EndMessage(at);
  }
  return state_ == State::kStart || state_ == State::kSkipLine;
}

std::optional<MessageReader::Head> MessageReader::PartialHead() const {
  if (!in_head()) return std::nullopt;
  return Head{.text = buffer_,
              .shape = scan_.shape(),
              .bytes = head_bytes_,
              .start = start_,
              .found = found_,
              .turn = head_turn_,
              .truncated = truncated_,
              .incomplete = true};
}

}  // namespace podtap
