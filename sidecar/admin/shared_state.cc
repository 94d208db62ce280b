// SPDX-License-Identifier: Apache-2.0
#include "sidecar/admin/shared_state.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace podtap {

std::string_view TextOf(CaptureState state) {
  static constexpr std::string_view kNames[] = {
#define X(enumerator, text) text,
      PODTAP_CAPTURE_STATES(X)
#undef X
  };
  return state < CaptureState::kCount ? kNames[static_cast<size_t>(state)] : "unknown";
}

// A reader that meets a writer sees an odd version or a changed one and looks again (a sequence lock with one writer).
void SharedState::SetReason(std::string_view text) {
  const size_t size = std::min(text.size(), sizeof(reason_) - 1);
  reason_version_.fetch_add(1, std::memory_order_acq_rel);
  for (size_t i = 0; i < size; ++i) reason_[i].store(text[i], std::memory_order_relaxed);
  reason_[size].store('\0', std::memory_order_relaxed);
  reason_version_.fetch_add(1, std::memory_order_release);
}

std::string SharedState::Reason() const {
  for (int attempt = 0; attempt < 100; ++attempt) {
    const uint32_t before = reason_version_.load(std::memory_order_acquire);
    std::string text;
    for (const std::atomic<char>& at : reason_) {
      const char c = at.load(std::memory_order_relaxed);
      if (c == '\0') break;
      text += c;
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    if (before % 2 == 0 && reason_version_.load(std::memory_order_relaxed) == before) return text;
  }
  return "changing";
}

Result<SharedState*> MakeSharedState() {
  void* page = mmap(nullptr, sizeof(SharedState), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return ErrnoError("cannot map the page shared with the worker");
  return new (page) SharedState();
}

}  // namespace podtap
