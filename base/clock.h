// SPDX-License-Identifier: Apache-2.0
// Time as podtap uses it. Events carry the kernel's monotonic clock (bpf_ktime_get_ns = CLOCK_MONOTONIC), so durations
// never jump; wall time is derived from it by an offset that WallClock measures again now and then, because wall time
// is stepped and slewed. Nothing but WallClock and the program's own timers asks the machine for the time: timeouts
// compare event times.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "base/text_cursor.h"

namespace podtap {

// A point of the monotonic clock, in nanoseconds since boot (without suspend). 0 = unknown.
struct Timestamp {
  uint64_t ns = 0;
  auto operator<=>(const Timestamp&) const = default;
  explicit operator bool() const { return ns != 0; }
};

// Nanoseconds from `from` to `to`; 0 if `to` is not later.
inline uint64_t NanosecondsBetween(Timestamp from, Timestamp to) { return to.ns > from.ns ? to.ns - from.ns : 0; }

Timestamp MonotonicNow();

// Wall time in nanoseconds since 1970-01-01 UTC.
struct WallTime {
  int64_t ns = 0;
};

// Converts monotonic time to wall time. Not thread-safe: its owner calls Measure() about once a second and stores what
// At() says into the event.
class WallClock {
 public:
  WallClock() { Measure(); }
  explicit WallClock(int64_t offset_ns) : offset_ns_(offset_ns) {}  // for tests
  // Reads both clocks, close together, and keeps their difference.
  void Measure();
  WallTime At(Timestamp at) const { return WallTime{static_cast<int64_t>(at.ns) + offset_ns_}; }

 private:
  int64_t offset_ns_ = 0;
};

// Appends "2026-01-31T12:00:01.123456789Z" (RFC 3339, UTC). `digits` of the fraction: 3, 6 or 9.
void AppendRfc3339(WallTime time, int digits, TextCursor& out);
void AppendRfc3339(WallTime time, int digits, std::string& out);
// Appends Suricata's form "2026-01-31T12:00:01.123456+0000" (UTC, microseconds).
void AppendEveTimestamp(WallTime time, TextCursor& out);
void AppendEveTimestamp(WallTime time, std::string& out);

}  // namespace podtap
