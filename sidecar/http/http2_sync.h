// SPDX-License-Identifier: Apache-2.0
// Http2Sync: finds HTTP/2's frames in one direction whose beginning was not seen, after a late join or a hole. A place
// is believed when it is the start of a segment and kFrames frame headers in a row chain exactly by their lengths, each
// believable. Until then the bytes are kept (at most kMaxKept, charged to the budget), so that nothing of what is
// believed is lost; the next segment is the next place where the last one turned out wrong.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/memory_budget.h"
#include "sidecar/http/http2_frames.h"
#include "sidecar/http/session.h"

namespace podtap {

class Http2Sync {
 public:
  static constexpr int kFrames = 3;
  static constexpr size_t kMaxKept = 128 << 10;
  static constexpr size_t kMaxSegments = 256;  // each new one is looked at together with those before
  enum class Found : uint8_t { kNo, kMaybe, kYes };

  explicit Http2Sync(MemoryBudget& budget) : budget_(budget) {}
  ~Http2Sync() { Reset(); }
  Http2Sync(const Http2Sync&) = delete;
  Http2Sync& operator=(const Http2Sync&) = delete;

  // The bytes of one segment. `sender`, where it is known, says which stream ids are believable.
  Found Feed(std::string_view data, uint64_t position, Timestamp at, std::optional<MessageKind> sender);
  // What is kept, segment by segment, beginning with a frame. Kept nothing afterwards.
  std::vector<Session::Rest> Take();
  // Lets go of the segment that was fed last.
  void DropLast();
  void Reset();

  bool empty() const { return segments_.empty(); }
  // Who sends what is kept, by the first fields of a header block or by what only servers send.
  std::optional<MessageKind> Sender() const;

 private:
  // Walks over the frames in all that is kept.
  Found Check(std::optional<MessageKind> sender) const;

  void Charge(const Session::Rest& segment);
  void Release(const Session::Rest& segment);

  MemoryBudget& budget_;
  std::vector<Session::Rest> segments_;
  size_t kept_ = 0;
};

}  // namespace podtap
