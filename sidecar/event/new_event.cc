// SPDX-License-Identifier: Apache-2.0
#include "sidecar/event/new_event.h"

#include <mutex>
#include <utility>
#include <vector>

namespace podtap {
namespace {

constexpr size_t kMaxKept = 2048;       // about what is under way at full load
constexpr size_t kMaxHeadBytes = 4096;  // per message: larger buffers are given back
constexpr size_t kMaxBodyBytes = 1024;  // likewise
constexpr size_t kMaxTextBytes = 512;

void Keep(std::string& used, size_t limit, std::string& empty) {
  if (used.capacity() > limit) return;
  used.clear();
  empty.swap(used);
}

void Keep(HeaderList& used, HeaderList& empty) {
  if (used.memory() > kMaxHeadBytes) return;
  used.Clear();
  std::swap(empty, used);
}

// Everything is as new, but for the buffers that are kept.
void Clean(HttpEvent& event) {
  HttpEvent used = std::move(event);  // buffers that are moved away are gone; assigning to a string leaves it its own
  HttpEvent empty;
  Keep(used.request.headers, empty.request.headers);
  Keep(used.response.headers, empty.response.headers);
  Keep(used.request.body, kMaxBodyBytes, empty.request.body);
  Keep(used.response.body, kMaxBodyBytes, empty.response.body);
  Keep(used.response.trailers, empty.response.trailers);
  Keep(used.target, kMaxTextBytes, empty.target);
  Keep(used.authority, kMaxTextBytes, empty.authority);
  Keep(used.container_id, kMaxTextBytes, empty.container_id);
  event = std::move(empty);
}

class Pool {
 public:
  std::unique_ptr<HttpEvent> Take() {
    {
      const std::lock_guard lock(mutex_);
      if (!kept_.empty()) {
        std::unique_ptr<HttpEvent> event = std::move(kept_.back());
        kept_.pop_back();
        return event;
      }
    }
    return std::make_unique<HttpEvent>();
  }
  void Give(std::unique_ptr<HttpEvent> event) {
    Clean(*event);
    const std::lock_guard lock(mutex_);
    if (kept_.size() < kMaxKept) kept_.push_back(std::move(event));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<HttpEvent>> kept_;
};

// Never destroyed: an abandoned sink's thread may hold events to the end of the process.
Pool& ThePool() {
  static Pool& pool = *new Pool;
  return pool;
}

}  // namespace

std::shared_ptr<HttpEvent> NewHttpEvent() {
  return {ThePool().Take().release(), [](HttpEvent* event) { ThePool().Give(std::unique_ptr<HttpEvent>(event)); }};
}

}  // namespace podtap
