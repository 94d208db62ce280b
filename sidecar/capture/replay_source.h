// SPDX-License-Identifier: Apache-2.0
// ReplaySource: a Source that delivers a Recording. For tests and tools: what a capture said can be kept as a text file
// and played into the pipeline again, without privilege.
//
// The text form has one item a line; `#` begins a comment. Numbers are decimal. Optional words in any order:
//   open    COOKIE accepted|opened|unknown LOCAL REMOTE [at=NS] [late] [loopback] [pid=N] [comm=NAME] [cgroup=N]
//   segment COOKIE in|out [at=NS] [pos=N] [received=N] [ack=N] [skipped=N] [fin] [reset] ["bytes"]
//   close   COOKIE [at=NS] [received=N] [ack=N]
//   identify COOKIE accepted|opened|unknown LOCAL REMOTE [...]      like open, but no record: from here on records say
//   this batch
// LOCAL and REMOTE are 10.0.0.1:80 or [2001:db8::1]:80. `open` or `identify` comes before a connection's other lines;
// `late` there means that positions do not count from the handshake. Inside quotes: \r \n \t \0 \\ \" \xHH.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "sidecar/capture/source.h"
#include "sidecar/stream/recording.h"

namespace podtap {

// The error names the line.
Result<Recording> ParseRecording(std::string_view text);

class ReplaySource final : public Source {
 public:
  explicit ReplaySource(Recording recording) : recording_(std::move(recording)) {}

  // Stops at the end of a recorded batch.
  size_t Poll(SegmentHandler& handler, size_t max_records) override;
  int wakeup_fd() const override { return -1; }
  void Apply(const Interest& interest) override { interests_.push_back(interest); }

  bool at_end() const { return next_ == recording_.size(); }
  // What the pipeline asked for, in order. A replay cannot obey.
  const std::vector<Interest>& interests() const { return interests_; }

 private:
  Recording recording_;
  size_t next_ = 0;
  std::vector<Interest> interests_;
};

}  // namespace podtap
