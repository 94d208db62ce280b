// SPDX-License-Identifier: Apache-2.0
#include "sidecar/capture/feedback_slots.h"

namespace podtap {
namespace {

void Store(__u64& word, uint64_t value) { __atomic_store_n(&word, value, __ATOMIC_RELAXED); }

}  // namespace

WishWords WordsFor(const Interest& interest, uint16_t generation) {
  const uint64_t mark = uint64_t{generation} << PODTAP_VALUE_BITS;
  WishWords words{mark, mark};
  if (!interest.turn_rule) words.wishes |= kWishNoTurnRule;
  switch (interest.want) {
    case Interest::Want::kEverything:
      break;
    case Interest::Want::kFromPosition:
      if (interest.position < PODTAP_VALUE_MASK) words.skip_until |= interest.position;
      break;
    case Interest::Want::kTurnHeads:
      words.wishes |= kWishTurnHeads;
      break;
    case Interest::Want::kNothing:
      words.skip_until |= PODTAP_VALUE_MASK;
      break;
  }
  return words;
}

FeedbackSlots::FeedbackSlots(feedback_slot* slots, size_t count) : slots_(slots), owners_(count) {
  for (size_t i = 0; i < count; ++i) {
    for (int direction = 0; direction < 2; ++direction) {
      if (slots_[i].skip_until[direction] != 0) Store(slots_[i].skip_until[direction], 0);
      if (slots_[i].wishes[direction] != 0) Store(slots_[i].wishes[direction], 0);
    }
  }
}

void FeedbackSlots::Learn(const connection_identity& identity) {
  if (identity.slot >= owners_.size()) return;
  Owner& owner = owners_[identity.slot];
  if (owner.cookie == identity.cookie && owner.generation == identity.generation) return;
  // Records of two owners of one slot may be mixed for a moment; by the generation (mod 2^16) the newer one wins.
  if (owner.cookie != 0) {
    if (static_cast<int16_t>(identity.generation - owner.generation) < 0) return;
    by_connection_.erase(ConnectionId{owner.cookie});
  }
  owner = Owner{identity.cookie, identity.generation};
  by_connection_[ConnectionId{identity.cookie}] = identity.slot;
}

void FeedbackSlots::Forget(const connection_identity& identity) {
  const auto at = by_connection_.find(ConnectionId{identity.cookie});
  if (at == by_connection_.end()) return;
  owners_[at->second].cookie = 0;
  by_connection_.erase(at);
}

bool FeedbackSlots::Write(const Interest& interest) {
  const auto at = by_connection_.find(interest.connection);
  if (at == by_connection_.end()) return false;
  const WishWords words = WordsFor(interest, owners_[at->second].generation);
  feedback_slot& slot = slots_[at->second];
  const size_t direction = IndexOf(interest.direction);
  Store(slot.skip_until[direction], words.skip_until);
  Store(slot.wishes[direction], words.wishes);
  return true;
}

}  // namespace podtap
