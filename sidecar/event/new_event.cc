// SPDX-License-Identifier: Apache-2.0
#include "sidecar/event/new_event.h"

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace podtap {
namespace {

constexpr size_t kMaxKept = 2048;       // about what is under way at full load
constexpr size_t kMaxHeadBytes = 4096;  // per message: larger buffers are given back
constexpr size_t kMaxBodyBytes = 1024;  // likewise
constexpr size_t kMaxTextBytes = 512;

std::string Kept(std::string& used, size_t limit) {
  std::string kept;
  if (used.capacity() <= limit) kept = std::move(used);
  kept.clear();
  return kept;
}

HeaderList Kept(HeaderList& used) {
  HeaderList kept;
  if (used.memory() <= kMaxHeadBytes) std::swap(kept, used);
  kept.Clear();
  return kept;
}

// The event is made anew, but for the buffers that most exchanges fill and that are not large.
void Renew(HttpEvent& used) {
  HeaderList request_headers = Kept(used.request.headers), response_headers = Kept(used.response.headers);
  HeaderList response_trailers = Kept(used.response.trailers);
  std::string request_body = Kept(used.request.body, kMaxBodyBytes);
  std::string response_body = Kept(used.response.body, kMaxBodyBytes);
  std::string target = Kept(used.target, kMaxTextBytes), authority = Kept(used.authority, kMaxTextBytes);
  std::string container_id = Kept(used.container_id, kMaxTextBytes);
  std::destroy_at(&used);
  HttpEvent& event = *std::construct_at(&used);
  event.request.headers = std::move(request_headers);
  event.response.headers = std::move(response_headers);
  event.response.trailers = std::move(response_trailers);
  event.request.body = std::move(request_body);
  event.response.body = std::move(response_body);
  event.target = std::move(target);
  event.authority = std::move(authority);
  event.container_id = std::move(container_id);
}

// An event, and where its shared_ptr counts.
struct Pooled {
  HttpEvent event;
  alignas(std::max_align_t) std::byte control[64];
};

class Pool {
 public:
  std::unique_ptr<Pooled> Take() {
    {
      const std::lock_guard lock(mutex_);
      if (!kept_.empty()) {
        std::unique_ptr<Pooled> pooled = std::move(kept_.back());
        kept_.pop_back();
        return pooled;
      }
    }
    return std::make_unique<Pooled>();
  }
  void Give(std::unique_ptr<Pooled> pooled) {
    Renew(pooled->event);
    const std::lock_guard lock(mutex_);
    if (kept_.size() < kMaxKept) kept_.push_back(std::move(pooled));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Pooled>> kept_;
};

// Never destroyed: an abandoned sink's thread may hold events to the end of the process.
Pool& ThePool() {
  static Pool& pool = *new Pool;
  return pool;
}

// Gives a shared_ptr the memory in `home` for its counts; freeing that is the last thing it does with it.
template <typename T>
struct ControlMemory {
  using value_type = T;

  explicit ControlMemory(Pooled* pooled) : home(pooled) {}
  template <typename U>
  ControlMemory(const ControlMemory<U>& other) : home(other.home) {}

  T* allocate(size_t) {
    static_assert(sizeof(T) <= sizeof(Pooled::control) && alignof(T) <= alignof(std::max_align_t));
    return reinterpret_cast<T*>(home->control);
  }
  void deallocate(T*, size_t) { ThePool().Give(std::unique_ptr<Pooled>(home)); }
  template <typename U>
  bool operator==(const ControlMemory<U>& other) const {
    return home == other.home;
  }

  Pooled* home;
};

}  // namespace

std::shared_ptr<HttpEvent> NewHttpEvent() {
  Pooled* const pooled = ThePool().Take().release();
  return {&pooled->event, [](HttpEvent*) {}, ControlMemory<HttpEvent>(pooled)};
}

}  // namespace podtap
