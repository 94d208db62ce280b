// SPDX-License-Identifier: Apache-2.0
#include "sidecar/admin/shared_state.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>

#include "base/unique_fd.h"

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

Status SharedState::KeepFromWriting() {
  // The seal makes this mapping one that mprotect() cannot make writable again.
  void* half = mmap(this, kHalf, PROT_READ, MAP_SHARED | MAP_FIXED, memory_, 0);
  if (half == MAP_FAILED) return ErrnoError("cannot keep the worker from writing to the attacher's memory");
  close(memory_);
  return {};
}

void SharedState::RenameSinks(std::span<const std::string> before, std::span<const std::string> now) {
  std::array<Counters, kMaxSinks> kept;
  for (size_t i = 0; i < std::min(now.size(), kMaxSinks); ++i) {
    const auto was = std::find(before.begin(), before.end(), now[i]);
    const auto at = static_cast<size_t>(was - before.begin());
    if (was != before.end() && at < kMaxSinks) kept[i].CopyFrom(sinks[at].counters);
  }
  for (size_t i = 0; i < kMaxSinks; ++i) sinks[i].counters.CopyFrom(kept[i]);
}

Result<SharedState*> MakeSharedState() {
  UniqueFd memory(memfd_create("podtap", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory || ftruncate(memory.get(), sizeof(SharedState)) < 0)
    return ErrnoError("cannot make the memory shared with the worker");
  // Room around it, because its alignment is more than that of a page.
  size_t room = sizeof(SharedState) + SharedState::kHalf;
  void* at = mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return ErrnoError("cannot map the memory shared with the worker");
  std::align(SharedState::kHalf, sizeof(SharedState), at, room);
  void* page = mmap(at, sizeof(SharedState), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory.get(), 0);
  if (page == MAP_FAILED) return ErrnoError("cannot map the memory shared with the worker");
  if (fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE) < 0)
    return ErrnoError("cannot seal the memory shared with the worker");
  auto* state = new (page) SharedState();
  state->memory_ = memory.release();
  return state;
}

}  // namespace podtap
