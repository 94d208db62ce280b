// SPDX-License-Identifier: Apache-2.0
// OpaqueSession: a connection that does not speak HTTP, as far as it was seen. It looks at the first bytes of each turn
// (bytes after bytes of the other direction), so that HTTP after another protocol's greeting, or TLS after STARTTLS, is
// found; the SessionTable has asked the source for no more than these (Interest kTurnHeads). Emits nothing, keeps
// kTurnHeadBytes per direction.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "sidecar/http/protocol_guess.h"
#include "sidecar/http/session.h"

namespace podtap {

class OpaqueSession final : public Session {
 public:
  // `client`: the direction that requests can come from, if known.
  explicit OpaqueSession(std::optional<Direction> client) : client_(client) {}

  // kHandOver when a turn begins with something known; the turn's bytes are left over.
  Next OnEvent(const StreamEvent& event) override;
  Leftover HandOver() override;

 private:
  struct Side {
    Rest head;            // of the current turn, while it may still become something
    bool looked = false;  // enough of this turn was seen
  };
  bool Look(Direction direction, std::string_view data, uint64_t position, Timestamp at);
  bool IsKnown(Guess guess, Direction direction) const;

  const std::optional<Direction> client_;
  std::optional<Direction> last_;
  std::array<Side, 2> sides_;
};

}  // namespace podtap
