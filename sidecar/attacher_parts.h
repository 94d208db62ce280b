// SPDX-License-Identifier: Apache-2.0
// What the attacher's three sources share and nobody else includes: attacher.cc (attaching, the loop, the end),
// attacher_worker.cc (the worker's life and what it asks), attacher_settings.cc (what changes while it runs).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "sidecar/attacher.h"

namespace podtap {

struct Attacher::Worker {
  pid_t pid = -1;
  UniqueFd control;
  UniqueFd seccomp;
  bool sent_listener = false;
  bool ready = false;
  Timestamp started;
};

inline constexpr uint64_t kNsPerMs = 1'000'000;
inline Timestamp In(uint64_t ms) { return Timestamp{MonotonicNow().ns + ms * kNsPerMs}; }

// The trimmed first bytes of a small file; empty if it cannot be read.
std::string ReadSmallFile(const std::string& path);

}  // namespace podtap
