// SPDX-License-Identifier: Apache-2.0
// SharedState: the page that attacher and worker share: what survives a worker. The attacher makes it (anonymous,
// shared) before the first fork. Each field has one writer, named beside it; the attacher never trusts what the worker
// writes, it only passes numbers on.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/counters.h"
#include "base/result.h"

namespace podtap {

// Why podtap captures, or why not: label `reason` of podtap_capture_state.
#define PODTAP_CAPTURE_STATES(X)     \
  X(kStarting, "starting")           \
  X(kAttached, "attached")           \
  X(kConfiguration, "configuration") \
  X(kNoCgroup, "no_cgroup")          \
  X(kNoMemory, "no_memory")          \
  X(kBpfRefused, "bpf_refused")      \
  X(kStopping, "stopping")

enum class CaptureState : uint32_t {
#define X(enumerator, text) enumerator,
  PODTAP_CAPTURE_STATES(X)
#undef X
      kCount
};
std::string_view TextOf(CaptureState state);

struct SharedState {
  // Attacher.
  std::atomic<uint32_t> mode{0};
  std::atomic<CaptureState> capture_state{CaptureState::kStarting};
  std::atomic<uint64_t> attached_ns{0};  // monotonic time of the attach; 0 = not attached
  std::atomic<uint64_t> worker_restarts{0};
  std::atomic<uint64_t> records_skipped{0};     // records that killed two workers
  std::atomic<uint64_t> seccomp_violations{0};  // system calls of the worker that were refused
  std::atomic<uint32_t> worker_pid{0};
  // Worker.
  Counters counters;
  std::atomic<uint64_t> connections{0};
  std::atomic<uint64_t> memory_used{0};

  // One line that says why nothing is captured; empty while attached. Attacher writes, worker reads.
  void SetReason(std::string_view text);
  std::string Reason() const;

 private:
  std::atomic<uint32_t> reason_version_{0};
  std::atomic<char> reason_[512]{};
};

// Maps a zeroed SharedState that forked processes share; lives until the process ends.
Result<SharedState*> MakeSharedState();

}  // namespace podtap
