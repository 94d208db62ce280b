// SPDX-License-Identifier: Apache-2.0
// FeedbackSlots: which connection has which slot of the shared array, and what a wish looks like there (bpf/records.h).
// A slot goes from connection to connection; the generation in every word keeps a late word from meaning anything to
// the next one. Bounded by the number of slots. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "bpf/records.h"
#include "sidecar/stream/stream_event.h"

namespace podtap {

struct WishWords {
  uint64_t skip_until = 0;
  uint64_t wishes = 0;
  bool operator==(const WishWords&) const = default;
};
// How the kernel reads `interest`. A position that does not fit into a word means nothing is skipped.
WishWords WordsFor(const Interest& interest, uint16_t generation);

class FeedbackSlots {
 public:
  // Wipes the words of an earlier reader.
  FeedbackSlots(feedback_slot* slots, size_t count);

  // What a record says about its connection's slot. Cheap when nothing is new.
  void Learn(const connection_identity& identity);
  void Forget(const connection_identity& identity);
  // False if the connection has no slot.
  bool Write(const Interest& interest);
  size_t size() const { return by_connection_.size(); }

 private:
  struct Owner {
    uint64_t cookie = 0;
    uint16_t generation = 0;
  };
  feedback_slot* slots_;
  std::vector<Owner> owners_;  // by slot
  std::unordered_map<ConnectionId, uint32_t> by_connection_;
};

}  // namespace podtap
