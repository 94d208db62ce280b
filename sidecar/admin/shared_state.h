// SPDX-License-Identifier: Apache-2.0
// SharedState: the memory that attacher and worker share: what survives a worker. The attacher makes it before the
// first fork. Each half has one writer, and the attacher's half is not writable for a worker (KeepFromWriting()). The
// attacher never trusts what the worker writes, it only passes numbers on.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/counters.h"
#include "base/result.h"
#include "sidecar/sink/sink.h"
#include "sidecar/sink/sink_counters.h"

namespace podtap {

// Why podtap captures, or why not: label `reason` of podtap_capture_state.
#define PODTAP_CAPTURE_STATES(X)     \
  X(kStarting, "starting")           \
  X(kAttached, "attached")           \
  X(kConfiguration, "configuration") \
  X(kNoCgroup, "no_cgroup")          \
  X(kNoMemory, "no_memory")          \
  X(kBpfRefused, "bpf_refused")      \
  X(kNoWorker, "no_worker")          \
  X(kStopping, "stopping")

enum class CaptureState : uint32_t {
#define X(enumerator, text) enumerator,
  PODTAP_CAPTURE_STATES(X)
#undef X
      kCount
};
std::string_view TextOf(CaptureState state);

struct SharedState {
  static constexpr size_t kHalf = 65536;  // a multiple of every page size

  // Attacher.
  std::atomic<uint64_t> mode_since_ns{0};  // monotonic; written before `mode`
  std::atomic<uint32_t> mode{0};
  std::atomic<CaptureState> capture_state{CaptureState::kStarting};
  std::atomic<uint64_t> attached_ns{0};  // monotonic time of the attach; 0 = not attached
  std::atomic<uint64_t> worker_restarts{0};
  std::atomic<uint64_t> records_skipped{0};         // records that killed two workers
  std::atomic<uint64_t> seccomp_violations{0};      // system calls of the worker that were refused
  std::atomic<uint64_t> config_reloads{0};          // of the configuration file, that were taken over
  std::atomic<uint64_t> config_reload_failures{0};  // that could not be; what was in force stayed
  std::atomic<uint32_t> worker_pid{0};
  std::atomic<uint64_t> worker_started_ns{0};  // monotonic
  // One line that says why nothing is captured; empty while attached. Longer ones are cut.
  void SetReason(std::string_view text);
  std::string Reason() const;

  // In the worker, before it looks at anything from outside: the attacher's half becomes read-only for good.
  Status KeepFromWriting();

 private:
  friend Result<SharedState*> MakeSharedState();
  int memory_ = -1;  // what both are mapped from; sealed against further writable mappings
  std::atomic<uint32_t> reason_version_{0};
  std::atomic<char> reason_[512]{};

 public:
  // Worker.
  alignas(kHalf) Counters counters;
  std::array<SinkNumbers, kMaxSinks> sinks;  // by index in the configuration
  // Between two workers: the sinks are `now` instead of `before`, and what each has counted goes with its name.
  void RenameSinks(std::span<const std::string> before, std::span<const std::string> now);
  std::atomic<uint64_t> connections{0};
  std::atomic<uint64_t> memory_used{0};
};

// Maps a zeroed SharedState that forked processes share; lives until the process ends.
Result<SharedState*> MakeSharedState();

}  // namespace podtap
