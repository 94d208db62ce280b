// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/opaque_session.h"

#include <utility>

namespace podtap {

Session::Next OpaqueSession::OnEvent(const StreamEvent& event) {
  if (const auto* gap = std::get_if<Gap>(&event.what)) {
    Side& side = sides_[IndexOf(gap->direction)];
    side.head = {};
    side.looked = true;
    last_ = gap->direction;
    return Next::kContinue;
  }
  const auto* bytes = std::get_if<Bytes>(&event.what);
  if (bytes == nullptr || bytes->data.empty()) return Next::kContinue;
  Side& side = sides_[IndexOf(bytes->direction)];
  if (last_ != bytes->direction) {
    last_ = bytes->direction;
    side = {};
  }
  const std::string_view data(reinterpret_cast<const char*>(bytes->data.data()), bytes->data.size());
  return Look(bytes->direction, data, bytes->position, event.at) ? Next::kHandOver : Next::kContinue;
}

bool OpaqueSession::IsKnown(Guess guess, Direction direction) const {
  if (guess == Guess::kHttp1Request || guess == Guess::kHttp2) return !client_ || *client_ == direction;
  if (guess == Guess::kHttp1Response) return !client_ || *client_ != direction;
  return guess == Guess::kTls;
}

bool OpaqueSession::Look(Direction direction, std::string_view data, uint64_t position, Timestamp at) {
  Side& side = sides_[IndexOf(direction)];
  if (side.looked) return false;
  std::string& head = side.head.bytes;
  if (head.empty()) side.head = {{}, position, at};
  const size_t before = head.size();
  head.append(data.substr(0, kGuessWindow));
  const Guess guess = GuessProtocol(head);
  const bool torn = guess == Guess::kNeedMore && head.size() >= kTurnHeadBytes && LooksLikeTornRequest(head) &&
                    IsKnown(Guess::kHttp1Request, direction);
  const bool known = torn || IsKnown(guess, direction);
  if (known) {
    head.append(data.substr(head.size() - before));
    return true;
  }
  side.looked = guess != Guess::kNeedMore || head.size() >= kTurnHeadBytes;
  if (side.looked) side.head = {};
  return false;
}

Session::Leftover OpaqueSession::HandOver() {
  return {.rest = {std::move(sides_[0].head), std::move(sides_[1].head)}, .clean = false, .to_http2 = nullptr};
}

}  // namespace podtap
